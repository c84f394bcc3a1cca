//! A link with routers on it, and a clock that only the test moves.
//!
//! The routers are the real elections. The link loses, delays and cuts; a node may be paused (its
//! addresses stay, as a frozen daemon's do), crash and come back. Addresses follow the deeds with the
//! delays of the real daemon, and leave by themselves when the lease ends.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use vrrpd::election::{Action, Election, Event, Received, Release, Settings, StateName};

use crate::random::Random;

/// How long an address is kept after another router was heard, as the daemon does.
const RELIEF_HOLD: Duration = Duration::from_millis(10);

/// How long the kernel takes to add or remove an address.
const KERNEL: Duration = Duration::from_micros(300);

/// One way between two nodes.
#[derive(Clone, Copy)]
pub(crate) struct Way {
    pub(crate) up: bool,
    /// Lost packets in a thousand.
    pub(crate) loss: u64,
    /// When the last packet arrives.
    busy_until: Duration,
}

pub(crate) struct Node {
    pub(crate) election: Election,
    settings: Settings,
    /// Runs: neither paused nor crashed.
    pub(crate) runs: bool,
    /// Adverts that wait in the socket while the node is paused.
    waiting: Vec<Received>,
    owns: bool,
    lease: Duration,
    lease_end: Duration,
}

enum Happening {
    Arrives { node: usize, advert: Received },
    Owns { node: usize, owns: bool, wish: u64 },
}

/// The link.
pub(crate) struct Lan {
    pub(crate) nodes: Vec<Node>,
    pub(crate) ways: Vec<Vec<Way>>,
    /// Delay of a packet, at least and at most.
    pub(crate) delay: (Duration, Duration),
    /// How late a node's timers fire at most.
    pub(crate) lateness: Duration,
    /// Adverts sent so far.
    pub(crate) adverts: u64,
    start: Instant,
    now: Duration,
    queue: BTreeMap<(Duration, u64), Happening>,
    /// When each node looks at its clock next; it may be late.
    wakes: Vec<Option<(Instant, Duration)>>,
    /// The latest wish for each node's addresses: an older one that comes late is void.
    wishes: Vec<u64>,
    sequence: u64,
    random: Random,
}

pub(crate) fn address(node: usize) -> IpAddr {
    IpAddr::from([192, 0, 2, u8::try_from(node + 1).unwrap()])
}

impl Lan {
    #[expect(clippy::disallowed_methods, reason = "a start for the virtual clock")]
    pub(crate) fn new(settings: Vec<Settings>, lease: Duration, seed: u64) -> Self {
        let count = settings.len();
        let nodes = settings.into_iter().map(|settings| Node {
            election: Election::new(settings),
            settings,
            runs: false,
            waiting: vec![],
            owns: false,
            lease,
            lease_end: Duration::ZERO,
        });
        Self {
            nodes: nodes.collect(),
            ways: vec![vec![Way { up: true, loss: 0, busy_until: Duration::ZERO }; count]; count],
            delay: (Duration::from_micros(20), Duration::from_micros(200)),
            lateness: Duration::ZERO,
            adverts: 0,
            start: Instant::now(),
            now: Duration::ZERO,
            queue: BTreeMap::new(),
            wakes: vec![None; count],
            wishes: vec![0; count],
            sequence: 0,
            random: Random::new(seed),
        }
    }

    pub(crate) fn now(&self) -> Duration {
        self.now
    }

    /// Who has the addresses.
    pub(crate) fn owners(&self) -> Vec<usize> {
        let owns = |node: &usize| self.nodes[*node].owns && self.now < self.lease_end(*node);
        (0..self.nodes.len()).filter(owns).collect()
    }

    fn lease_end(&self, node: usize) -> Duration {
        let node = &self.nodes[node];
        if node.runs { self.now + node.lease } else { node.lease_end }
    }

    pub(crate) fn state(&self, node: usize) -> StateName {
        self.nodes[node].election.state().name()
    }

    /// Tells a node something.
    pub(crate) fn tell(&mut self, node: usize, event: Event) {
        let now = self.start + self.now;
        let actions = self.nodes[node].election.handle(event, now);
        self.act(node, &actions);
    }

    /// A node's daemon starts, with nothing known.
    pub(crate) fn boot(&mut self, node: usize) {
        let fresh = Election::new(self.nodes[node].settings);
        self.nodes[node].election = fresh;
        self.nodes[node].waiting.clear();
        self.nodes[node].runs = true;
        // Leftovers of the predecessor are removed first.
        self.nodes[node].owns = false;
        self.wishes[node] += 1;
        self.tell(node, Event::Startup);
    }

