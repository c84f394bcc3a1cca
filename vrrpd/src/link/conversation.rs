//! One connection to the link.

use process::messages::{HEARTBEAT_TIMEOUT, LineError, Lines, ToVrrpd, VERSION, line};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tracing::{info, warn};
use vocabulary::Name;

use super::follower::Follower;
use super::hub::LINE_QUEUE;
use super::{Asked, Means, Order};
use crate::status::Status;

/// What a connection may take in at a time, in bytes.
const READ: usize = 4096;

/// A conversation with whoever connected.
pub(super) struct Conversation {
    number: u64,
    /// Who speaks may give orders.
    operator: bool,
    means: Means,
    /// Until it is known who this is; then the hub has it, or a follower has taken the writer's place.
    lines: Option<mpsc::Sender<Vec<u8>>>,
    writer: Option<JoinHandle<Option<OwnedWriteHalf>>>,
    follower: Option<JoinHandle<()>>,
    /// What this proxy, or this follower, told the health of.
    trackers: Vec<Name>,
    hangs: bool,
    /// Read time-outs in a row.
    silences: u32,
}

/// Read time-outs after which whoever asked something once and stays is sent away: 30 s.
const SILENCES: u32 = 100;

/// Why a conversation ended.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("it closed the connection")]
    Closed,
    #[error("read: {0}")]
    Read(#[from] std::io::Error),
    #[error("{0}")]
    Line(#[from] LineError),
    #[error(
        "it speaks version {theirs} of the link, we speak {VERSION}; start both from one release"
    )]
    Version { theirs: u32 },
    #[error("it spoke before it said hello")]
    NoHello,
    #[error("it gave an order, which only root may")]
    NoOperator,
    #[error("it had nothing to say")]
    Idle,
    #[error("the daemon ends")]
    Ending,
}

impl Conversation {
    pub(super) fn new(number: u64, operator: bool, means: Means) -> Self {
        Self {
            number,
            operator,
            means,
            lines: None,
            writer: None,
            follower: None,
            trackers: Vec::new(),
            hangs: false,
            silences: 0,
        }
    }

    pub(super) async fn run(mut self, stream: UnixStream) {
        let (reader, writer) = stream.into_split();
        let (lines, queue) = mpsc::channel(LINE_QUEUE);
        self.lines = Some(lines);
        self.writer = Some(tokio::spawn(write(writer, queue)));
        let end = self.read(reader).await;
        self.lines = None;
        if let Some(follower) = &self.follower {
            follower.abort();
            if !self.trackers.is_empty() {
                // The daemon ends: nobody counts any more.
                self.means.ask.send(Asked::Left(self.trackers)).await.ok();
            }
            return;
        }
        if !self.trackers.is_empty() {
            warn!(proxy = self.number, reason = %end, "lost the link to a proxy");
            self.lost("its connection ended").await;
        }
        self.means.hub.leave(self.number).await;
        // The writer ends when the hub and this conversation have dropped their ends of its queue.
        if let Some(writer) = self.writer {
            writer.await.ok();
        }
    }

