//! Some nodes, the adverts between them, and a clock that jumps.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use config::Preempt;
use vocabulary::{AdvertInterval, Priority};
use vrrp::election::{
    Action, Backup, Election, Event, Received, Settings, State, StateName, Version,
};
use vrrp::wire::Claim;

/// What may happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The next advert arrives; if none is under way, the next deadline comes.
    GoOn,
    /// The next advert is lost.
    Lose,
    /// A node dies without a word.
    Crash(usize),
    /// A node that does not run starts.
    Boot(usize),
    /// A node is told to end.
    End(usize),
    /// A node is told to hand over.
    HandOver(usize),
    /// A node's proxies are usable, or not.
    Usable(usize, bool),
}

#[derive(Clone)]
struct Node {
    election: Election,
    settings: Settings,
    runs: bool,
    usable: bool,
}

/// A link with nodes on it. Clones go their own ways.
#[derive(Clone)]
pub(crate) struct World {
    nodes: Vec<Node>,
    /// Adverts under way: to whom, and what.
    adverts: VecDeque<(usize, Received)>,
    now: Instant,
    start: Instant,
    transitions: usize,
    story: Vec<String>,
}

fn address(node: usize) -> IpAddr {
    IpAddr::from([192, 0, 2, u8::try_from(node + 1).unwrap()])
}

impl World {
    #[expect(clippy::disallowed_methods, reason = "a start for the virtual clock")]
    pub(crate) fn new(priorities: &[u8], version: Version, preempt: Preempt) -> Self {
        let now = Instant::now();
        let nodes = priorities.iter().enumerate().map(|(node, priority)| {
            let settings = Settings {
                version,
                priority: Priority::try_from(*priority).unwrap(),
                interval: AdvertInterval::from_centiseconds(100).unwrap(),
                preempt,
                sole_peer: false,
                grouped: false,
                decides_ties: true,
                address: address(node),
            };
            Node { election: Election::new(settings), settings, runs: true, usable: true }
        });
        let mut world = Self {
            nodes: nodes.collect(),
            adverts: VecDeque::new(),
            now,
            start: now,
            transitions: 0,
            story: Vec::new(),
        };
        (0..priorities.len()).for_each(|node| world.tell(node, Event::Startup));
        world
    }

    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    pub(crate) fn transitions(&self) -> usize {
        self.transitions
    }

    pub(crate) fn states(&self) -> impl Iterator<Item = StateName> {
        self.nodes.iter().filter(|node| node.runs).map(|node| node.election.state().name())
    }

    /// The nodes that are Active.
    pub(crate) fn active(&self) -> Vec<usize> {
        let active = |node: &usize| {
            let Node { election, runs, .. } = &self.nodes[*node];
            *runs && election.state().name() == StateName::Active
        };
        (0..self.nodes.len()).filter(active).collect()
    }

    /// The nodes that run and take part, the best first.
    pub(crate) fn candidates(&self) -> Vec<usize> {
        let runs = |node: &usize| {
            self.nodes[*node].runs && *self.nodes[*node].election.state() != State::Initialize
        };
        let mut all: Vec<usize> = (0..self.nodes.len()).filter(runs).collect();
        let unusable = |node: &usize| !self.nodes[*node].usable;
        // Among those that cannot serve nobody moves: whoever has the addresses is the best.
        if all.iter().all(unusable) {
            let active = self.active();
            all.sort_by_key(|node| !active.contains(node));
            return all;
        }
        all.sort_by_key(|node| {
            let settings = self.nodes[*node].election.settings();
            // Where priorities are equal nobody moves either.
            let has = self.active().contains(node);
            std::cmp::Reverse((settings.priority, has, settings.address))
        });
        all
    }

    pub(crate) fn anyone_defers(&self) -> bool {
        let defers = |node: &Node| {
            matches!(node.election.state(), State::Backup(Backup { defers: true, .. }))
        };
        self.nodes.iter().any(defers)
    }

    pub(crate) fn choices(&self) -> Vec<Choice> {
        let mut choices = vec![Choice::GoOn];
        if !self.adverts.is_empty() {
            choices.push(Choice::Lose);
        }
        for (number, node) in self.nodes.iter().enumerate() {
            let state = node.election.state().name();
            match (node.runs, state) {
                (false, _) | (true, StateName::Initialize) => choices.push(Choice::Boot(number)),
                (true, StateName::Active) => choices.extend([
                    Choice::Crash(number),
                    Choice::End(number),
                    Choice::HandOver(number),
                    Choice::Usable(number, !node.usable),
                ]),
                (true, StateName::Backup | StateName::Releasing) => {
                    choices.extend([Choice::Crash(number), Choice::Usable(number, !node.usable)]);
                }
            }
        }
        choices
    }

