//! The network: nodes, packets in flight, and the clock.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{Conditions, Member, Node, Random, Way};
use crate::desired::{DesiredState, Ownership};
use crate::election::Received;
use crate::reconciler::Event;
use crate::router::{Core, Effect, Input};
use crate::wire::Coverage;

/// An advert in flight.
#[derive(Clone, Copy, Debug)]
pub struct Packet {
    /// What it says.
    pub advert: Received,
    /// What its checksum covers.
    pub coverage: Coverage,
}

/// What a router did with an input, for whoever examines that it makes sense.
#[derive(Debug)]
pub struct Fed<'a> {
    /// What was desired of the addresses before.
    pub before: DesiredState,
    /// The router afterwards.
    pub core: &'a Core,
    /// What it was fed.
    pub input: &'a Input<'a>,
    /// What it had done for it.
    pub effects: &'a [Effect],
    /// The time.
    pub now: Instant,
}

/// What a step was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stepped {
    /// An advert arrived.
    Advert,
    /// A router's deadline passed.
    Deadline,
    /// A kernel, a tracker or a supervisor did something.
    Other,
}

#[derive(Clone, Debug)]
pub(super) enum Happening {
    Arrives {
        node: usize,
        router: usize,
        packet: Packet,
    },
    /// A reconciler gets to know what is desired, and the kernel has changed what there is to change.
    Reconciles {
        node: usize,
        router: usize,
        start: u64,
    },
    /// A tracker of a daemon that has just started tells its state.
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
    /// The supervisor starts a successor of a daemon that died.
    Succeeds {
        node: usize,
        start: u64,
    },
}

/// Whose deadline it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Clock {
    Core,
    Reconciler,
}

/// A deadline, when it is noticed.
#[derive(Clone, Copy)]
struct Wake {
    at: Duration,
    node: usize,
    router: usize,
    of: Clock,
}

/// A network with nodes on it. Clones go their own ways.
#[derive(Clone, Debug)]
pub struct Lan {
    /// The ways from each node to each other.
    pub ways: Vec<Vec<Way>>,
    /// What happened, a line each, where somebody wants to read it.
    pub tale: Option<Vec<String>>,
    pub(super) nodes: Vec<Node>,
    pub(super) conditions: Conditions,
    pub(super) examine: fn(&Fed<'_>) -> Result<(), String>,
    pub(super) broken: Option<String>,
    pub(super) adverts: u64,
    pub(super) transitions: u64,
    pub(super) start: Instant,
    pub(super) now: Duration,
    queue: BTreeMap<(Duration, u64), Happening>,
    sequence: u64,
    pub(super) random: Random,
}

impl Lan {
    /// Nodes whose daemons have not started, with the same number of routers each. The clock begins at
    /// `start`.
    #[must_use]
    pub fn new(nodes: Vec<Vec<Member>>, conditions: Conditions, seed: u64, start: Instant) -> Self {
        let count = nodes.len();
        Self {
            ways: vec![vec![Way::default(); count]; count],
            tale: None,
            nodes: nodes.into_iter().map(|members| Node::new(members, start)).collect(),
            conditions,
            examine: |_| Ok(()),
            broken: None,
            adverts: 0,
            transitions: 0,
            start,
            now: Duration::ZERO,
            queue: BTreeMap::new(),
            sequence: 0,
            random: Random::new(seed),
        }
    }

    /// Has everything examined that a router does; the first error is kept.
    pub fn examine(&mut self, examine: fn(&Fed<'_>) -> Result<(), String>) {
        self.examine = examine;
    }

    /// What [`examine`](Self::examine) found wrong first.
    #[must_use]
    pub fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    /// The time since the start.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.now
    }

    /// The nodes.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Routers of each node.
    #[must_use]
    pub fn routers(&self) -> usize {
        self.nodes[0].routers.len()
    }

    /// Adverts sent so far.
    #[must_use]
    pub fn adverts(&self) -> u64 {
        self.adverts
    }

    /// Changes of state so far.
    #[must_use]
    pub fn transitions(&self) -> u64 {
        self.transitions
    }

    /// Whether a node has a router's addresses.
    #[must_use]
    pub fn owns(&self, node: usize, router: usize) -> bool {
        let until = self.nodes[node].routers[router].owned_until;
        until.is_some_and(|until| self.now < until)
    }

    /// Who has the addresses of the first router.
    #[must_use]
    pub fn owners(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|node| self.owns(*node, 0)).collect()
    }

    /// Whether a client beside `node` looks for the addresses where they are, or asks for them.
    #[must_use]
    pub fn finds(&self, node: usize, router: usize) -> bool {
        self.nodes[node].believed[router].is_none_or(|owner| self.owns(owner, router))
    }

    /// Clients notice in time who does not answer any more, and ask anew.
    pub fn forget_the_gone(&mut self) {
        for client in 0..self.nodes.len() {
            for router in 0..self.routers() {
                let holds = |owner: &usize| {
                    self.nodes[*owner].routers[router].core.desired().ownership == Ownership::Hold
                };
                let believed = self.nodes[client].believed[router].filter(holds);
                self.nodes[client].believed[router] = believed;
            }
        }
    }

