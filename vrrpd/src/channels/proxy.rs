//! The channel to a proxy: it tells health, and hears which addresses are here.
//!
//! Owns: the channel. Stops: with it, which means that the proxy died.

use process::messages::{HEARTBEAT_TIMEOUT, LineError, Lines, ToVrrpd, VERSION};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tracing::{info, warn};
use vocabulary::Name;

use super::hub::LINE_QUEUE;
use super::{Asked, Means, Source, TRACKERS};

/// What is taken in at a time, in bytes.
const READ: usize = 4096;

/// A conversation with one proxy.
pub(super) struct Conversation {
    number: u64,
    means: Means,
    /// Until the proxy has said hello; then the hub has it.
    lines: Option<mpsc::Sender<Vec<u8>>>,
    /// What this proxy told the health of.
    trackers: Vec<Name>,
    hangs: bool,
}

/// Why a conversation ended.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("it closed the channel")]
    Closed,
    #[error("read: {0}")]
    Read(#[from] std::io::Error),
    #[error("{0}")]
    Line(#[from] LineError),
    #[error(
        "it speaks version {theirs} of the messages, we speak {VERSION}; start both from one release"
    )]
    Version { theirs: u32 },
    #[error("it spoke before it said hello")]
    NoHello,
    #[error("it tells of over {TRACKERS} proxies")]
    Crowd,
    #[error("the daemon ends")]
    Ending,
}

impl Conversation {
    pub(super) fn new(number: u64, means: Means) -> Self {
        Self { number, means, lines: None, trackers: Vec::new(), hangs: false }
    }

    pub(super) async fn run(mut self, stream: UnixStream) {
        let (reader, writer) = stream.into_split();
        let (lines, queue) = mpsc::channel(LINE_QUEUE);
        self.lines = Some(lines);
        let writer = tokio::spawn(write(writer, queue));
        let end = self.read(reader).await;
        self.lines = None;
        if !matches!(end, End::Closed | End::Ending) || !self.trackers.is_empty() {
            warn!(lbproxy = self.number, reason = %end, "lost the channel to a proxy");
        }
        if !self.trackers.is_empty() {
            self.lost("its channel ended").await;
        }
        self.means.hub.leave(self.number).await;
        // The writer ends when the hub has dropped its end of the queue.
        writer.await.ok();
    }

    async fn read(&mut self, mut reader: OwnedReadHalf) -> End {
        let mut received = Lines::default();
        let mut buffer = [0; READ];
        loop {
            let read = tokio::time::timeout(HEARTBEAT_TIMEOUT, reader.read(&mut buffer));
            let length = match read.await {
                Ok(Ok(0)) => return End::Closed,
                Ok(Ok(length)) => length,
                Ok(Err(error)) => return error.into(),
                Err(_) => {
                    self.silent().await;
                    continue;
                }
            };
            if let Err(end) = self.take(&mut received, &buffer[..length]).await {
                return end;
            }
        }
    }

    async fn take(&mut self, received: &mut Lines, bytes: &[u8]) -> Result<(), End> {
        received.push(bytes)?;
        while let Some(message) = received.message()? {
            self.message(message).await?;
        }
        Ok(())
    }

    async fn message(&mut self, message: ToVrrpd) -> Result<(), End> {
        match message {
            ToVrrpd::Hello { version: VERSION } => {
                if let Some(lines) = self.lines.take() {
                    self.means.hub.join(self.number, lines).await;
                }
                info!(lbproxy = self.number, "a proxy connected");
                Ok(())
            }
            ToVrrpd::Hello { version } => Err(End::Version { theirs: version }),
            _ if self.lines.is_some() => Err(End::NoHello),
            ToVrrpd::Health(health) => {
                self.hangs = false;
                if !self.trackers.contains(&health.tracker) {
                    if self.trackers.len() >= TRACKERS {
                        return Err(End::Crowd);
                    }
                    self.trackers.push(health.tracker.clone());
                }
                let health = Asked::Health(Source::Proxy, health);
                self.means.ask.send(health).await.map_err(|_| End::Ending)
            }
            ToVrrpd::Retire => {
                self.trackers.clear();
                Ok(())
            }
            ToVrrpd::Released { router } => {
                self.means.hub.released(self.number, router).await;
                Ok(())
            }
        }
    }

    /// No heartbeat: a proxy that hangs cannot serve.
    async fn silent(&mut self) {
        if self.hangs || self.trackers.is_empty() {
            return;
        }
        self.hangs = true;
        warn!(lbproxy = self.number, limit = ?HEARTBEAT_TIMEOUT, "a proxy sent no heartbeat: it counts as hung");
        self.lost("it sent no heartbeat").await;
    }

