//! From one proxy to the next without a lost connection: an upgrade ([`handoff`](crate::control::handoff)).

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use process::control::Control as Supervisor;
use process::messages::line;
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tracing::{info, warn};

use super::Daemon;
use crate::clock;
use crate::control::handoff::{HandoffRequest, PassedOrder, ReceivedSockets, SocketHandoff};
use crate::control::watchdog;

/// How long the predecessor serves on at most until every server was checked.
const FIRST_CHECKS: Duration = Duration::from_secs(5);

/// How often a proxy that waits for something here looks after it.
const LOOK: Duration = Duration::from_millis(50);

/// Where a proxy stands between its predecessor and its successor.
#[derive(Debug)]
pub(super) struct HandoffState {
    /// What ticks into the supervisor's socket, until a successor serves.
    ticks: Option<(Arc<UnixStream>, AbortHandle)>,
    /// A successor has our sockets.
    handed_over: bool,
    /// The predecessor that is to be relieved, and when it is whether all servers were checked or not.
    relieves: Option<(UnixStream, Instant)>,
    /// A successor serves; what is connected here may last until then.
    drains_until: Option<Instant>,
    look: Interval,
}

impl HandoffState {
    /// Neither is there.
    pub(super) fn new() -> Self {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { ticks: None, handed_over: false, relieves: None, drains_until: None, look }
    }

    /// Ticks into the supervisor's socket.
    pub(super) fn tick(
        &mut self,
        supervisor: &Supervisor,
        alive: watch::Receiver<bool>,
        patience: watch::Receiver<Duration>,
    ) -> io::Result<()> {
        let socket = Arc::new(UnixStream::from_std(supervisor.socket()?)?);
        let task = tokio::spawn(watchdog::run(Arc::clone(&socket), alive, patience));
        self.ticks = Some((socket, task.abort_handle()));
        Ok(())
    }

    /// Relieves the predecessor once all is known; returns what it left besides its sockets.
    pub(super) fn inherit(
        &mut self,
        left: Option<ReceivedSockets>,
        now: Instant,
    ) -> io::Result<Vec<PassedOrder>> {
        let Some(left) = left else { return Ok(Vec::new()) };
        left.predecessor.set_nonblocking(true)?;
        self.relieves = Some((UnixStream::from_std(left.predecessor)?, now + FIRST_CHECKS));
        Ok(left.orders)
    }

    /// Whether the predecessor serves.
    pub(super) fn waits(&self) -> bool {
        self.relieves.is_some()
    }

    /// Whether a successor serves.
    pub(super) fn is_over(&self) -> bool {
        self.drains_until.is_some()
    }

    /// Whether another one serves beside us.
    pub(super) fn is_between(&self) -> bool {
        self.waits() || self.is_over()
    }

    /// Waits until it is time to look after the other one.
    pub(super) async fn look(&mut self) {
        self.look.tick().await;
    }
}

impl Daemon {
    /// Serves in the predecessor's place, once it is known which servers can.
    pub(super) fn relieve(&mut self) {
        let now = clock::now();
        let knows_all = self.control.knows_all();
        let Some((predecessor, _)) =
            self.handoff.relieves.take_if(|(_, at)| knows_all || now >= *at)
        else {
            return;
        };
        if !knows_all {
            warn!(limit = ?FIRST_CHECKS, "serving before every server was checked");
        }
        self.control.serve();
        self.talk_to_vrrpd();
        match predecessor.try_write(&line(&HandoffRequest::Retire)) {
            Ok(_) => info!("serving in the predecessor's place"),
            Err(error) => warn!(%error, "serving alone: the predecessor is gone"),
        }
    }

    /// Hands everything to a successor, and goes on.
    ///
    /// # Errors
    /// It cannot, in words.
    pub(super) fn hand_over(&mut self) -> Result<SocketHandoff, String> {
        if self.handoff.waits() {
            return Err("has itself not taken over yet".to_owned());
        }
        if self.handoff.is_over() {
            return Err("has a successor already".to_owned());
        }
        info!("handoff: the successor has the sockets, and this proxy serves until that does");
        self.handoff.handed_over = true;
        Ok(self.control.handoff(clock::now()))
    }

    /// A successor serves: accepts no more.
    pub(super) fn retire(&mut self, now: Instant) {
        if !self.handoff.handed_over {
            warn!("retirement refused: nobody has the sockets");
            return;
        }
        let limit = self.config.lbproxy.drain_timeout;
        let connections = self.control.live();
        info!(connections, ?limit, "draining: a successor serves");
        self.handoff.drains_until = Some(now + limit);
        self.control.retire();
        // The supervisor watches the successor.
        if let Some((socket, task)) = self.handoff.ticks.take() {
            task.abort();
            tokio::spawn(watchdog::retire(socket));
        }
    }

    /// Why to end, after the drain began.
    pub(super) fn drained(&self) -> Option<&'static str> {
        let until = self.handoff.drains_until?;
        match self.control.live() {
            0 if self.control.has_drained(self.vrrpd_task.is_some()) => {
                Some("the last connection has ended")
            }
            connections if clock::now() >= until => {
                info!(connections, "drain_timeout is over: ending the connections that are left");
                Some("drain_timeout is over")
            }
            _ => None,
        }
    }
}
