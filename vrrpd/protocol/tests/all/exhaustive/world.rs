//! Some nodes of the simulation, the choices there are, and what tells two situations apart.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use config::{Announce, Auth, Dialect, Lease, Preempt, Refresh, RouterConfig};
use vocabulary::{Name, Priority};
use vrrp::election::{Backup, State, StateName, Version};
use vrrp::simulation::{Conditions, Lan, Member, Stepped};
use vrrp::wire::Claim;

use crate::template;

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

/// The choices so far, the last first; stories that begin the same share that.
#[derive(Debug)]
struct Line {
    at: Duration,
    choice: Choice,
    before: Option<Rc<Self>>,
}

/// A network with nodes on it. Clones go their own ways.
#[derive(Clone)]
pub(crate) struct World {
    lan: Lan,
    usable: Vec<bool>,
    story: Option<Rc<Line>>,
}

fn address(node: usize) -> IpAddr {
    IpAddr::from([192, 0, 2, u8::try_from(node + 1).unwrap()])
}

#[expect(clippy::disallowed_methods, reason = "a start for the virtual clock")]
fn start() -> Instant {
    Instant::now()
}

impl World {
    pub(crate) fn new(priorities: &[u8], version: Version, preempt: Preempt) -> Self {
        let member = |(node, priority): (usize, &u8)| {
            let template = template(0);
            let config = RouterConfig {
                priority: Priority::try_from(*priority).unwrap(),
                preempt,
                dialect: match version {
                    Version::V2 => Dialect::V2(Auth::None),
                    Version::V3 => template.dialect,
                },
                // Nobody is asked here where clients look.
                announce: Announce { at: vec![], refresh: Refresh::Never, ..Announce::default() },
                lease: Lease::Off,
                track: template.track[..1].to_vec(),
                ..template
            };
            vec![Member { config, source: address(node) }]
        };
        let conditions = Conditions {
            flight: (Duration::ZERO, Duration::ZERO),
            kernel: Duration::ZERO,
            ..Conditions::default()
        };
        let nodes = priorities.iter().enumerate().map(member).collect();
        let mut lan = Lan::new(nodes, conditions, 0, start());
        (0..priorities.len()).for_each(|node| lan.boot(node));
        Self { lan, usable: vec![true; priorities.len()], story: None }
    }

    pub(crate) fn now(&self) -> Duration {
        self.lan.now()
    }

    pub(crate) fn transitions(&self) -> u64 {
        self.lan.transitions()
    }

    pub(crate) fn states(&self) -> impl Iterator<Item = StateName> {
        self.lan.nodes().iter().filter(|node| node.runs()).map(|node| node.state())
    }

    /// The nodes that are Active.
    pub(crate) fn active(&self) -> Vec<usize> {
        self.those(|node| self.lan.nodes()[node].state() == StateName::Active)
    }

    /// The nodes whose kernels have the addresses.
    pub(crate) fn owners(&self) -> Vec<usize> {
        self.those(|node| self.lan.owns(node, 0))
    }

    /// The nodes that run and are so.
    fn those(&self, are: impl Fn(usize) -> bool) -> Vec<usize> {
        let nodes = 0..self.lan.nodes().len();
        nodes.filter(|node| self.lan.nodes()[*node].runs() && are(*node)).collect()
    }

    /// The nodes that run and take part, the best first.
    pub(crate) fn candidates(&self) -> Vec<usize> {
        let active = self.active();
        let mut all = self.those(|node| self.lan.nodes()[node].takes_part());
        // Among those that cannot serve nobody moves: whoever has the addresses is the best.
        if all.iter().all(|node| !self.usable[*node]) {
            all.sort_by_key(|node| !active.contains(node));
            return all;
        }
        all.sort_by_key(|node| {
            let settings = self.lan.nodes()[*node].routers()[0].core().election().settings();
            // Where priorities are equal nobody moves either.
            std::cmp::Reverse((settings.priority, active.contains(node), settings.address))
        });
        all
    }

    pub(crate) fn anyone_defers(&self) -> bool {
        self.lan.nodes().iter().any(|node| {
            let state = node.routers()[0].core().election().state();
            matches!(state, State::Backup(Backup { defers: true, .. }))
        })
    }

