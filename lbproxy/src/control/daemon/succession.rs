//! From one proxy to the next without a lost connection: an upgrade ([`estate`](crate::control::estate)).

use std::io;
use std::os::unix::net::UnixListener as StdListener;
use std::time::{Duration, Instant};

use process::messages::line;
use tokio::net::UnixStream;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{Interval, MissedTickBehavior, interval};
use tracing::{info, warn};

use super::Daemon;
use crate::clock;
use crate::control::Control;
use crate::control::admin::Reply;
use crate::control::estate::Inheritance;
use crate::control::status::{Answer, Request};

/// How long the predecessor serves on at most until every server was checked.
const FIRST_CHECKS: Duration = Duration::from_secs(5);

/// How often a proxy that waits for something here looks after it.
const LOOK: Duration = Duration::from_millis(50);

/// Where a proxy stands between its predecessor and its successor.
#[derive(Debug)]
pub(super) struct Succession {
    /// The admin socket, until a successor has it.
    admin: Option<StdListener>,
    /// What serves it and the supervisor's socket, until a successor serves.
    tasks: Vec<AbortHandle>,
    /// A successor has our sockets.
    handed_over: bool,
    /// The predecessor that is to be relieved, and when it is whether all servers were checked or not.
    relieves: Option<(UnixStream, Instant)>,
    /// A successor serves; what is connected here may last until then.
    retired_until: Option<Instant>,
    look: Interval,
}

impl Succession {
    /// Neither is there.
    pub(super) fn new(admin: StdListener) -> Self {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            admin: Some(admin),
            tasks: Vec::new(),
            handed_over: false,
            relieves: None,
            retired_until: None,
            look,
        }
    }

    /// A task that a successor does in our place.
    pub(super) fn ends_with_us(&mut self, task: JoinHandle<()>) {
        self.tasks.push(task.abort_handle());
    }

    /// Takes over what the predecessor left besides its sockets.
    pub(super) fn inherit(
        &mut self,
        left: Option<Inheritance>,
        control: &mut Control,
        now: Instant,
    ) -> io::Result<()> {
        let Some(left) = left else { return Ok(()) };
        for standing in left.orders {
            let answer = control.order(&standing.proxy, &standing.server, standing.order, now);
            if let Answer::Error(words) = answer {
                info!("what an operator ordered holds no longer: {words}");
            }
        }
        left.predecessor.set_nonblocking(true)?;
        self.relieves = Some((UnixStream::from_std(left.predecessor)?, now + FIRST_CHECKS));
        Ok(())
    }

    /// Whether the predecessor serves.
    pub(super) fn waits(&self) -> bool {
        self.relieves.is_some()
    }

    /// Whether a successor serves.
    pub(super) fn is_over(&self) -> bool {
        self.retired_until.is_some()
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
            self.succession.relieves.take_if(|(_, at)| knows_all || now >= *at)
        else {
            return;
        };
        if !knows_all {
            warn!("takes over before every server was checked: that takes over {FIRST_CHECKS:?}");
        }
        self.control.serve();
        self.link_where_needed();
        match predecessor.try_write(&line(&Request::Retire)) {
            Ok(_) => info!("serves in its predecessor's place"),
            Err(error) => warn!(%error, "the predecessor is gone; serves alone"),
        }
    }

    /// Hands everything to a successor, and goes on.
    pub(super) fn hand_over(&mut self) -> Reply {
        if self.succession.waits() {
            let words = "has itself not taken over yet; try again".to_owned();
            return Reply::Line(line(&Answer::Error(words)));
        }
        match self.succession.admin.as_ref().map(StdListener::try_clone) {
            Some(Ok(admin)) => {
                info!("hands its sockets to a successor, and serves until that does");
                self.succession.handed_over = true;
                Reply::Estate(self.control.estate(admin))
            }
            Some(Err(error)) => Reply::Line(line(&Answer::Error(error.to_string()))),
            None => Reply::Line(line(&Answer::Error("has a successor already".to_owned()))),
        }
    }

    /// A successor serves: accepts no more.
    pub(super) fn retire(&mut self, now: Instant) -> Reply {
        if !self.succession.handed_over {
            let words = "nobody has its sockets: whoever retires it must take over first";
            return Reply::Line(line(&Answer::Error(words.to_owned())));
        }
        let limit = self.config.lbproxy.drain_timeout;
        let connections = self.control.live();
        info!(connections, "a successor serves; what is connected here may last for {limit:?}");
        self.succession.retired_until = Some(now + limit);
        self.control.retire();
        self.succession.admin = None;
        // The successor answers, and the supervisor watches it.
        self.succession.tasks.drain(..).for_each(|task| task.abort());
        Reply::Line(line(&Answer::Done("retired".to_owned())))
    }

    /// Why to end, after the retirement.
    pub(super) fn drained(&self) -> Option<&'static str> {
        let until = self.succession.retired_until?;
        match self.control.live() {
            0 if self.control.has_retired(self.link_task.is_some()) => {
                Some("the last connection has ended")
            }
            connections if clock::now() >= until => {
                warn!(connections, "drain_timeout is over: ends those that are left");
                Some("drain_timeout is over")
            }
            _ => None,
        }
    }
}
