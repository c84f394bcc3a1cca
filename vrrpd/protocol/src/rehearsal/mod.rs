//! Two nodes' configurations played through on a virtual clock: what a fault will cost their clients.
//!
//! Elections, sync groups and tracking are the real ones; the link is calm, and the kernel and the proxy
//! take the time they take on an idle machine. `tests/simulated_lan` is where the election is tried;
//! this is for telling an operator what a pair of files will do.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use config::{Preempt, RouterConfig};
use vocabulary::{Name, TrackerHealth, Usability};

use crate::election::group::{self, Member};
use crate::election::{Action, Election, Event, Received, Release, Settings, State, Transition};
use crate::tracking::Tracking;

/// A packet's flight.
const FLIGHT: Duration = Duration::from_micros(200);

/// How long the kernel takes to add or remove an address.
const KERNEL: Duration = Duration::from_micros(300);

/// How long an address is kept after another router was heard, as the keepers do.
const RELIEF_HOLD: Duration = Duration::from_millis(10);

/// Moments of an advert interval at which a fault is tried; the first is just after an advert.
const PHASES: u32 = 4;

/// What happens to the node that is Active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// An operator ends it in order.
    Stopped,
    /// It dies, or nobody hears it any more.
    Lost,
    /// These trackers tell that they are unusable; it serves nobody from then on.
    Unusable(Vec<Name>),
    /// It was away, its peer is Active, and it starts.
    Returned,
}

/// A pair: the routers of each node that move together, in the same order, at least one.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    /// The nodes.
    pub nodes: [&'a [RouterConfig]; 2],
    /// What the virtual clock starts with.
    pub start: Instant,
}

impl Pair<'_> {
    /// The node that is Active while nothing is wrong.
    #[must_use]
    pub fn favourite(&self) -> usize {
        let rank = |node: usize| (self.nodes[node][0].priority, address(self.nodes[node], node, 0));
        usize::from(rank(1) > rank(0))
    }

    /// For how long at worst nobody serves when `fault` happens to the favourite; none: until
    /// somebody mends it.
    #[must_use]
    pub fn downtime(&self, fault: &Fault) -> Option<Duration> {
        let mut longest = Duration::ZERO;
        for phase in 0..PHASES {
            let mut play = Play::new(self);
            play.settle(self.favourite(), fault);
            play.wait_for_phase(phase);
            play.strike(self.favourite(), fault);
            longest = longest.max(play.measure()?);
        }
        Some(longest)
    }

    fn routers(&self) -> impl Iterator<Item = &RouterConfig> {
        self.nodes.iter().flat_map(|node| node.iter())
    }

    /// The time after which an undelayed election is calm again.
    fn calm(&self) -> Duration {
        let intervals = self.routers().map(|router| router.advert_interval.duration());
        intervals.max().unwrap_or_default() * 6 + Duration::from_secs(3)
    }

    /// The longest that a node waits before it preempts.
    fn patience(&self) -> Duration {
        let delay = |router: &RouterConfig| match router.preempt {
            Preempt::After(delay) => delay,
            Preempt::Never => Duration::ZERO,
        };
        self.routers().map(delay).max().unwrap_or_default()
    }
}

struct Router {
    election: Election,
    config: RouterConfig,
    /// The kernel has the addresses.
    owns: bool,
    /// Counts wishes: an older one that comes late is void.
    wish: u64,
    news: Option<Transition>,
}

impl Member for Router {
    fn group(&self) -> Option<&Name> {
        self.config.sync_group.as_ref()
    }

    fn state(&self) -> &State {
        self.election.state()
    }

    fn take_news(&mut self) -> Option<Transition> {
        self.news.take()
    }
}

struct Node {
    routers: Vec<Router>,
    tracking: Tracking,
    /// It runs, and is heard.
    lives: bool,
    /// Who reaches its addresses is served.
    serves: bool,
}

enum Happening {
    Arrives { node: usize, router: usize, advert: Received },
    Owns { node: usize, router: usize, owns: bool, wish: u64 },
}

struct Play {
    nodes: [Node; 2],
    start: Instant,
    now: Duration,
    calm: Duration,
    patience: Duration,
    queue: BTreeMap<(Duration, u64), Happening>,
    sequence: u64,
}

