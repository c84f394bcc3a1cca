//! A program that is asked over its channel, one question after the other.
//!
//! Owns: our end of the channel; the supervisor makes another whenever the program is started anew. Stops:
//! when nobody can ask any more. Questions whose channel ends are not answered.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use process::messages::line;
use process::throttle::{MINUTE, SharedThrottle, Throttle};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tracing::warn;

use crate::clock::now;

/// Answers that were not understood, in the log.
static INVALID: SharedThrottle = SharedThrottle::new(Throttle::new(MINUTE));

/// How long a program may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Questions that may wait for their answers; who asks further ones waits before.
const QUESTIONS: usize = 16;

/// An answer longer than this is none, in bytes.
const ANSWER_LIMIT: usize = 16 * 1024 * 1024;

/// A question, and where its answer goes.
type Question = (Vec<u8>, oneshot::Sender<Vec<u8>>);

/// Whom to ask.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    questions: mpsc::Sender<Question>,
    streams: mpsc::Sender<UnixStream>,
}

impl Peer {
    /// One without a channel yet, on the current runtime.
    pub(super) fn start() -> Self {
        let (questions, asked) = mpsc::channel(QUESTIONS);
        let (streams, given) = mpsc::channel(1);
        tokio::spawn(run(asked, given));
        Self { questions, streams }
    }

    /// A channel in the place of the one before.
    pub(super) async fn connect(&self, stream: UnixStream) {
        // It lives as long as we do.
        self.streams.send(stream).await.ok();
    }

    /// Its answer; none if it does not run, or not answer in time.
    pub(super) async fn ask<T: DeserializeOwned>(&self, question: &impl Serialize) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        let asked = async {
            self.questions.send((line(question), reply)).await.ok()?;
            answer.await.ok()
        };
        let answer = timeout(PATIENCE, asked).await.ok()??;
        let understood = serde_json::from_slice(&answer);
        let invalid = |error| {
            if let Some(times) = INVALID.take(now()) {
                warn!(%error, times, "invalid answer of a program");
            }
        };
        understood.map_err(invalid).ok()
    }
}

/// The channel that there is, and who waits for its answers.
struct Connected {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    partial: Vec<u8>,
    waiting: VecDeque<oneshot::Sender<Vec<u8>>>,
}

impl Connected {
    fn new(stream: UnixStream) -> Self {
        let (reader, writer) = stream.into_split();
        let (partial, waiting) = (Vec::new(), VecDeque::new());
        Self { reader: BufReader::new(reader), writer, partial, waiting }
    }

    async fn ask(&mut self, (question, reply): Question) -> io::Result<()> {
        timeout(PATIENCE, self.writer.write_all(&question)).await??;
        self.waiting.push_back(reply);
        Ok(())
    }

    /// Passes the next answer on. Cancel-safe: what was read so far stays.
    async fn answer(&mut self) -> io::Result<()> {
        let read = self.reader.read_until(b'\n', &mut self.partial).await?;
        let whole = self.partial.ends_with(b"\n");
        if read == 0 || !whole || self.partial.len() > ANSWER_LIMIT {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let answer = std::mem::take(&mut self.partial);
        if let Some(reply) = self.waiting.pop_front() {
            // Who asked may have given up.
            reply.send(answer).ok();
        }
        Ok(())
    }
}

async fn run(mut asked: mpsc::Receiver<Question>, mut streams: mpsc::Receiver<UnixStream>) {
    let mut connected: Option<Connected> = None;
    loop {
        let Some(channel) = &mut connected else {
            tokio::select! {
                // A question that was asked after the channel came is not dropped.
                biased;
                stream = streams.recv() => match stream {
                    Some(stream) => connected = Some(Connected::new(stream)),
                    None => return,
                },
                // Dropped: nobody is there to answer.
                question = asked.recv() => if question.is_none() { return },
            }
            continue;
        };
        let room = channel.waiting.len() < QUESTIONS;
        let done = tokio::select! {
            biased;
            stream = streams.recv() => match stream {
                Some(stream) => {
                    connected = Some(Connected::new(stream));
                    continue;
                }
                None => return,
            },
            answered = channel.answer() => answered,
            question = asked.recv(), if room => match question {
                Some(question) => channel.ask(question).await,
                None => return,
            },
        };
        if done.is_err() {
            connected = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn who_is_not_there_does_not_answer() {
        let peer = Peer::start();
        assert_eq!(peer.ask::<String>(&"how?").await, None);
        let (theirs, ours) = UnixStream::pair().unwrap();
        peer.connect(ours).await;
        drop(theirs);
        assert_eq!(peer.ask::<String>(&"how?").await, None);
    }

    #[tokio::test]
    async fn answers_come_to_those_who_asked_and_not_to_who_gave_up() {
        let peer = Peer::start();
        let (theirs, ours) = UnixStream::pair().unwrap();
        peer.connect(ours).await;
        let mut theirs = BufReader::new(theirs);
        let mut first = String::new();
        // The first gets no answer in time, and its answer is nobody else's.
        let (none, _) = tokio::join!(peer.ask::<u8>(&1), theirs.read_line(&mut first));
        assert_eq!((none, first.as_str()), (None, "1\n"));
        let answers = async {
            let mut second = [0; 2];
            theirs.read_exact(&mut second).await.unwrap();
            assert_eq!(&second, b"2\n");
            theirs.write_all(b"11\n1").await.unwrap();
            theirs.write_all(b"2\n").await.unwrap();
        };
        let (answer, ()) = tokio::join!(peer.ask::<u8>(&2), answers);
        assert_eq!(answer, Some(12));
    }
}
