//! A link with nodes on it, and a clock that only the test moves.
//!
//! Elections, sync groups and tracking are the real ones. The link loses, doubles, delays, reorders and
//! cuts, one way or both, one family or both; a node may be paused (its addresses stay, as a frozen
//! daemon's do), crash, be replaced by a successor and come back. Addresses follow the deeds with the
//! delays of the real daemon, and leave by themselves when the lease ends.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use vrrp::election::{
    Action, Election, Event, Received, Release, Settings, State, StateName, group, timing,
};

use super::node::{Node, TRACKERS, health, tracked};
use super::random::Random;

/// How long an address is kept after another router was heard, as the daemon does.
const RELIEF_HOLD: Duration = Duration::from_millis(10);

/// How long the kernel takes to add or remove an address.
const KERNEL: Duration = Duration::from_micros(300);

/// A burst of announcements, as the daemon sends it; it is not begun anew within a second.
const BURST: [Duration; 4] = [
    Duration::ZERO,
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_millis(2000),
];
const BURST_PAUSE: Duration = Duration::from_secs(1);

/// When a node takes part whose trackers have not told their state.
const PROOF_LIMIT: Duration = Duration::from_secs(5);

/// One way between two nodes.
#[derive(Clone, Copy)]
pub(crate) struct Way {
    /// For each family.
    pub(crate) up: [bool; 2],
    /// Packets in a thousand that are lost.
    pub(crate) loss: u64,
    /// Packets in a thousand that are overtaken by later ones.
    pub(crate) disorder: u64,
    /// On top of the link's own delay.
    pub(crate) delay: Duration,
    /// When the last packet arrives.
    busy_until: Duration,
}

impl Way {
    const GOOD: Self = Self {
        up: [true; 2],
        loss: 0,
        disorder: 0,
        delay: Duration::ZERO,
        busy_until: Duration::ZERO,
    };

    pub(crate) fn heal(&mut self) {
        *self = Self { busy_until: self.busy_until, ..Self::GOOD };
    }

    pub(crate) fn is_rough(&self) -> bool {
        self.loss > 0 || self.disorder > 0 || self.delay > Duration::ZERO
    }
}

enum Happening {
    Arrives {
        node: usize,
        family: usize,
        advert: Received,
    },
    Owns {
        node: usize,
        family: usize,
        owns: bool,
        wish: u64,
    },
    Announces {
        node: usize,
        family: usize,
        wish: u64,
    },
    /// A tracker of a just started daemon tells its state.
    Tells {
        node: usize,
        tracker: usize,
        start: u64,
    },
    /// The daemon waits for its trackers no longer.
    EndsDoubt {
        node: usize,
        start: u64,
    },
    /// The supervisor has started a successor of a daemon that died.
    Succeeds {
        node: usize,
        start: u64,
    },
}

/// The link.
pub(crate) struct Lan {
    pub(crate) nodes: Vec<Node>,
    pub(crate) ways: Vec<Vec<Way>>,
    /// Delay of a packet, at least and at most.
    pub(crate) delay: (Duration, Duration),
    /// Packets in a thousand that arrive twice.
    pub(crate) doubled: u64,
    /// How late a node's timers fire at most.
    pub(crate) lateness: Duration,
    /// When trackers of a just started daemon tell their state, at most.
    pub(crate) proof: Duration,
    /// Adverts sent so far.
    pub(crate) adverts: u64,
    /// Changes of state so far.
    pub(crate) transitions: u64,
    /// What happened, where somebody wants to read it.
    pub(crate) tale: Option<Vec<String>>,
    /// Whom a client beside each node believes to have each family's addresses.
    believed: Vec<[Option<usize>; 2]>,
    lease: Duration,
    start: Instant,
    now: Duration,
    queue: BTreeMap<(Duration, u64), Happening>,
    /// When each router looks at its clock next; it may be late.
    wakes: Vec<[Option<(Instant, Duration)>; 2]>,
    sequence: u64,
    random: Random,
}