    /// A node's daemon is stopped or killed without a word; its addresses live on until the lease ends.
    pub(crate) fn freeze(&mut self, node: usize) {
        self.nodes[node].lease_end = self.now + self.nodes[node].lease;
        self.nodes[node].runs = false;
    }

    /// A paused node goes on; adverts that it slept through wait in its socket.
    pub(crate) fn thaw(&mut self, node: usize) {
        if self.now >= self.nodes[node].lease_end {
            self.nodes[node].owns = false;
        }
        self.nodes[node].runs = true;
        self.wakes[node] = None;
        // As the daemon does: an Active router's own deadline comes first, a Backup listens first.
        if self.state(node) == StateName::Active {
            self.tell(node, Event::Tick);
        }
        for advert in std::mem::take(&mut self.nodes[node].waiting) {
            self.tell(node, Event::Received(advert));
        }
        self.tell(node, Event::Tick);
    }

    /// Cuts or heals both ways between two nodes.
    pub(crate) fn connect(&mut self, one: usize, other: usize, up: bool) {
        self.ways[one][other].up = up;
        self.ways[other][one].up = up;
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
        let arrival = self.queue.keys().next().map(|(at, _)| *at);
        let wake = (0..self.nodes.len()).filter_map(|node| self.wake(node)).min();
        // A lease that ends is worth a look as well.
        let leases = self.nodes.iter().filter(|node| node.owns && !node.runs);
        let lease = leases.map(|node| node.lease_end).filter(|end| *end > self.now).min();
        [arrival, wake, lease].into_iter().flatten().min()
    }

    /// When a node's deadline is noticed: late by a random time, drawn once for each deadline.
    fn wake(&mut self, node: usize) -> Option<Duration> {
        if !self.nodes[node].runs {
            return None;
        }
        let deadline = self.nodes[node].election.deadline()?;
        match self.wakes[node] {
            Some((known, at)) if known == deadline => Some(at),
            _ => {
                let late = self.random.between(Duration::ZERO, self.lateness);
                let at = deadline.saturating_duration_since(self.start) + late;
                self.wakes[node] = Some((deadline, at.max(self.now)));
                Some(at.max(self.now))
            }
        }
    }

    fn step(&mut self) {
        if let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= self.now) {
            match entry.remove() {
                Happening::Arrives { node, advert } if self.nodes[node].runs => {
                    self.tell(node, Event::Received(advert));
                }
                Happening::Arrives { node, advert } => self.nodes[node].waiting.push(advert),
                Happening::Owns { node, owns, wish } if self.wishes[node] == wish => {
                    self.nodes[node].owns = owns;
                }
                Happening::Owns { .. } => {}
            }
            return;
        }
        for node in 0..self.nodes.len() {
            if self.wake(node).is_some_and(|at| at <= self.now) {
                self.tell(node, Event::Tick);
            }
        }
    }

    fn act(&mut self, node: usize, actions: &[Action]) {
        for action in actions {
            match action {
                Action::Advertise(claim) => {
                    let interval = self.nodes[node].settings.interval;
                    let source = self.nodes[node].settings.address;
                    self.send(node, Received { source, claim: *claim, interval });
                }
                Action::ClaimAddresses => self.wish(node, true, KERNEL),
                Action::ReleaseAddresses(Release::Relieved) => {
                    self.wish(node, false, RELIEF_HOLD + KERNEL);
                }
                Action::ReleaseAddresses(Release::AtOnce) => self.wish(node, false, KERNEL),
                Action::Announce | Action::Transition(_) => {}
            }
        }
    }

    fn wish(&mut self, node: usize, owns: bool, after: Duration) {
        self.wishes[node] += 1;
        let wish = self.wishes[node];
        self.schedule(after, Happening::Owns { node, owns, wish });
    }

    fn send(&mut self, from: usize, advert: Received) {
        self.adverts += 1;
        for to in (0..self.nodes.len()).filter(|to| *to != from) {
            let way = self.ways[from][to];
            if way.up && self.random.below(1000) >= way.loss {
                // A link keeps the order of what it carries.
                let arrival = self.now + self.random.between(self.delay.0, self.delay.1);
                let arrival = arrival.max(self.ways[from][to].busy_until);
                self.ways[from][to].busy_until = arrival;
                self.schedule(arrival - self.now, Happening::Arrives { node: to, advert });
            }
        }
    }

    fn schedule(&mut self, after: Duration, happening: Happening) {
        self.sequence += 1;
        self.queue.insert((self.now + after, self.sequence), happening);
    }
}
