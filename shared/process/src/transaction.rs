//! A program's part in a reload: it prepares what it would go over to, and holds that until it is told to
//! commit or to forget it.

use std::io;
use std::os::unix::net::UnixStream as StdStream;

use tokio::io::Interest;
use tokio::net::UnixStream;
use tracing::warn;

use crate::channels::Channel;
use crate::control::{Control, Order, Pause, Received, Verdict, content};

/// What the program is to do.
#[derive(Debug)]
pub enum Step<T> {
    /// Prepare to go over to this configuration, and tell [`Transaction::prepared`].
    Prepare(u64, Vec<u8>),
    /// Go over to what was prepared, and tell [`Transaction::committed`].
    Commit(u64, T),
    /// Talk with another program over this.
    Channel(Channel, UnixStream),
}

/// The supervisor's orders, and what was prepared for one of them.
#[derive(Debug)]
pub struct Transaction<T> {
    /// None: the supervisor is gone.
    control: Option<(Control, UnixStream)>,
    staged: Option<(u64, T)>,
}

impl<T> Transaction<T> {
    /// Orders that come by `control`.
    ///
    /// # Errors
    /// The runtime cannot take the socket.
    pub fn new(control: Control) -> io::Result<Self> {
        let socket = UnixStream::from_std(control.socket()?)?;
        Ok(Self { control: Some((control, socket)), staged: None })
    }

    /// Waits for what to do; for ever once the supervisor is gone. Cancel-safe.
    pub async fn next(&mut self) -> Step<T> {
        loop {
            let Some((control, stream)) = &self.control else {
                return std::future::pending().await;
            };
            match stream.async_io(Interest::READABLE, || control.receive()).await {
                Ok(Some(received)) => {
                    if let Some(step) = self.step(received) {
                        return step;
                    }
                }
                // It has sent us a signal.
                Ok(None) => self.control = None,
                Err(error) => {
                    warn!(%error, "no order of the supervisor's: going on without its orders");
                    self.control = None;
                }
            }
        }
    }

    fn step(&mut self, (order, file): Received) -> Option<Step<T>> {
        match order {
            // What was prepared before is not wanted any more.
            Order::Prepare { generation } => {
                self.staged = None;
                match file.map(content).transpose() {
                    Ok(content) => Some(Step::Prepare(generation, content.unwrap_or_default())),
                    Err(error) => {
                        self.answer(generation, Verdict::Refused(error.to_string()));
                        None
                    }
                }
            }
            Order::Channel { channel } => {
                let end = file.map(StdStream::from).ok_or_else(|| io::ErrorKind::NotFound.into());
                let stream = end.and_then(|end: StdStream| {
                    end.set_nonblocking(true)?;
                    UnixStream::from_std(end)
                });
                match stream {
                    Ok(stream) => Some(Step::Channel(channel, stream)),
                    Err(error) => {
                        warn!(?channel, %error, "cannot use the end of a channel");
                        None
                    }
                }
            }
            Order::Commit { generation } => match self.staged.take() {
                Some((prepared, staged)) if prepared == generation => {
                    Some(Step::Commit(generation, staged))
                }
                _ => {
                    self.answer(generation, Verdict::Refused("was never prepared".to_owned()));
                    None
                }
            },
            Order::Abort { .. } | Order::Start { .. } => {
                self.staged = None;
                None
            }
        }
    }

    /// What came of a [`Step::Prepare`]; why not, in words.
    pub fn prepared(&mut self, generation: u64, outcome: Result<T, String>) {
        let verdict = match outcome {
            Ok(staged) => {
                self.staged = Some((generation, staged));
                Verdict::Prepared
            }
            Err(words) => Verdict::Refused(words),
        };
        self.answer(generation, verdict);
    }

    /// A [`Step::Commit`] is done.
    pub fn committed(&mut self, generation: u64) {
        self.answer(generation, Verdict::Committed);
    }

    /// Has the supervisor remember whether the node is to rest.
    ///
    /// # Errors
    /// The supervisor is gone, or does not read.
    pub fn remember(&self, pause: Pause) -> io::Result<()> {
        let (control, _) = self.control.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        control.remember(pause)
    }