    pub(crate) fn take(&mut self, choice: Choice) {
        let at = self.now.duration_since(self.start).as_millis();
        self.story.push(format!("{at} ms {choice:?}"));
        match choice {
            Choice::GoOn => self.go_on(),
            Choice::Lose => drop(self.adverts.pop_front()),
            Choice::Crash(node) => self.nodes[node].runs = false,
            Choice::Boot(node) => {
                let fresh = Election::new(self.nodes[node].settings);
                (self.nodes[node].election, self.nodes[node].runs) = (fresh, true);
                let usable = self.nodes[node].usable;
                self.tell(node, Event::PriorityChanged(self.priority(node, usable)));
                self.tell(node, Event::Startup);
            }
            Choice::End(node) => self.tell(node, Event::Shutdown),
            Choice::HandOver(node) => self.tell(node, Event::HandOver),
            Choice::Usable(node, usable) => {
                self.nodes[node].usable = usable;
                self.tell(node, Event::PriorityChanged(self.priority(node, usable)));
            }
        }
    }

    fn priority(&self, node: usize, usable: bool) -> Priority {
        if usable { self.nodes[node].settings.priority } else { Priority::UNUSABLE }
    }

    fn go_on(&mut self) {
        if let Some((node, advert)) = self.adverts.pop_front() {
            if self.nodes[node].runs {
                self.tell(node, Event::Received(advert));
            }
            return;
        }
        let running = self.nodes.iter().enumerate().filter(|(_, node)| node.runs);
        let next = running.filter_map(|(number, node)| Some((node.election.deadline()?, number)));
        if let Some((at, node)) = next.min() {
            self.now = self.now.max(at);
            self.tell(node, Event::Tick);
        }
    }

    /// Without another fault or loss.
    pub(crate) fn go_on_until(&mut self, end: Instant) {
        let deadline = |node: &Node| node.runs.then(|| node.election.deadline()).flatten();
        loop {
            let next = self.nodes.iter().filter_map(deadline).min();
            if self.adverts.is_empty() && next.is_none_or(|next| next > end) {
                self.now = end;
                return;
            }
            self.go_on();
        }
    }

    fn tell(&mut self, node: usize, event: Event) {
        for action in self.nodes[node].election.handle(event, self.now) {
            match action {
                Action::Advertise(claim) => self.advertise(node, claim),
                Action::Transition(transition) => {
                    self.transitions += 1;
                    let at = self.now.duration_since(self.start).as_millis();
                    let (from, to) = (transition.from, transition.to);
                    self.story
                        .push(format!("{at} ms node {node}: {from} → {to}: {}", transition.cause));
                }
                Action::ClaimAddresses | Action::ReleaseAddresses(_) | Action::Announce => {}
            }
        }
    }

    fn advertise(&mut self, node: usize, claim: Claim) {
        let interval = self.nodes[node].settings.interval;
        let advert = Received { source: address(node), claim, interval };
        let others = (0..self.nodes.len()).filter(|other| *other != node);
        self.adverts.extend(others.map(|other| (other, advert)));
    }

    pub(crate) fn story(&self) -> String {
        self.story.join("\n")
    }

    /// What tells two worlds apart: times relative to now.
    pub(crate) fn key(&self) -> Vec<i128> {
        let mut key = Vec::new();
        for node in &self.nodes {
            key.extend([i128::from(node.runs), i128::from(node.usable)]);
            key.push(i128::from(node.election.settings().priority.get()));
            self.add_state(node.election.state(), &mut key);
        }
        for (node, advert) in &self.adverts {
            let claim = match advert.claim {
                Claim::Resign => 0,
                Claim::Lead(priority) => i128::from(priority.get()),
            };
            key.extend([i128::try_from(*node).unwrap(), self.number(advert.source), claim]);
        }
        key
    }

    fn add_state(&self, state: &State, key: &mut Vec<i128>) {
        match state {
            State::Initialize => key.push(0),
            State::Backup(backup) => {
                key.extend([1, self.relative(backup.active_down_at), i128::from(backup.defers)]);
                key.push(i128::from(self.now >= backup.listen_until));
                key.push(backup.outranking_since.map_or(-1, |since| self.relative(since)));
                if let Some(following) = backup.following {
                    key.extend([
                        self.number(following.source),
                        i128::from(following.priority.get()),
                    ]);
                }
            }
            State::Active(active) => {
                key.extend([2, self.relative(active.advertise_at)]);
                key.push(self.relative(active.advertised_at));
                key.push(active.answered_at.map_or(-1, |at| self.relative(at)));
            }
            State::Releasing { until, stays } => {
                key.extend([3, self.relative(*until), i128::from(*stays)]);
            }
        }
    }

    fn number(&self, source: IpAddr) -> i128 {
        let node = (0..self.nodes.len()).find(|node| address(*node) == source);
        node.map_or(-1, |node| i128::try_from(node).unwrap())
    }

    fn relative(&self, at: Instant) -> i128 {
        let ahead = at.saturating_duration_since(self.now).as_nanos();
        let behind = self.now.saturating_duration_since(at).min(Duration::from_secs(4)).as_nanos();
        i128::try_from(ahead).unwrap() - i128::try_from(behind).unwrap()
    }
}