impl Play {
    fn new(pair: &Pair<'_>) -> Self {
        Self {
            nodes: [0, 1].map(|node| Node::new(pair.nodes[node], node)),
            start: pair.start,
            now: Duration::ZERO,
            calm: pair.calm(),
            patience: pair.patience(),
            queue: BTreeMap::new(),
            sequence: 0,
        }
    }

    /// Until the favourite is Active and its peer follows it; or, if it is to return, only its peer is.
    fn settle(&mut self, favourite: usize, fault: &Fault) {
        let order = [favourite, 1 - favourite];
        for node in order {
            if node == favourite && *fault == Fault::Returned {
                continue;
            }
            self.boot(node);
            self.run(self.calm);
        }
    }

    fn boot(&mut self, node: usize) {
        self.nodes[node].lives = true;
        self.prioritize(node);
        self.tell_all(node, Event::Startup);
    }

    /// Until the next advert, and a part of its interval further.
    fn wait_for_phase(&mut self, phase: u32) {
        let deadline = self.next_deadline().map_or(self.now, |(at, ..)| at);
        let routers = self.nodes.iter().flat_map(|node| &node.routers);
        let interval = routers.map(|router| router.config.advert_interval.duration()).min();
        let part = interval.unwrap_or_default() * phase / PHASES;
        self.run(deadline - self.now + Duration::from_micros(1) + part);
    }

    fn strike(&mut self, node: usize, fault: &Fault) {
        match fault {
            Fault::Stopped => self.tell_all(node, Event::Shutdown),
            Fault::Lost => self.nodes[node].lives = false,
            Fault::Unusable(trackers) => {
                self.nodes[node].serves = false;
                trackers.iter().for_each(|tracker| self.nodes[node].tracking.lost(tracker));
                self.prioritize(node);
            }
            Fault::Returned => self.boot(node),
        }
    }

    /// How long nobody serves from now on; none if it does not end.
    fn measure(&mut self) -> Option<Duration> {
        let calm = self.now + self.calm;
        let end = calm + self.patience;
        let (mut at, mut served, mut down) = (self.now, self.is_served(), Duration::ZERO);
        while self.step(end) {
            if !served {
                down += self.now - at;
            }
            (at, served) = (self.now, self.is_served());
            if served && at >= calm {
                break;
            }
        }
        served.then_some(down)
    }

    /// Every family's addresses are with somebody who serves.
    fn is_served(&self) -> bool {
        let by =
            |node: &Node, router: usize| node.lives && node.serves && node.routers[router].owns;
        let mut routers = 0..self.nodes[0].routers.len();
        routers.all(|router| self.nodes.iter().any(|node| by(node, router)))
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.step(end) {}
        self.now = end;
    }

    /// Does what is next, if that is before `end`.
    fn step(&mut self, end: Duration) -> bool {
        let queued = self.queue.keys().next().map(|(at, _)| *at);
        let deadline = self.next_deadline();
        let due = deadline.map(|(at, ..)| at);
        let Some(next) = [queued, due].into_iter().flatten().min().filter(|at| *at <= end) else {
            return false;
        };
        self.now = self.now.max(next);
        if queued == Some(next)
            && let Some((_, happening)) = self.queue.pop_first()
        {
            self.happens(&happening);
        } else if let Some((_, node, router)) = deadline {
            self.feed(node, router, Event::Tick);
            self.join(node);
        }
        true
    }

    fn next_deadline(&self) -> Option<(Duration, usize, usize)> {
        let routers = self.nodes.iter().enumerate().filter(|(_, node)| node.lives).flat_map(
            |(node, state)| {
                let routers = state.routers.iter().enumerate();
                routers.map(move |(position, router)| (node, position, router))
            },
        );
        let deadline = |(node, position, router): (usize, usize, &Router)| {
            let at = router.election.deadline()?.saturating_duration_since(self.start);
            Some((at, node, position))
        };
        routers.filter_map(deadline).min()
    }

    fn happens(&mut self, happening: &Happening) {
        match *happening {
            Happening::Arrives { node, router, advert } if self.nodes[node].lives => {
                self.feed(node, router, Event::Received(advert));
                self.join(node);
            }
            Happening::Arrives { .. } => {}
            Happening::Owns { node, router, owns, wish } => {
                let router = &mut self.nodes[node].routers[router];
                if router.wish == wish {
                    router.owns = owns;
                }
            }
        }
    }

