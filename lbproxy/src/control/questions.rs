//! What others ask: the console, and a successor.
//!
//! A task for each channel. Stops: with its channel. What is not read is not answered any further.

use std::io;
use std::time::Duration;

use process::messages::{LineError, Lines, line};
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::control::handoff::{HandoffRequest, SocketHandoff};
use crate::control::status::{Answer, Request};

/// What a successor may take to read what it gets.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is read at a time; a request is not much longer, in bytes.
const READ: usize = 4096;

/// What somebody wants.
#[derive(Debug)]
pub(crate) enum Asked {
    /// The console, or an operator through it; the line that is answered goes there.
    Request(Request, oneshot::Sender<Vec<u8>>),
    /// A successor wants the sockets; or the words why it gets none.
    TakeOver(oneshot::Sender<Result<SocketHandoff, String>>),
    /// The successor that has them serves.
    Retire,
}

/// Answers the console until its channel ends.
pub(crate) async fn console(mut stream: UnixStream, asked: mpsc::Sender<Asked>) {
    let mut lines = Reader::default();
    loop {
        let answer = match lines.next::<Request>(&mut stream).await {
            Ok(Ok(request)) => {
                let (reply, answer) = oneshot::channel();
                if asked.send(Asked::Request(request, reply)).await.is_err() {
                    return;
                }
                let Ok(answer) = answer.await else { return };
                answer
            }
            Ok(Err(error)) => line(&Answer::Error(error.to_string())),
            Err(error) => return debug!(%error, "the console is gone"),
        };
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}

/// Hands everything to a successor, and hears when it serves.
pub(crate) async fn successor(mut stream: UnixStream, asked: mpsc::Sender<Asked>) {
    let mut lines = Reader::default();
    loop {
        match lines.next::<HandoffRequest>(&mut stream).await {
            Ok(Ok(HandoffRequest::TakeOver)) => {
                let (reply, handoff) = oneshot::channel();
                if asked.send(Asked::TakeOver(reply)).await.is_err() {
                    return;
                }
                match handoff.await {
                    Ok(Ok(handoff)) => {
                        let handed = timeout(PATIENCE, handoff.hand_to(&stream)).await;
                        if !matches!(handed, Ok(Ok(()))) {
                            return warn!("the successor did not take the sockets in time");
                        }
                    }
                    Ok(Err(words)) => return warn!(reason = words, "handoff refused"),
                    Err(_) => return,
                }
            }
            // The daemon ends.
            Ok(Ok(HandoffRequest::Retire)) => drop(asked.send(Asked::Retire).await),
            Ok(Err(error)) => return warn!(%error, "invalid request of the successor"),
            Err(_) => return,
        }
    }
}

/// Reads message after message.
#[derive(Debug, Default)]
struct Reader {
    lines: Lines,
}

impl Reader {
    /// The next one, or what is wrong with its line; an error is the end.
    async fn next<T: DeserializeOwned>(
        &mut self,
        stream: &mut UnixStream,
    ) -> io::Result<Result<T, LineError>> {
        loop {
            if let Some(message) = self.lines.message().transpose() {
                return Ok(message);
            }
            let mut buffer = [0; READ];
            let length = stream.read(&mut buffer).await?;
            if length == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.lines.push(buffer.get(..length).unwrap_or_default()).map_err(io::Error::other)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncBufReadExt;

    use super::*;

    /// What an end of this kind is heard to say; each request is answered with its name.
    async fn heard<F: Future<Output = ()> + Send + 'static>(
        serve: impl FnOnce(UnixStream, mpsc::Sender<Asked>) -> F,
        said: &str,
    ) -> (Vec<String>, String) {
        let (mut theirs, ours) = UnixStream::pair().unwrap();
        let (ask, mut asked) = mpsc::channel(4);
        tokio::spawn(serve(ours, ask));
        theirs.write_all(said.as_bytes()).await.unwrap();
        theirs.shutdown().await.unwrap();
        let mut heard = Vec::new();
        while let Some(asked) = asked.recv().await {
            match asked {
                Asked::Request(request, reply) => {
                    heard.push(format!("{request:?}"));
                    reply.send(b"done\n".to_vec()).unwrap();
                }
                Asked::TakeOver(_) => heard.push("take over".to_owned()),
                Asked::Retire => heard.push("retire".to_owned()),
            }
        }
        let mut answer = String::new();
        // Who is cut off with words unread is reset.
        tokio::io::BufReader::new(theirs).read_line(&mut answer).await.unwrap_or_default();
        (heard, answer)
    }

    #[tokio::test]
    async fn only_a_successor_takes_over_or_retires_and_only_the_console_asks() {
        let status = heard(console, "{\"type\":\"status\"}\n").await;
        assert_eq!(status, (vec!["Status".to_owned()], "done\n".to_owned()));
        for order in ["take_over", "retire"] {
            let (heard, answer) = heard(console, &format!("{{\"type\":\"{order}\"}}\n")).await;
            assert_eq!(heard, [""; 0]);
            assert_eq!(answer, "{\"error\":\"not a message of version 1\"}\n");
        }
        assert_eq!(heard(successor, "{\"type\":\"retire\"}\n").await.0, ["retire"]);
        assert_eq!(heard(successor, "{\"type\":\"status\"}\n").await.0, [""; 0]);
        let endless = "x".repeat(70_000);
        assert_eq!(heard(console, &endless).await.0, [""; 0]);
    }
}