    /// The adverts in flight, the next to arrive first: to which node, for which router, and what.
    pub fn in_flight(&self) -> impl Iterator<Item = (usize, usize, Packet)> + '_ {
        self.queue.values().filter_map(|happening| match happening {
            Happening::Arrives { node, router, packet } => Some((*node, *router, *packet)),
            Happening::Reconciles { .. }
            | Happening::Tells { .. }
            | Happening::EndsDoubt { .. }
            | Happening::Succeeds { .. } => None,
        })
    }

    /// Loses the advert that would arrive next.
    pub fn lose_next(&mut self) {
        let arrives = |happening: &Happening| matches!(happening, Happening::Arrives { .. });
        let next = self.queue.iter().find(|(_, happening)| arrives(happening));
        if let Some(key) = next.map(|(key, _)| *key) {
            self.queue.remove(&key);
        }
    }

    /// The soonest deadline of a router that runs.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        let running = self.nodes.iter().filter(|node| node.runs);
        let deadlines =
            running.flat_map(|node| &node.routers).filter_map(|router| router.core.deadline());
        deadlines.min().map(|at| at.saturating_duration_since(self.start))
    }

    /// Now, on the virtual clock.
    #[must_use]
    pub fn instant(&self) -> Instant {
        self.start + self.now
    }
}

/// Time passes.
impl Lan {
    /// Runs until `end`, and lets `observe` look after every step.
    pub fn run_until(&mut self, end: Duration, observe: &mut dyn FnMut(&Self)) {
        while self.step(end).is_some() {
            observe(self);
        }
        self.now = end;
        observe(self);
    }

    /// Runs for so long.
    pub fn run(&mut self, time: Duration) {
        self.run_until(self.now + time, &mut |_| {});
    }

    /// Does what is next, if it is before or at `end`.
    pub fn step(&mut self, end: Duration) -> Option<Stepped> {
        let queued = self.queue.keys().next().map(|(at, _)| *at);
        let wake = self.next_wake();
        let due = wake.map(|wake| wake.at);
        let lease = self.next_lease_end();
        let next = [queued, due, lease].into_iter().flatten().min().filter(|at| *at <= end)?;
        self.now = self.now.max(next);
        if queued.is_some_and(|at| at <= self.now)
            && let Some((_, happening)) = self.queue.pop_first()
        {
            return Some(self.happens(happening));
        }
        let Some(Wake { node, router, of, .. }) = wake.filter(|wake| wake.at <= self.now) else {
            return Some(Stepped::Other);
        };
        if of == Clock::Reconciler {
            self.reconcile(node, router, Event::Tick);
            return Some(Stepped::Other);
        }
        self.feed(node, router, &Input::Tick);
        self.settle(node);
        Some(Stepped::Deadline)
    }

    /// A lease that ends is worth a look as well.
    fn next_lease_end(&self) -> Option<Duration> {
        let frozen = self.nodes.iter().filter(|node| !node.runs);
        let ends = frozen.flat_map(|node| &node.routers).filter_map(|router| router.owned_until);
        ends.filter(|end| *end > self.now && *end < Duration::MAX).min()
    }

    /// Whose deadline is noticed next, and when.
    fn next_wake(&self) -> Option<Wake> {
        let mut next: Option<Wake> = None;
        for (node, state) in self.nodes.iter().enumerate().filter(|(_, node)| node.runs) {
            for (router, known) in state.routers.iter().enumerate() {
                let core = known.wake.map(|(_, at)| (at, Clock::Core));
                let reconciler = known.reconcile_at.map(|at| (at, Clock::Reconciler));
                for (at, of) in core.into_iter().chain(reconciler) {
                    if next.is_none_or(|next| at < next.at) {
                        next = Some(Wake { at, node, router, of });
                    }
                }
            }
        }
        next
    }

    /// When a router's deadline is noticed: late by a random time, drawn once for each deadline.
    pub(super) fn set_wake(&mut self, node: usize, router: usize) {
        let router = &mut self.nodes[node].routers[router];
        let deadline = router.core.deadline();
        if deadline == router.wake.map(|(known, _)| known) {
            return;
        }
        router.wake = deadline.map(|deadline| {
            let late = self.random.between(Duration::ZERO, self.conditions.lateness);
            let at = deadline.saturating_duration_since(self.start) + late;
            (deadline, at.max(self.now))
        });
    }

    fn happens(&mut self, happening: Happening) -> Stepped {
        match happening {
            Happening::Arrives { node, router, packet } => {
                self.arrives(node, router, packet);
                return Stepped::Advert;
            }
            Happening::Reconciles { node, router, start } if self.is_running(node, start) => {
                self.reconcile_desired(node, router);
            }
            Happening::Tells { node, tracker, start } if self.is_running(node, start) => {
                self.nodes[node].told(tracker);
                self.look_around(node);
            }
            Happening::EndsDoubt { node, start } if self.is_running(node, start) => {
                self.look_around(node);
            }
            Happening::Succeeds { node, start }
                if self.nodes[node].start == start && !self.nodes[node].runs =>
            {
                self.succeed(node);
            }
            Happening::Reconciles { .. }
            | Happening::Tells { .. }
            | Happening::EndsDoubt { .. }
            | Happening::Succeeds { .. } => {}
        }
        Stepped::Other
    }

    fn is_running(&self, node: usize, start: u64) -> bool {
        self.nodes[node].start == start && self.nodes[node].runs
    }

    fn arrives(&mut self, node: usize, router: usize, packet: Packet) {
        let Node { runs, plugged, waiting, .. } = &mut self.nodes[node];
        if !*runs {
            waiting.push((router, packet));
        } else if *plugged {
            let Packet { advert, coverage } = packet;
            self.feed(node, router, &Input::Received { advert, coverage });
            self.settle(node);
        }
        // A router without an interface has no socket.
    }

    pub(super) fn schedule(&mut self, after: Duration, happening: Happening) {
        self.sequence += 1;
        self.queue.insert((self.now + after, self.sequence), happening);
    }
}