    pub(crate) fn choices(&self) -> Vec<Choice> {
        let mut choices = vec![Choice::GoOn];
        if self.lan.in_flight().next().is_some() {
            choices.push(Choice::Lose);
        }
        for (number, node) in self.lan.nodes().iter().enumerate() {
            let unusable = Choice::Usable(number, !self.usable[number]);
            match (node.runs(), node.state()) {
                (false, _) | (true, StateName::Initialize) => choices.push(Choice::Boot(number)),
                (true, StateName::Active) => choices.extend([
                    Choice::Crash(number),
                    Choice::End(number),
                    Choice::HandOver(number),
                    unusable,
                ]),
                (true, StateName::Backup | StateName::Releasing) => {
                    choices.extend([Choice::Crash(number), unusable]);
                }
            }
        }
        choices
    }

    pub(crate) fn take(&mut self, choice: Choice) {
        let (at, before) = (self.lan.now(), self.story.take());
        self.story = Some(Rc::new(Line { at, choice, before }));
        match choice {
            Choice::GoOn => self.go_on(),
            Choice::Lose => self.lan.lose_next(),
            Choice::Crash(node) => self.lan.freeze(node),
            Choice::Boot(node) => self.lan.boot(node),
            Choice::End(node) => self.lan.stop(node),
            Choice::HandOver(node) => self.lan.hand_over(node),
            Choice::Usable(node, usable) => {
                self.usable[node] = usable;
                self.lan.health(node, &Name::try_from("api").unwrap(), usable);
            }
        }
    }

    /// What kernels do in between is no choice.
    fn go_on(&mut self) {
        while self.lan.step(Duration::MAX) == Some(Stepped::Other) {}
    }

    /// Without another fault or loss.
    pub(crate) fn go_on_until(&mut self, end: Duration) {
        self.lan.run_until(end, &mut |_| {});
    }

    pub(crate) fn story(&self) -> String {
        let mut lines = vec![];
        let mut next = &self.story;
        while let Some(line) = next {
            lines.push(format!("{} ms {:?}", line.at.as_millis(), line.choice));
            next = &line.before;
        }
        lines.reverse();
        lines.join("\n")
    }

    /// What tells two worlds apart: times relative to now.
    pub(crate) fn key(&self) -> Vec<i64> {
        let mut key = Vec::with_capacity(64);
        for (number, node) in self.lan.nodes().iter().enumerate() {
            let election = node.routers()[0].core().election();
            let owns = node.runs() && self.lan.owns(number, 0);
            let flags = [node.runs(), self.usable[number], owns];
            key.extend(flags.map(i64::from));
            key.push(i64::from(election.settings().priority.get()));
            self.add_state(election.state(), &mut key);
        }
        for (node, _, packet) in self.lan.in_flight() {
            let claim = match packet.advert.claim {
                Claim::Resign => 0,
                Claim::Lead(priority) => i64::from(priority.get()),
            };
            key.extend([i64::try_from(node).unwrap(), number(packet.advert.source), claim]);
        }
        key
    }

    fn add_state(&self, state: &State, key: &mut Vec<i64>) {
        match state {
            State::Initialize => key.push(0),
            State::Backup(backup) => {
                key.extend([1, self.relative(backup.active_down_at), i64::from(backup.defers)]);
                key.push(i64::from(self.lan.instant() >= backup.listen_until));
                key.push(backup.outranking_since.map_or(-1, |since| self.relative(since)));
                if let Some(following) = backup.following {
                    key.extend([number(following.source), i64::from(following.priority.get())]);
                }
            }
            State::Active(active) => {
                key.extend([2, self.relative(active.advertise_at)]);
                key.push(self.relative(active.advertised_at));
                key.push(active.answered_at.map_or(-1, |at| self.relative(at)));
            }
            State::Releasing { until, stays } => {
                key.extend([3, self.relative(*until), i64::from(*stays)]);
            }
        }
    }

    fn relative(&self, at: Instant) -> i64 {
        let now = self.lan.instant();
        let ahead = at.saturating_duration_since(now).as_nanos();
        let behind = now.saturating_duration_since(at).min(Duration::from_secs(4)).as_nanos();
        i64::try_from(ahead).unwrap() - i64::try_from(behind).unwrap()
    }
}

/// Which node speaks from this address.
fn number(source: IpAddr) -> i64 {
    (0..8).find(|node| address(*node) == source).map_or(-1, |node| i64::try_from(node).unwrap())
}