    async fn read(&mut self, mut reader: OwnedReadHalf) -> End {
        let mut received = Lines::default();
        let mut buffer = [0; READ];
        loop {
            let length =
                match tokio::time::timeout(HEARTBEAT_TIMEOUT, reader.read(&mut buffer)).await {
                    Ok(Ok(0)) => return End::Closed,
                    Ok(Ok(length)) => {
                        self.silences = 0;
                        length
                    }
                    Ok(Err(error)) => return error.into(),
                    Err(_) if self.is_idle() && self.silences >= SILENCES => return End::Idle,
                    Err(_) => {
                        self.silences += 1;
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
                info!(proxy = self.number, "a proxy connected");
                Ok(())
            }
            ToVrrpd::Hello { version } => Err(End::Version { theirs: version }),
            ToVrrpd::Health(_) | ToVrrpd::Retire | ToVrrpd::Released { .. }
                if self.lines.is_some() =>
            {
                Err(End::NoHello)
            }
            ToVrrpd::Health(health) => {
                self.hangs = false;
                if !self.trackers.contains(&health.tracker) {
                    self.trackers.push(health.tracker.clone());
                }
                self.means.ask.send(Asked::Health(health)).await.map_err(|_| End::Ending)
            }
            ToVrrpd::Retire => {
                self.trackers.clear();
                Ok(())
            }
            ToVrrpd::Released { router } => {
                self.means.hub.released(self.number, router).await;
                Ok(())
            }
            ToVrrpd::Status => self.answered(Asked::Status).await,
            ToVrrpd::Follow => self.follow().await,
            ToVrrpd::HandOver { router, to } => self.order(Order::HandOver(router, to)).await,
            ToVrrpd::Pause => self.order(Order::Pause).await,
            ToVrrpd::Resume => self.order(Order::Resume).await,
        }
    }

    /// Whether nothing more is to be expected of the other side, nor to be told to it.
    fn is_idle(&self) -> bool {
        let follows = self.follower.as_ref().is_some_and(|follower| !follower.is_finished());
        !follows && (self.lines.is_some() || self.follower.is_some())
    }

    async fn order(&mut self, order: Order) -> Result<(), End> {
        if !self.operator {
            return Err(End::NoOperator);
        }
        self.answered(|answer| Asked::Ordered(order, answer)).await
    }

    /// Asks something that is answered with the status.
    async fn answered(
        &self,
        asked: impl FnOnce(oneshot::Sender<Status>) -> Asked,
    ) -> Result<(), End> {
        // A proxy has no use for the status, nor has a follower.
        let lines = self.lines.as_ref().ok_or(End::NoHello)?;
        let status = self.ask(asked).await?;
        lines.send(line(&status)).await.map_err(|_| End::Closed)
    }

    async fn ask(
        &self,
        asked: impl FnOnce(oneshot::Sender<Status>) -> Asked,
    ) -> Result<Status, End> {
        let (answer, status) = oneshot::channel();
        self.means.ask.send(asked(answer)).await.map_err(|_| End::Ending)?;
        status.await.map_err(|_| End::Ending)
    }

    /// From now on a follower has the writer.
    async fn follow(&mut self) -> Result<(), End> {
        // Without its queue the writer ends once it has written what waits there.
        drop(self.lines.take().ok_or(End::NoHello)?);
        let writer = self.writer.take().ok_or(End::NoHello)?;
        let writer = writer.await.ok().flatten().ok_or(End::Closed)?;
        let occurrences = self.means.occurrences.follow();
        let status = self.ask(Asked::Status).await?;
        let follower = Follower { number: self.number, writer, occurrences };
        self.follower = Some(tokio::spawn(follower.run(status)));
        Ok(())
    }

    /// No heartbeat: a proxy that hangs cannot serve. A follower only tells of others.
    async fn silent(&mut self) {
        if self.hangs || self.trackers.is_empty() || self.follower.is_some() {
            return;
        }
        self.hangs = true;
        warn!(
            proxy = self.number,
            "a proxy has been silent for {HEARTBEAT_TIMEOUT:?}: it counts as hung"
        );
        self.lost("it sent no heartbeat").await;
    }

    async fn lost(&self, reason: &'static str) {
        // The daemon ends: nobody counts any more.
        self.means.ask.send(Asked::Lost(self.trackers.clone(), reason)).await.ok();
    }
}

/// Writes what comes through the queue; gives the writer back when there is no more to come.
async fn write(
    mut writer: OwnedWriteHalf,
    mut queue: mpsc::Receiver<Vec<u8>>,
) -> Option<OwnedWriteHalf> {
    while let Some(line) = queue.recv().await {
        // A reader that is gone is noticed by the other half.
        if writer.write_all(&line).await.is_err() {
            return None;
        }
    }
    Some(writer)
}