    /// Tracking decides the priority.
    fn prioritize(&mut self, node: usize) {
        for router in 0..self.nodes[node].routers.len() {
            let Node { routers, tracking, .. } = &self.nodes[node];
            let config = &routers[router].config;
            let verdict = tracking.verdict(config.priority, &config.track);
            self.feed(node, router, Event::PriorityChanged(verdict.priority));
        }
        self.join(node);
    }

    fn tell_all(&mut self, node: usize, event: Event) {
        (0..self.nodes[node].routers.len()).for_each(|router| self.feed(node, router, event));
        self.join(node);
    }

    fn feed(&mut self, node: usize, router: usize, event: Event) {
        let now = self.start + self.now;
        let actions = self.nodes[node].routers[router].handle(event, now);
        self.act(node, router, &actions);
    }

    /// Lets the routers of a sync group move together.
    fn join(&mut self, node: usize) {
        let now = self.start + self.now;
        let mut deeds = vec![];
        group::settle(&mut self.nodes[node].routers, |router, event| {
            deeds.push((router.config.id.clone(), router.handle(event, now)));
        });
        for (id, actions) in deeds {
            let position = self.nodes[node].routers.iter().position(|r| r.config.id == id);
            position.into_iter().for_each(|router| self.act(node, router, &actions));
        }
    }

    fn act(&mut self, node: usize, router: usize, actions: &[Action]) {
        for action in actions {
            match action {
                Action::Advertise(claim) if self.nodes[node].lives => {
                    let settings = *self.nodes[node].routers[router].election.settings();
                    let Settings { interval, address: source, .. } = settings;
                    let advert = Received { source, claim: *claim, interval };
                    let arrives = Happening::Arrives { node: 1 - node, router, advert };
                    self.schedule(FLIGHT, arrives);
                }
                Action::ClaimAddresses => self.wish(node, router, true, KERNEL),
                Action::ReleaseAddresses(Release::Relieved) => {
                    self.wish(node, router, false, RELIEF_HOLD + KERNEL);
                }
                Action::ReleaseAddresses(Release::AtOnce) => {
                    self.wish(node, router, false, KERNEL);
                }
                Action::Advertise(_) | Action::Announce | Action::Transition(_) => {}
            }
        }
    }

    fn wish(&mut self, node: usize, router: usize, owns: bool, after: Duration) {
        self.nodes[node].routers[router].wish += 1;
        let wish = self.nodes[node].routers[router].wish;
        self.schedule(after, Happening::Owns { node, router, owns, wish });
    }

    fn schedule(&mut self, after: Duration, happening: Happening) {
        self.sequence += 1;
        self.queue.insert((self.now + after, self.sequence), happening);
    }
}

impl Node {
    /// Everything that it tracks is usable.
    fn new(configs: &[RouterConfig], node: usize) -> Self {
        let mut tracking = Tracking::default();
        for tracked in configs.iter().flat_map(|config| &config.track) {
            let (tracker, state) = (tracked.name.clone(), Usability::Usable);
            tracking.told(TrackerHealth { tracker, usable: 1, total: 1, state, reason: None });
        }
        let router = |(position, config): (usize, &RouterConfig)| Router {
            election: Election::new(Settings::of(
                config,
                config.priority,
                address(configs, node, position),
            )),
            config: config.clone(),
            owns: false,
            wish: 0,
            news: None,
        };
        let routers = configs.iter().enumerate().map(router).collect();
        Self { routers, tracking, lives: false, serves: true }
    }
}

impl Router {
    fn handle(&mut self, event: Event, now: Instant) -> Vec<Action> {
        let actions = self.election.handle(event, now);
        let news = actions.iter().rev().find_map(|action| match action {
            Action::Transition(transition) => Some(*transition),
            Action::Advertise(_)
            | Action::ClaimAddresses
            | Action::ReleaseAddresses(_)
            | Action::Announce => None,
        });
        self.news = news.or(self.news);
        actions
    }
}

/// Where adverts come from: as configured, or one as good as the other.
fn address(routers: &[RouterConfig], node: usize, position: usize) -> IpAddr {
    let stand_in = Ipv4Addr::from([192, 0, 2, if node == 0 { 1 } else { 2 }]);
    routers[position].source.unwrap_or(stand_in.into())
}

#[cfg(test)]
mod tests;