impl Lan {
    /// Nodes with the settings of their routers, one for each family.
    #[expect(clippy::disallowed_methods, reason = "a start for the virtual clock")]
    pub(crate) fn new(nodes: Vec<Vec<Settings>>, lease: Duration, seed: u64) -> Self {
        let count = nodes.len();
        Self {
            nodes: nodes.into_iter().map(Node::new).collect(),
            ways: vec![vec![Way::GOOD; count]; count],
            delay: (Duration::from_micros(20), Duration::from_micros(200)),
            doubled: 0,
            lateness: Duration::ZERO,
            proof: Duration::ZERO,
            adverts: 0,
            transitions: 0,
            tale: None,
            believed: vec![[None; 2]; count],
            lease,
            start: Instant::now(),
            now: Duration::ZERO,
            queue: BTreeMap::new(),
            wakes: vec![[None; 2]; count],
            sequence: 0,
            random: Random::new(seed),
        }
    }

    pub(crate) fn now(&self) -> Duration {
        self.now
    }

    pub(crate) fn families(&self) -> usize {
        self.nodes[0].routers.len()
    }

    /// Whether a node has a family's addresses.
    pub(crate) fn owns(&self, node: usize, family: usize) -> bool {
        let Node { routers, runs, lease_end, .. } = &self.nodes[node];
        routers[family].owns && (*runs || self.now < *lease_end)
    }

