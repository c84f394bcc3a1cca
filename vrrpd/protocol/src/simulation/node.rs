//! A node: what it tracks, its routers, and what its kernel holds.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use config::RouterConfig;
use vocabulary::{Name, TrackerHealth, Usability};

use super::Packet;
use super::kernel::Kernel;
use crate::election::{State, StateName, Transition, group};
use crate::reconciler::Turns;
use crate::router::{Core, Place};
use crate::tracking::Tracking;

/// A router of a node as the caller describes it.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its configuration.
    pub config: RouterConfig,
    /// The source address of its adverts.
    pub source: IpAddr,
}

/// A virtual router on a node.
#[derive(Clone, Debug)]
pub struct Router {
    /// Its place among the routers of its node.
    pub(super) position: usize,
    pub(super) core: Core,
    /// As the operator wrote it last: a daemon that starts reads it.
    pub(super) config: Arc<RouterConfig>,
    pub(super) place: Place,
    pub(super) kernel: Arc<Kernel>,
    /// Until when the kernel has the addresses, were nobody to renew their leases.
    pub(super) owned_until: Option<Duration>,
    /// When the reconciler has something to do.
    pub(super) reconcile_at: Option<Duration>,
    /// A deadline, and when it is noticed: it may be late.
    pub(super) wake: Option<(Instant, Duration)>,
}

/// A node.
#[derive(Clone, Debug)]
pub struct Node {
    pub(super) routers: Vec<Router>,
    pub(super) runs: bool,
    pub(super) plugged: bool,
    pub(super) stopping: bool,
    /// The true health of what is tracked.
    pub(super) usable: Vec<bool>,
    pub(super) trackers: Arc<[Name]>,
    pub(super) tracking: Arc<Tracking>,
    /// Counts starts of the daemon.
    pub(super) start: u64,
    pub(super) started_at: Duration,
    /// Adverts that wait in the sockets while the daemon is frozen.
    pub(super) waiting: Vec<(usize, Packet)>,
    pub(super) turns: Arc<Turns>,
    /// Whom a client beside this node believes to have each router's addresses.
    pub(super) believed: Vec<Option<usize>>,
}

impl Node {
    /// Its daemon has not started; everything that it tracks is usable.
    pub(super) fn new(members: Vec<Member>, start: Instant) -> Self {
        let mut trackers: Vec<Name> = vec![];
        for tracked in members.iter().flat_map(|member| &member.config.track) {
            if !trackers.contains(&tracked.name) {
                trackers.push(tracked.name.clone());
            }
        }
        let believed = vec![None; members.len()];
        let router = |(position, Member { config, source })| {
            let config = Arc::new(config);
            let core = Core::new(config.clone(), None);
            let prefix_len = if source.is_ipv4() { 24 } else { 64 };
            let place = Place { index: 1, source, prefix_len };
            let kernel = Arc::new(Kernel::new(&config, place, start));
            let (owned_until, reconcile_at, wake) = (None, None, None);
            Router { position, core, config, place, kernel, owned_until, reconcile_at, wake }
        };
        Self {
            routers: members.into_iter().enumerate().map(router).collect(),
            runs: false,
            plugged: true,
            stopping: false,
            usable: vec![true; trackers.len()],
            trackers: trackers.into(),
            tracking: Arc::default(),
            start: 0,
            started_at: Duration::ZERO,
            waiting: vec![],
            turns: Arc::default(),
            believed,
        }
    }

    /// Its routers.
    #[must_use]
    pub fn routers(&self) -> &[Router] {
        &self.routers
    }

    /// Whether its daemon runs: neither frozen nor dead.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.runs
    }

    /// Whether its interface is there.
    #[must_use]
    pub fn is_plugged(&self) -> bool {
        self.plugged
    }

    /// Whether its daemon was told to stop.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// The state of its first router.
    #[must_use]
    pub fn state(&self) -> StateName {
        self.routers[0].state_name()
    }

    /// Whether all its routers are in this state.
    #[must_use]
    pub fn is(&self, state: StateName) -> bool {
        self.routers.iter().all(|router| router.state_name() == state)
    }

    /// Whether its daemon runs and no router is in Initialize.
    #[must_use]
    pub fn takes_part(&self) -> bool {
        let out = |router: &Router| router.state_name() == StateName::Initialize;
        self.runs && self.plugged && !self.routers.iter().any(out)
    }

    /// A tracker, by its position, tells the daemon its state.
    pub(super) fn told(&mut self, tracker: usize) {
        let (tracker, usable) = (self.trackers[tracker].clone(), self.usable[tracker]);
        let state = if usable { Usability::Usable } else { Usability::Unusable };
        let number = usize::from(usable);
        let health = TrackerHealth { tracker, usable: number, total: 1, state, reason: None };
        Arc::make_mut(&mut self.tracking).told(health);
    }
}

impl Router {
    /// The shipped code.
    #[must_use]
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// As the operator wrote it last.
    #[must_use]
    pub fn config(&self) -> &RouterConfig {
        &self.config
    }

    fn state_name(&self) -> StateName {
        self.core.election().state().name()
    }
}

impl group::Member for Router {
    fn group(&self) -> Option<&Name> {
        self.core.group()
    }

    fn state(&self) -> &State {
        self.core.election().state()
    }

    fn take_news(&mut self) -> Option<Transition> {
        self.core.take_news()
    }
}
