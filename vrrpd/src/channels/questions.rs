//! What the console asks and orders, one after the other.
//!
//! Owns: the channel. Stops: with it, or with the daemon. A console that does not read its answer gets no
//! further one: nothing piles up here.

use process::messages::{Lines, VrrpdRequest, line};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};
use tracing::warn;

use super::{Asked, Order};

/// What is taken in at a time, in bytes.
const READ: usize = 4096;

/// Answers until the channel ends.
pub(super) async fn run(mut stream: UnixStream, ask: mpsc::Sender<Asked>) {
    let mut received = Lines::default();
    let mut buffer = [0; READ];
    loop {
        let length = match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(length) => length,
        };
        if received.push(&buffer[..length]).is_err() {
            return warn!("closing the channel to the console: it sends lines without an end");
        }
        loop {
            let request = match received.message() {
                Ok(Some(request)) => request,
                Ok(None) => break,
                Err(error) => {
                    return warn!(%error, "closing the channel to the console: invalid request");
                }
            };
            if answer(&mut stream, request, &ask).await.is_none() {
                return;
            }
        }
    }
}

async fn answer(
    stream: &mut UnixStream,
    request: VrrpdRequest,
    ask: &mpsc::Sender<Asked>,
) -> Option<()> {
    let (answer, status) = oneshot::channel();
    let asked = match request {
        VrrpdRequest::Status => Asked::Status(answer),
        VrrpdRequest::HandOver { router, to } => {
            Asked::Ordered(Order::HandOver(router, to), answer)
        }
        VrrpdRequest::Pause => Asked::Ordered(Order::Pause, answer),
        VrrpdRequest::Resume => Asked::Ordered(Order::Resume, answer),
    };
    ask.send(asked).await.ok()?;
    stream.write_all(&line(&status.await.ok()?)).await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the daemon hears of these bytes; the channel is closed after them.
    async fn heard(bytes: &[u8]) -> Vec<String> {
        let (mut console, ours) = UnixStream::pair().unwrap();
        let (ask, mut asked) = mpsc::channel(8);
        tokio::spawn(run(ours, ask));
        console.write_all(bytes).await.unwrap();
        console.shutdown().await.unwrap();
        let mut heard = Vec::new();
        while let Some(asked) = asked.recv().await {
            // Nobody answers, so that it ends with the first.
            heard.push(match asked {
                Asked::Status(_) => "status".to_owned(),
                Asked::Ordered(order, _) => format!("{order:?}"),
                Asked::Health(..) | Asked::Lost(..) | Asked::Left(..) | Asked::Hooks(_) => {
                    "health".to_owned()
                }
            });
        }
        heard
    }

    #[tokio::test]
    async fn it_asks_and_orders_and_tells_no_health() {
        assert_eq!(heard(b"{\"type\":\"status\"}\n").await, ["status"]);
        assert_eq!(heard(b"{\"type\":\"pause\"}\n").await, ["Pause"]);
        let health = b"{\"type\":\"health\",\"tracker\":\"a\",\"usable\":1,\"total\":1,\"state\":\"usable\"}\n";
        assert_eq!(heard(health).await, [""; 0]);
        assert_eq!(heard(&vec![b' '; 100_000]).await, [""; 0]);
    }
}