    /// Who has the addresses of the first family.
    pub(crate) fn owners(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|node| self.owns(*node, 0)).collect()
    }

    pub(crate) fn state(&self, node: usize) -> StateName {
        self.nodes[node].state()
    }

    /// Whether a client beside `node` looks for the addresses where they are, or asks for them.
    pub(crate) fn finds(&self, node: usize, family: usize) -> bool {
        self.believed[node][family].is_none_or(|owner| self.owns(owner, family))
    }

    /// Clients notice in time who does not answer any more, and ask anew.
    pub(crate) fn forget_the_gone(&mut self) {
        let nodes = &self.nodes;
        for believed in &mut self.believed {
            for (family, believed) in believed.iter_mut().enumerate() {
                *believed = believed.filter(|owner| nodes[*owner].routers[family].wants);
            }
        }
    }

    /// Tells all routers of a node something.
    pub(crate) fn tell(&mut self, node: usize, event: Event) {
        (0..self.families()).for_each(|family| self.feed(node, family, event));
        self.settle(node);
    }

    /// An operator ends a node's daemon in order.
    pub(crate) fn stop(&mut self, node: usize) {
        self.nodes[node].stopping = true;
        self.tell(node, Event::Shutdown);
    }

    /// A node's daemon starts, with nothing known; leftovers of its predecessor are removed first.
    pub(crate) fn boot(&mut self, node: usize) {
        self.start_daemon(node, &[]);
    }

    /// A node's daemon starts; these families' routers go on where their predecessors stopped.
    fn start_daemon(&mut self, node: usize, resumed: &[usize]) {
        let (start, now) = (self.nodes[node].start + 1, self.now);
        // Without its interface none goes on: what the predecessor left behind is removed.
        let Node { routers, plugged, .. } = &mut self.nodes[node];
        for router in routers {
            router.renew(*plugged && resumed.contains(&router.family));
        }
        let daemon = &mut self.nodes[node];
        (daemon.runs, daemon.stopping) = (true, false);
        (daemon.start, daemon.started_at) = (start, now);
        daemon.waiting.clear();
        daemon.tracking = vrrp::tracking::Tracking::default();
        if !resumed.is_empty() {
            tracked().iter().for_each(|tracked| daemon.tracking.presume(&tracked.name));
        }
        self.schedule(PROOF_LIMIT, Happening::EndsDoubt { node, start });
        for tracker in 0..TRACKERS.len() {
            let after = self.random.between(Duration::ZERO, self.proof);
            if after.is_zero() {
                self.told(node, tracker);
            } else {
                self.schedule(after, Happening::Tells { node, tracker, start });
            }
        }
        self.look_around(node, resumed);
    }

    /// A node's daemon dies, and its supervisor starts a successor after a while.
    pub(crate) fn replace(&mut self, node: usize, after: Duration) {
        self.freeze(node);
        let start = self.nodes[node].start;
        self.schedule(after, Happening::Succeeds { node, start });
    }

    fn succeed(&mut self, node: usize) {
        let now = self.start + self.now;
        let resumable = |election: &Election| {
            let limit = timing::soonest_takeover(election.settings().interval);
            matches!(election.state(), State::Active(active) if now < active.advertised_at + limit)
        };
        let routers = self.nodes[node].routers.iter();
        let resumed = routers.filter(|router| resumable(&router.election));
        let resumed: Vec<usize> = resumed.map(|router| router.family).collect();
        self.start_daemon(node, &resumed);
    }

    /// A node's daemon is stopped or killed without a word; its addresses live on until the lease ends.
    pub(crate) fn freeze(&mut self, node: usize) {
        self.nodes[node].lease_end = self.now + self.lease;
        self.nodes[node].runs = false;
    }

    /// A paused node goes on; adverts that it slept through wait in its socket.
    pub(crate) fn thaw(&mut self, node: usize) {
        let expired = self.now >= self.nodes[node].lease_end;
        self.nodes[node].routers.iter_mut().for_each(|router| router.owns &= !expired);
        self.nodes[node].runs = true;
        self.wakes[node] = [None; 2];
        // As the daemon does: an Active router's own deadline comes first, a Backup listens first.
        for family in 0..self.families() {
            if self.nodes[node].routers[family].election.state().name() == StateName::Active {
                self.feed(node, family, Event::Tick);
            }
        }
        for (family, advert) in std::mem::take(&mut self.nodes[node].waiting) {
            self.feed(node, family, Event::Received(advert));
        }
        (0..TRACKERS.len()).for_each(|tracker| self.told(node, tracker));
        self.reconfigure(node);
        self.tell(node, Event::Tick);
    }

    /// A node's interface goes away, or comes back.
    pub(crate) fn plug(&mut self, node: usize, plugged: bool) {
        self.nodes[node].plugged = plugged;
        if self.nodes[node].runs {
            self.look_around(node, &[]);
        }
    }

    /// What a node tracks is usable now, or not.
    pub(crate) fn health(&mut self, node: usize, tracker: usize, usable: bool) {
        self.nodes[node].usable[tracker] = usable;
        if self.nodes[node].runs {
            self.told(node, tracker);
            self.look_around(node, &[]);
        }
    }

    /// An operator changes a node's configuration; a node that does not run reads it later.
    pub(crate) fn reload(&mut self, node: usize, change: impl Fn(Settings) -> Settings) {
        for router in &mut self.nodes[node].routers {
            router.config = change(router.config);
        }
        if self.nodes[node].runs {
            self.reconfigure(node);
        }
    }

    fn reconfigure(&mut self, node: usize) {
        let now = self.start + self.now;
        for family in 0..self.families() {
            let actions = self.nodes[node].routers[family].reconfigure(now);
            self.act(node, family, &actions);
        }
        self.look_around(node, &[]);
    }

    fn told(&mut self, node: usize, tracker: usize) {
        let usable = self.nodes[node].usable[tracker];
        self.nodes[node].tracking.told(health(tracker, usable));
    }

    /// As the daemon does: tracking decides the priority, and when a router may take part.
    fn look_around(&mut self, node: usize, resumed: &[usize]) {
        let in_doubt = self.now < self.nodes[node].started_at + PROOF_LIMIT;
        for family in 0..self.families() {
            let Node { routers, tracking, plugged, stopping, .. } = &self.nodes[node];
            let verdict = tracking.verdict(routers[family].config.priority, &tracked());
            let (plugged, stopping) = (*plugged, *stopping);
            if !plugged {
                self.feed(node, family, Event::Fault);
            }
            self.feed(node, family, Event::PriorityChanged(verdict.priority));
            let idle = *self.nodes[node].routers[family].election.state() == State::Initialize;
            if !idle || stopping || !plugged {
                continue;
            }
            if resumed.contains(&family) {
                self.feed(node, family, Event::Resume);
            } else if verdict.proven || !in_doubt {
                self.feed(node, family, Event::Startup);
            }
        }
        self.settle(node);
    }

    /// Cuts or heals both ways between two nodes.
    pub(crate) fn connect(&mut self, one: usize, other: usize, up: bool) {
        self.ways[one][other].up = [up; 2];
        self.ways[other][one].up = [up; 2];
    }

    /// Runs until `end`, telling `observe` who owns the addresses after every step.
    pub(crate) fn run_until(&mut self, end: Duration, observe: &mut dyn FnMut(&Self)) {
        while let Some(at) = self.next_step().filter(|at| *at <= end) {
            self.now = at;
            self.step();
            observe(self);
        }
        self.now = end;
        observe(self);
    }

    pub(crate) fn run(&mut self, time: Duration) {
        self.run_until(self.now + time, &mut |_| {});
    }

    fn next_step(&mut self) -> Option<Duration> {
        let happening = self.queue.keys().next().map(|(at, _)| *at);
        let wake = self.next_wake().map(|(at, ..)| at);
        // A lease that ends is worth a look as well.
        let leases = self.nodes.iter().filter(|node| !node.runs).map(|node| node.lease_end);
        let lease = leases.filter(|end| *end > self.now).min();
        [happening, wake, lease].into_iter().flatten().min()
    }

    /// Which router's deadline is noticed next, and when: late by a random time, drawn once for each
    /// deadline.
    fn next_wake(&mut self) -> Option<(Duration, usize, usize)> {
        let mut next: Option<(Duration, usize, usize)> = None;
        for node in 0..self.nodes.len() {
            if !self.nodes[node].runs {
                continue;
            }
            for family in 0..self.families() {
                let Some(deadline) = self.nodes[node].routers[family].election.deadline() else {
                    continue;
                };
                let at = match self.wakes[node][family] {
                    Some((known, at)) if known == deadline => at,
                    _ => {
                        let late = self.random.between(Duration::ZERO, self.lateness);
                        let at = deadline.saturating_duration_since(self.start) + late;
                        let at = at.max(self.now);
                        self.wakes[node][family] = Some((deadline, at));
                        at
                    }
                };
                if next.is_none_or(|(soonest, ..)| at < soonest) {
                    next = Some((at, node, family));
                }
            }
        }
        next
    }

    fn step(&mut self) {
        if let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let happening = entry.remove();
            self.happens(happening);
        } else if let Some((_, node, family)) = self.next_wake().filter(|(at, ..)| *at <= self.now)
        {
            self.feed(node, family, Event::Tick);
            self.settle(node);
        }
    }

    fn happens(&mut self, happening: Happening) {
        match happening {
            Happening::Arrives { node, family, advert } if self.nodes[node].runs => {
                // A router without an interface has no socket.
                if self.nodes[node].plugged {
                    self.feed(node, family, Event::Received(advert));
                    self.settle(node);
                }
            }
            Happening::Arrives { node, family, advert } => {
                self.nodes[node].waiting.push((family, advert));
            }
            Happening::Owns { node, family, owns, wish } => {
                let router = &mut self.nodes[node].routers[family];
                if router.wish == wish {
                    (router.owns, router.announced_at) = (owns, None);
                    self.announce(node, family);
                }
            }
            Happening::Announces { node, family, wish } => {
                if self.nodes[node].routers[family].wish == wish {
                    self.announce_once(node, family);
                }
            }
            Happening::Tells { node, tracker, start } => {
                if self.nodes[node].start == start && self.nodes[node].runs {
                    self.told(node, tracker);
                    self.look_around(node, &[]);
                }
            }
            Happening::EndsDoubt { node, start } => {
                if self.nodes[node].start == start && self.nodes[node].runs {
                    self.look_around(node, &[]);
                }
            }
            Happening::Succeeds { node, start } => {
                if self.nodes[node].start == start && !self.nodes[node].runs {
                    self.succeed(node);
                }
            }
        }
    }

    fn feed(&mut self, node: usize, family: usize, event: Event) {
        let now = self.start + self.now;
        let actions = self.nodes[node].routers[family].handle(event, now);
        self.act(node, family, &actions);
    }

    /// Lets the routers of a sync group move together.
    fn settle(&mut self, node: usize) {
        let now = self.start + self.now;
        let mut deeds = vec![];
        group::settle(&mut self.nodes[node].routers, |router, event| {
            deeds.push((router.family, router.handle(event, now)));
        });
        for (family, actions) in deeds {
            self.act(node, family, &actions);
        }
    }

    fn act(&mut self, node: usize, family: usize, actions: &[Action]) {
        for action in actions {
            match action {
                Action::Advertise(claim) => {
                    let settings = *self.nodes[node].routers[family].election.settings();
                    let Settings { interval, address: source, .. } = settings;
                    self.send(node, family, Received { source, claim: *claim, interval });
                }
                Action::ClaimAddresses => self.wish(node, family, true, KERNEL),
                Action::ReleaseAddresses(Release::Relieved) => {
                    self.wish(node, family, false, RELIEF_HOLD + KERNEL);
                }
                Action::ReleaseAddresses(Release::AtOnce) => {
                    self.wish(node, family, false, KERNEL);
                }
                Action::Announce => self.announce(node, family),
                Action::Transition(change) => {
                    self.transitions += 1;
                    self.tale(|| format!("node {node}, family {family}: {change:?}"));
                }
            }
        }
    }

    fn wish(&mut self, node: usize, family: usize, owns: bool, after: Duration) {
        self.nodes[node].routers[family].wish += 1;
        let wish = self.nodes[node].routers[family].wish;
        self.schedule(after, Happening::Owns { node, family, owns, wish });
    }

    fn announce(&mut self, node: usize, family: usize) {
        let router = &mut self.nodes[node].routers[family];
        if router.announced_at.is_some_and(|at| self.now < at + BURST_PAUSE) {
            return;
        }
        router.announced_at = Some(self.now);
        let wish = router.wish;
        for after in BURST {
            self.schedule(after, Happening::Announces { node, family, wish });
        }
    }

    fn announce_once(&mut self, node: usize, family: usize) {
        let Node { runs, plugged, routers, .. } = &self.nodes[node];
        if !(*runs && *plugged && routers[family].owns) {
            return;
        }
        for client in 0..self.nodes.len() {
            if client == node || self.ways[node][client].up[family] {
                self.believed[client][family] = Some(node);
            }
        }
    }

    fn send(&mut self, from: usize, family: usize, advert: Received) {
        self.adverts += 1;
        if !self.nodes[from].plugged {
            return;
        }
        for to in (0..self.nodes.len()).filter(|to| *to != from) {
            let way = self.ways[from][to];
            if !way.up[family] || self.random.chance(way.loss) {
                continue;
            }
            let times = if self.random.chance(self.doubled) { 2 } else { 1 };
            for _ in 0..times {
                let flight = self.random.between(self.delay.0, self.delay.1) + way.delay;
                let mut arrival = self.now + flight;
                if self.random.chance(way.disorder) {
                    arrival += (flight - way.delay) * 20;
                } else {
                    // A link keeps the order of what it carries.
                    arrival = arrival.max(self.ways[from][to].busy_until);
                    self.ways[from][to].busy_until = arrival;
                }
                let arrives = Happening::Arrives { node: to, family, advert };
                self.schedule(arrival - self.now, arrives);
            }
        }
    }

    fn tale(&mut self, line: impl FnOnce() -> String) {
        if let Some(tale) = &mut self.tale {
            tale.push(format!("{:?}: {}", self.now, line()));
        }
    }

    fn schedule(&mut self, after: Duration, happening: Happening) {
        self.sequence += 1;
        self.queue.insert((self.now + after, self.sequence), happening);
    }
}

/// A node's own address, in each family.
pub(crate) fn address(node: usize, family: usize) -> IpAddr {
    let number = u8::try_from(node + 1).unwrap();
    match family {
        0 => IpAddr::from([192, 0, 2, number]),
        _ => IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, u16::from(number)]),
    }
}