    async fn lost(&self, reason: &'static str) {
        // The daemon ends: nobody counts any more.
        self.means.ask.send(Asked::Lost(self.trackers.clone(), reason)).await.ok();
    }
}

/// Writes what comes through the queue.
async fn write(mut writer: OwnedWriteHalf, mut queue: mpsc::Receiver<Vec<u8>>) {
    while let Some(line) = queue.recv().await {
        // A reader that is gone is noticed by the other half.
        if writer.write_all(&line).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use process::messages::{Ownership, OwnershipState, line};
    use vocabulary::{Family, RouterId};

    use super::*;
    use crate::channels::Channels;
    use crate::occurrence::Occurrences;
    use process::channels::Channel;

    const HELLO: &str = "{\"type\":\"hello\",\"version\":1}\n";
    const HEALTH: &str =
        "{\"type\":\"health\",\"tracker\":\"web\",\"usable\":1,\"total\":1,\"state\":\"usable\"}\n";

    /// What the daemon hears when an end of this kind says so, and whether it was cut off for it.
    async fn heard(channel: Channel, said: &str) -> (Vec<String>, bool) {
        let (mut theirs, ours) = UnixStream::pair().unwrap();
        let occurrences = Occurrences::default();
        let (mut channels, hub, mut asked) = Channels::open(&occurrences);
        let router = RouterId { name: Name::try_from("vip").unwrap(), family: Family::Ipv4 };
        let state = OwnershipState::Active;
        hub.tell(Ownership { router, addresses: Vec::new(), state }).await;
        channels.serve(channel, ours);
        theirs.write_all(said.as_bytes()).await.unwrap();
        let mut bytes = [0; 256];
        let read = theirs.read(&mut bytes).await;
        let cut_off = matches!(read, Ok(0) | Err(_));
        if !cut_off {
            let expected =
                r#"{"router":{"name":"vip","family":"ipv4"},"addresses":[],"state":"active"}"#;
            assert_eq!(bytes[..read.unwrap()], format!("{expected}\n").into_bytes());
        }
        let mut heard = Vec::new();
        while let Ok(Some(asked)) =
            tokio::time::timeout(std::time::Duration::from_millis(50), asked.recv()).await
        {
            heard.push(match asked {
                Asked::Health(source, health) => format!("{source:?} {}", health.tracker),
                Asked::Lost(trackers, why) => format!("lost {}: {why}", trackers.len()),
                Asked::Left(_) | Asked::Hooks(_) | Asked::Ordered(..) | Asked::Status(_) => {
                    format!("{asked:?}")
                }
            });
        }
        (heard, cut_off)
    }

    #[tokio::test]
    async fn a_proxy_tells_health_and_nothing_else() {
        let good = heard(Channel::Health, &format!("{HELLO}{HEALTH}")).await;
        assert_eq!(good, (vec!["Proxy web".to_owned()], false));
        let orders = ["pause", "resume", "status", "hand_over", "take_over"];
        for order in orders {
            let said = format!("{HELLO}{{\"type\":\"{order}\",\"router\":null}}\n");
            let (heard, _) = heard(Channel::Health, &said).await;
            assert_eq!(heard, [""; 0], "{order}");
        }
    }

    #[tokio::test]
    async fn another_version_and_no_hello_are_cut_off() {
        let other = format!("{{\"type\":\"hello\",\"version\":2}}\n{HEALTH}");
        assert_eq!(heard(Channel::Health, &other).await, (vec![], true));
        assert_eq!(heard(Channel::Health, HEALTH).await, (vec![], true));
        let released = line(&ToVrrpd::Retire);
        let released = String::from_utf8(released).unwrap();
        assert_eq!(heard(Channel::Health, &released).await, (vec![], true));
    }

    #[tokio::test]
    async fn made_up_names_are_bounded() {
        let (mut theirs, ours) = UnixStream::pair().unwrap();
        let (mut channels, _hub, mut asked) = Channels::open(&Occurrences::default());
        channels.serve(Channel::Health, ours);
        theirs.write_all(HELLO.as_bytes()).await.unwrap();
        let talk = async {
            for number in 0..=TRACKERS {
                let health = HEALTH.replace("web", &format!("web{number}"));
                theirs.write_all(health.as_bytes()).await.unwrap();
            }
            assert_eq!(theirs.read(&mut [0; 1]).await.unwrap_or_default(), 0);
        };
        let hear = async {
            let mut told = 0;
            loop {
                match asked.recv().await {
                    Some(Asked::Health(..)) => told += 1,
                    other => break (told, format!("{other:?}")),
                }
            }
        };
        let ((), (told, last)) = tokio::join!(talk, hear);
        assert_eq!(told, TRACKERS);
        assert!(last.starts_with("Some(Lost("), "{last}");
    }
}