    fn answer(&self, generation: u64, verdict: Verdict) {
        if let Some((control, _)) = &self.control
            && let Err(error) = control.answer(generation, verdict)
        {
            warn!(%error, "cannot answer the supervisor");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::fd::AsFd;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;
    use crate::channels::hand_over;
    use crate::control::{order, pair, sealed};

    /// The supervisor's end, and a program's.
    fn connected() -> (StdStream, Transaction<&'static str>) {
        let (ours, theirs) = pair().unwrap();
        let theirs = StdStream::from(theirs);
        theirs.set_nonblocking(true).unwrap();
        (ours, Transaction::new(Control::of(theirs)).unwrap())
    }

    fn prepare(ours: &StdStream, generation: u64) {
        let content = sealed(b"content").unwrap();
        order(ours, Order::Prepare { generation }, Some(content.as_fd())).unwrap();
    }

    fn heard(mut ours: &StdStream) -> String {
        let mut buffer = [0; 256];
        let length = ours.read(&mut buffer).unwrap_or(0);
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    fn words(step: Step<&'static str>) -> String {
        match step {
            Step::Prepare(generation, content) => {
                format!("prepare {generation}, {}", content.len())
            }
            Step::Commit(generation, staged) => format!("commit {generation}: {staged}"),
            Step::Channel(channel, _) => format!("{channel:?}"),
        }
    }

    async fn nothing(transaction: &mut Transaction<&'static str>) {
        let waits = timeout(Duration::from_millis(50), transaction.next()).await;
        assert!(waits.is_err(), "{waits:?}");
    }

    #[tokio::test]
    async fn what_was_prepared_is_committed() {
        let (ours, mut transaction) = connected();
        prepare(&ours, 2);
        assert_eq!(words(transaction.next().await), "prepare 2, 7");
        transaction.prepared(2, Ok("staged"));
        assert_eq!(heard(&ours), "{\"generation\":2,\"verdict\":\"prepared\"}\n");
        order(&ours, Order::Commit { generation: 2 }, None).unwrap();
        assert_eq!(words(transaction.next().await), "commit 2: staged");
        transaction.committed(2);
        assert_eq!(heard(&ours), "{\"generation\":2,\"verdict\":\"committed\"}\n");
    }

    #[tokio::test]
    async fn what_was_aborted_replaced_or_refused_cannot_be_committed() {
        for last in [Order::Abort { generation: 2 }, Order::Prepare { generation: 3 }] {
            let (ours, mut transaction) = connected();
            prepare(&ours, 2);
            transaction.next().await;
            transaction.prepared(2, Ok("staged"));
            heard(&ours);
            order(&ours, last, None).unwrap();
            if let Order::Prepare { .. } = last {
                assert_eq!(words(transaction.next().await), "prepare 3, 0");
                transaction.prepared(3, Err("no".to_owned()));
                assert_eq!(heard(&ours), "{\"generation\":3,\"verdict\":{\"refused\":\"no\"}}\n");
            }
            order(&ours, Order::Commit { generation: 2 }, None).unwrap();
            nothing(&mut transaction).await;
            let refused = "{\"generation\":2,\"verdict\":{\"refused\":\"was never prepared\"}}\n";
            assert_eq!(heard(&ours), refused);
        }
    }

    #[tokio::test]
    async fn the_end_of_a_channel_comes_between_orders() {
        let (ours, mut transaction) = connected();
        let (one, other) = StdStream::pair().unwrap();
        hand_over(ours.as_fd(), Channel::Health, one.as_fd()).unwrap();
        drop(one);
        let Step::Channel(Channel::Health, stream) = transaction.next().await else { panic!() };
        (&other).write_all(b"!").unwrap();
        stream.readable().await.unwrap();
        let mut byte = [0; 1];
        assert_eq!((stream.try_read(&mut byte).unwrap(), byte), (1, *b"!"));
        // The death of a program closes its ends, and the other one reads that.
        drop(stream);
        assert_eq!((&other).read(&mut byte).unwrap(), 0);
    }

    #[tokio::test]
    async fn without_a_supervisor_nothing_is_ordered() {
        let (ours, mut transaction) = connected();
        drop(ours);
        nothing(&mut transaction).await;
    }
}
