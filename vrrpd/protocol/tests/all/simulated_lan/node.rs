//! A node: what it tracks, its routers, and what its kernel holds.

use std::time::{Duration, Instant};

use config::Tracked;
use vocabulary::{Name, TrackerHealth, Usability};
use vrrp::election::group::Member;
use vrrp::election::{Action, Election, Event, Received, Settings, State, StateName, Transition};
use vrrp::tracking::Tracking;
use vrrp::wire::Claim;

/// What every router tracks: without the first a node cannot serve, the second weighs.
pub(crate) const TRACKERS: [(&str, Option<i16>); 2] = [("api", None), ("uplink", Some(-30))];

/// A virtual router on a node.
pub(crate) struct Router {
    pub(crate) election: Election,
    /// As configured: the priority is the one before tracking.
    pub(crate) config: Settings,
    /// 0 or 1: IPv4 and IPv6.
    pub(crate) family: usize,
    /// The kernel has the addresses.
    pub(crate) owns: bool,
    /// When the last burst of announcements began.
    pub(crate) announced_at: Option<Duration>,
    /// Counts wishes: an older one that comes late is void.
    pub(crate) wish: u64,
    /// The election wants them.
    pub(crate) wants: bool,
    group: Option<Name>,
    news: Option<Transition>,
    /// The first promise that the election broke.
    pub(crate) broken: Option<String>,
}

/// A node.
pub(crate) struct Node {
    pub(crate) routers: Vec<Router>,
    /// Runs: neither paused nor crashed.
    pub(crate) runs: bool,
    /// Its interface is there.
    pub(crate) plugged: bool,
    /// Told to end.
    pub(crate) stopping: bool,
    /// The true health of what is tracked.
    pub(crate) usable: [bool; TRACKERS.len()],
    pub(crate) tracking: Tracking,
    /// Counts starts of the daemon.
    pub(crate) start: u64,
    pub(crate) started_at: Duration,
    /// Adverts that wait in the sockets while the node is paused.
    pub(crate) waiting: Vec<(usize, Received)>,
    pub(crate) lease_end: Duration,
}

pub(crate) fn tracked() -> Vec<Tracked> {
    let named = |name| Name::try_from(name).unwrap();
    TRACKERS.map(|(name, weight)| Tracked { name: named(name), weight }).into()
}

pub(crate) fn health(tracker: usize, usable: bool) -> TrackerHealth {
    let state = if usable { Usability::Usable } else { Usability::Unusable };
    let tracker = Name::try_from(TRACKERS[tracker].0).unwrap();
    TrackerHealth { tracker, usable: usize::from(usable), total: 1, state, reason: None }
}

impl Node {
    pub(crate) fn new(families: Vec<Settings>) -> Self {
        let grouped = families.len() > 1;
        let router = |(family, config): (usize, Settings)| {
            let config = Settings { grouped, decides_ties: family == 0, ..config };
            Router {
                election: Election::new(config),
                config,
                family,
                owns: false,
                announced_at: None,
                wish: 0,
                wants: false,
                group: grouped.then(|| Name::try_from("both").unwrap()),
                news: None,
                broken: None,
            }
        };
        Self {
            routers: families.into_iter().enumerate().map(router).collect(),
            runs: false,
            plugged: true,
            stopping: false,
            usable: [true; TRACKERS.len()],
            tracking: Tracking::default(),
            start: 0,
            started_at: Duration::ZERO,
            waiting: vec![],
            lease_end: Duration::ZERO,
        }
    }

    pub(crate) fn state(&self) -> StateName {
        self.routers[0].election.state().name()
    }

    /// Whether all its routers are in this state.
    pub(crate) fn is(&self, state: StateName) -> bool {
        self.routers.iter().all(|router| router.election.state().name() == state)
    }

    /// Whether its routers take part in the election.
    pub(crate) fn takes_part(&self) -> bool {
        let out = |router: &Router| *router.election.state() == State::Initialize;
        self.runs && self.plugged && !self.routers.iter().any(out)
    }
}

impl Router {
    /// Another daemon takes over from the last one.
    pub(crate) fn renew(&mut self, keeps_addresses: bool) {
        self.election = Election::new(self.config);
        self.news = None;
        self.wants = keeps_addresses;
        self.owns &= keeps_addresses;
        self.wish += 1;
    }

    /// Takes over what the operator decided.
    pub(crate) fn reconfigure(&mut self, now: Instant) -> Vec<Action> {
        let before = self.wants;
        let priority = self.election.settings().priority;
        let actions = self.election.reconfigure(Settings { priority, ..self.config }, now);
        self.examine(before, Event::Tick, &actions);
        actions
    }

    /// Feeds the election, and sees that its deeds make sense.
    pub(crate) fn handle(&mut self, event: Event, now: Instant) -> Vec<Action> {
        let before = self.wants;
        let actions = self.election.handle(event, now);
        self.examine(before, event, &actions);
        // The same event a second time moves no address; but to be told twice to end means at once.
        let mut twin = self.election.clone();
        let moves = |action: &Action| {
            matches!(action, Action::ClaimAddresses | Action::ReleaseAddresses(_))
        };
        if event != Event::Shutdown && twin.handle(event, now).iter().any(moves) {
            self.breaks("moves its addresses twice", event);
        }
        actions
    }

    fn examine(&mut self, before: bool, event: Event, actions: &[Action]) {
        for action in actions {
            match action {
                Action::ClaimAddresses => self.wants = true,
                Action::ReleaseAddresses(_) if self.wants => self.wants = false,
                Action::ReleaseAddresses(_) => self.breaks("releases what it has not", event),
                Action::Announce if !self.wants => self.breaks("announces what it has not", event),
                Action::Advertise(Claim::Lead(_)) if !before && !self.wants => {
                    let claims = actions.contains(&Action::ClaimAddresses);
                    if !claims {
                        self.breaks("leads without the addresses", event);
                    }
                }
                Action::Transition(transition) => self.news = Some(*transition),
                Action::Advertise(_) | Action::Announce => {}
            }
        }
        let serves = matches!(self.election.state(), State::Active(_) | State::Releasing { .. });
        // A successor that has not started yet has its predecessor's addresses.
        let starts = before && *self.election.state() == State::Initialize;
        if serves != self.wants && !(starts && actions.is_empty()) {
            self.breaks("does not have what its state says", event);
        }
    }

    fn breaks(&mut self, promise: &str, event: Event) {
        let state = self.election.state().name();
        self.broken.get_or_insert_with(|| format!("{promise}: {state} after {event:?}"));
    }
}

impl Member for Router {
    fn group(&self) -> Option<&Name> {
        self.group.as_ref()
    }

    fn state(&self) -> &State {
        self.election.state()
    }

    fn take_news(&mut self) -> Option<Transition> {
        self.news.take()
    }
}
