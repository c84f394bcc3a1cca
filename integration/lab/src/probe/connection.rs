//! One client that stays connected: what becomes of its connection.

use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::clock::Moment;
use crate::host::Host;
use crate::probe::https::{Endpoint, Failure, Session};
use crate::probe::{ProbeError, join};

/// Time between two requests of a busy client.
const INTERVAL: Duration = Duration::from_millis(50);

/// How long the connection may take to be made and to answer its first request.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// What a connected client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    /// It sends a request every 50 ms.
    Busy,
    /// It waits, as a watch does, and sends one request when the probe stops: only that tells a
    /// connection that hangs from one that is quiet.
    Idle,
}

/// What became of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was answering when the probe stopped.
    WentOn,
    /// It was reset, and the client knew at this moment.
    Reset(Moment),
    /// The other side closed it, and the client knew at this moment.
    Closed(Moment),
    /// The request sent at this moment had no answer within the client's patience.
    Hung(Moment),
    /// Anything else, at this moment.
    Failed(Moment, Failure),
}

/// What a connected client saw.
#[derive(Clone, Debug)]
pub struct ConnectionRecord {
    /// When it was connected and had its first answer.
    pub opened: Moment,
    /// The name of the backend at the other end.
    pub backend: String,
    /// When it had its last answer.
    pub last_answer: Moment,
    /// How many answers it had, the first included.
    pub answers: usize,
    /// The longest that it waited for one of them after the first.
    pub slowest: Duration,
    /// What became of it.
    pub fate: Fate,
}

/// A running client. Dropping it ends it.
#[derive(Debug)]
pub struct Connection {
    stop: Option<oneshot::Sender<()>>,
    thread: JoinHandle<Result<ConnectionRecord, ProbeError>>,
}

impl Connection {
    /// Connects from `client` to `endpoint`; on return the first request has been answered. A request
    /// without an answer after `patience` counts as a connection that hangs.
    ///
    /// # Errors
    /// It could not be connected.
    pub fn start(
        client: &Host,
        endpoint: &Endpoint,
        habit: Habit,
        patience: Duration,
    ) -> Result<Self, ProbeError> {
        let (stop, stopped) = oneshot::channel();
        let (ready, opened) = mpsc::channel();
        let endpoint = endpoint.clone();
        let thread = client.namespace().thread("connection", move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|source| ProbeError::Thread { probe: "connection", source })?;
            let conversation = Conversation { endpoint, habit, patience };
            runtime.block_on(async {
                let (session, record) = conversation.open().await?;
                // The caller waits for this below.
                ready.send(()).ok();
                Ok(conversation.hold(session, record, stopped).await)
            })
        })?;
        if opened.recv().is_ok() {
            return Ok(Self { stop: Some(stop), thread });
        }
        // It ended before it was ready.
        match join(thread) {
            Err(error) => Err(error),
            Ok(record) => Err(ProbeError::Connect(Failure::Other(format!("{record:?}")))),
        }
    }

    /// Ends it, after a last request, and tells what it saw. Takes as long as its patience where the
    /// connection hangs.
    ///
    /// # Errors
    /// None but those of the start.
    pub fn stop(mut self) -> Result<ConnectionRecord, ProbeError> {
        if let Some(stop) = self.stop.take() {
            // Where it fails the connection has ended before.
            stop.send(()).ok();
        }
        join(self.thread)
    }

    /// Whether the client has already seen its connection end or hang.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.thread.is_finished()
    }
}

struct Conversation {
    endpoint: Endpoint,
    habit: Habit,
    patience: Duration,
}

impl Conversation {
    async fn open(&self) -> Result<(Session, ConnectionRecord), ProbeError> {
        let open = async {
            let mut session = self.endpoint.connect().await?;
            let backend = session.exchange(false).await?;
            Ok((session, backend))
        };
        let opened = timeout(CONNECT_LIMIT, open).await.unwrap_or(Err(Failure::Timeout));
        let (session, backend) = opened.map_err(ProbeError::Connect)?;
        let now = Moment::now();
        let record = ConnectionRecord {
            opened: now,
            backend,
            last_answer: now,
            answers: 1,
            slowest: Duration::ZERO,
            fate: Fate::WentOn,
        };
        Ok((session, record))
    }

    /// Keeps the connection until it ends, hangs or the probe is stopped.
    async fn hold(
        &self,
        mut session: Session,
        mut record: ConnectionRecord,
        mut stop: oneshot::Receiver<()>,
    ) -> ConnectionRecord {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let last = tokio::select! {
                biased;
                failure = session.end() => {
                    record.fate = Fate::of(failure);
                    return record;
                }
                told = &mut stop => match told {
                    Ok(()) => true,
                    // Dropped: nobody wants to know.
                    Err(_) => return record,
                },
                _ = ticks.tick(), if self.habit == Habit::Busy => false,
            };
            let asked = Moment::now();
            match timeout(self.patience, session.exchange(false)).await {
                Ok(Ok(_)) => record.answered(asked),
                Ok(Err(failure)) => record.fate = Fate::of(failure),
                Err(_) => record.fate = Fate::Hung(asked),
            }
            if last || record.fate != Fate::WentOn {
                return record;
            }
        }
    }
}

impl ConnectionRecord {
    fn answered(&mut self, asked: Moment) {
        self.last_answer = Moment::now();
        self.answers += 1;
        self.slowest = self.slowest.max(self.last_answer.since(asked));
    }
}

impl Fate {
    fn of(failure: Failure) -> Self {
        let now = Moment::now();
        match failure {
            Failure::Reset => Self::Reset(now),
            Failure::Closed => Self::Closed(now),
            Failure::Refused
            | Failure::Unreachable
            | Failure::Timeout
            | Failure::Status(_)
            | Failure::Other(_) => Self::Failed(now, failure),
        }
    }
}
