//! A random story of faults as a value: the same seed tells the same, and it can be made shorter.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use config::{Audience, Auth, Dialect, Lease, Preempt, RouterConfig};
use vocabulary::{AdvertInterval, Name, Priority};
use vrrp::election::{StateName, Version};
use vrrp::simulation::{Conditions, Lan, Member, Random, Way};

use super::promises::{Watch, is_whole};
use super::{address, nodes, sense, start, trackers};
use crate::template;

/// One thing that happens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Cut { from: usize, to: usize },
    CutFamily { from: usize, to: usize, family: usize },
    Part { node: usize, other: usize },
    Isolate { node: usize },
    Lose { permille: u64 },
    Disorder { permille: u64 },
    Delay { from: usize, to: usize, quarters: u32 },
    Freeze { node: usize },
    Thaw { node: usize },
    Boot { node: usize },
    Replace { node: usize, quarters: u32 },
    Plug { node: usize, plugged: bool },
    Health { node: usize, tracker: usize, usable: bool },
    Reload { node: usize, priority: u8, doubled: bool, preempt: Preempt },
    Stop { node: usize },
    HandOver { node: usize },
    Reclaim { node: usize },
    Heal,
}

/// What is disturbed by a step.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quiet {
    Kept,
    Disturbed,
}

/// A network and what happens to it.
#[derive(Clone)]
pub(crate) struct Story {
    seed: u64,
    version: Version,
    interval: AdvertInterval,
    /// IPv4 alone, or both in a sync group.
    families: usize,
    /// The node with the higher IPv4 address has the lower IPv6 address.
    crossed: bool,
    /// Priority and preemption of each node.
    nodes: Vec<(u8, Preempt)>,
    doubled: u64,
    proof: Duration,
    /// Each after a pause.
    steps: Vec<(Duration, Step)>,
}

const PRIORITIES: [u8; 7] = [1, 50, 100, 100, 150, 200, 254];

impl Story {
    pub(crate) fn random(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let interval = AdvertInterval::from_centiseconds(random.pick(&[1, 10, 100])).unwrap();
        let version = match interval.whole_seconds() {
            Some(_) if random.chance(500) => Version::V2,
            _ => Version::V3,
        };
        let families = if version == Version::V3 && random.chance(400) { 2 } else { 1 };
        let count = 2 + random.index(4);
        let uniform = preempt(&mut random, interval);
        let nodes = (0..count).map(|_| (random.pick(&PRIORITIES), uniform)).collect();
        let mut story = Self {
            seed,
            version,
            interval,
            families,
            crossed: random.chance(500),
            nodes,
            doubled: random.pick(&[0, 0, 50]),
            proof: interval.duration() * random.pick(&[0, 0, 1, 3]),
            steps: vec![],
        };
        for _ in 0..random.index(12) {
            let pause = random.between(story.handover() * 2, story.settle() * 2);
            let step = story.step(&mut random);
            story.steps.push((pause, step));
        }
        story
    }

    fn step(&self, random: &mut Random) -> Step {
        let count = self.nodes.len();
        let node = random.index(count);
        let other = (node + 1 + random.index(count - 1)) % count;
        match random.below(20) {
            0 => Step::Cut { from: node, to: other },
            1 => Step::CutFamily { from: node, to: other, family: random.index(self.families) },
            2 => Step::Part { node, other },
            3 => Step::Isolate { node },
            4 => Step::Lose { permille: random.below(400) },
            5 => Step::Disorder { permille: random.below(400) },
            6 => Step::Delay { from: node, to: other, quarters: 1 + random.pick(&[0, 2, 7]) },
            7 => Step::Freeze { node },
            8 => Step::Thaw { node },
            9 => Step::Boot { node },
            10 => Step::Replace { node, quarters: random.pick(&[0, 1, 4, 11, 20]) },
            11 => Step::Plug { node, plugged: random.chance(500) },
            12 | 13 => Step::Health { node, tracker: random.index(2), usable: random.chance(500) },
            14 | 15 => Step::Reload {
                node,
                priority: random.pick(&PRIORITIES),
                doubled: self.version == Version::V3 && random.chance(300),
                preempt: if random.chance(800) {
                    self.nodes[node].1
                } else {
                    preempt(random, self.interval)
                },
            },
            16 => Step::Stop { node },
            17 => Step::HandOver { node },
            18 => Step::Reclaim { node },
            _ => Step::Heal,
        }
    }

    /// How long the kernel keeps a dead node's addresses.
    fn lease(&self) -> NonZeroU32 {
        let millis = self.interval.duration().as_millis() * 2;
        NonZeroU32::try_from(u32::try_from(millis.div_ceil(250)).unwrap()).unwrap()
    }

    /// How long two nodes may have the addresses while one hands them to the other: the relief hold of
    /// 10 ms, the kernel, and the flight of a few adverts; twice, for one may follow on another's heels.
    fn handover(&self) -> Duration {
        Duration::from_millis(22) + self.interval.duration() / 10
    }

    /// A dead node's lease, then the down interval of who takes over, and a preemption's delay, at
    /// intervals that a reload may have doubled.
    fn settle(&self) -> Duration {
        Duration::from_secs(self.lease().get().into()) + self.interval.duration() * 12
    }

    /// Tells the story; returns the first promise that was broken.
    pub(crate) fn tell(&self) -> Result<(), String> {
        self.happen(&mut self.lan())
    }

    /// What the nodes did in this story.
    pub(crate) fn tale(&self) -> String {
        let mut lan = self.lan();
        lan.tale = Some(vec![]);
        // How it ends is known.
        self.happen(&mut lan).ok();
        lan.tale.unwrap_or_default().join("\n")
    }

    fn happen(&self, lan: &mut Lan) -> Result<(), String> {
        let mut watch = Watch::new(self.settle(), self.handover());
        for (pause, step) in &self.steps {
            lan.run_until(lan.now() + *pause, &mut |lan| watch.look(lan));
            if self.take(*step, lan) == Quiet::Disturbed {
                watch.quiet_since = lan.now();
            }
        }
        lan.run_until(lan.now() + self.handover() * 2, &mut |lan| watch.look(lan));
        lan.forget_the_gone();
        heal(lan);
        watch.quiet_since = lan.now();
        lan.run_until(lan.now() + self.settle(), &mut |lan| watch.look(lan));
        let transitions = lan.transitions();
        lan.run_until(lan.now() + self.settle(), &mut |lan| watch.look(lan));
        if lan.transitions() != transitions {
            watch.breaks(lan, "the addresses wander");
        }
        for family in 0..self.families {
            let owners: Vec<_> = nodes(lan).filter(|node| lan.owns(*node, family)).collect();
            if owners.len() != 1 || preempts(lan) && owners != [best(lan)] {
                watch.breaks(lan, &format!("owners are {owners:?}, the best is {}", best(lan)));
            }
            if let Some(lost) = nodes(lan).find(|node| !lan.finds(*node, family)) {
                watch.breaks(lan, &format!("a client beside {lost} looks in the wrong place"));
            }
        }
        watch.broken.map_or(Ok(()), Err)
    }

    fn lan(&self) -> Lan {
        let members = |node: usize| (0..self.families).map(|f| self.member(node, f)).collect();
        let late = self.interval.duration() / 50;
        let idle = Conditions::default();
        let conditions = Conditions {
            flight: (idle.flight.0, late),
            doubled: self.doubled,
            lateness: late,
            proof: self.proof,
            ..idle
        };
        let nodes = (0..self.nodes.len()).map(members).collect();
        let mut lan = Lan::new(nodes, conditions, self.seed, start());
        lan.examine(sense::examine);
        (0..self.nodes.len()).for_each(|node| lan.boot(node));
        lan
    }

    /// A node's router of a family: IPv4 is 0, IPv6 is 1.
    fn member(&self, node: usize, family: usize) -> Member {
        let (priority, preempt) = self.nodes[node];
        let source = |node: usize| match family {
            1 if self.crossed => address(self.nodes.len() - 1 - node, family),
            _ => address(node, family),
        };
        let sole_peer = self.nodes.len() == 2 && self.version == Version::V3;
        let grouped = self.families > 1;
        let mut config = RouterConfig {
            priority: Priority::try_from(priority).unwrap(),
            advert_interval: self.interval,
            preempt,
            lease: Lease::Seconds(self.lease()),
            sync_group: grouped.then(|| Name::try_from("both").unwrap()),
            decides_ties: family == 0,
            ..template(family)
        };
        if self.version == Version::V2 {
            config.dialect = Dialect::V2(Auth::None);
        }
        if sole_peer {
            config.audience = Audience::Peers(vec![source(1 - node)]);
        }
        Member { config, source: source(node) }
    }

    /// Lets one thing happen.
    fn take(&self, step: Step, lan: &mut Lan) -> Quiet {
        let quarter = self.interval.duration() / 4;
        match step {
            Step::Cut { from, to } => lan.cut(from, to, true),
            Step::CutFamily { from, to, family } => lan.ways[from][to].cut.push(family),
            Step::Part { node, other } => lan.connect(node, other, false),
            Step::Isolate { node } => {
                nodes(lan).for_each(|peer| lan.connect(node, peer, false));
            }
            Step::Lose { permille } => ways(lan).for_each(|way| way.loss = permille),
            Step::Disorder { permille } => ways(lan).for_each(|way| way.disorder = permille),
            Step::Delay { from, to, quarters } => lan.ways[from][to].delay = quarter * quarters,
            Step::Freeze { node } if lan.nodes()[node].runs() => lan.freeze(node),
            Step::Thaw { node } if !lan.nodes()[node].runs() => lan.thaw(node),
            Step::Replace { node, quarters } if lan.nodes()[node].runs() => {
                lan.replace(node, quarter * quarters);
            }
            Step::Plug { node, plugged } => lan.plug(node, plugged),
            Step::Boot { node } => return boot(lan, node),
            Step::Health { node, tracker, usable } => {
                lan.health(node, &trackers()[tracker], usable)
            }
            Step::Reload { node, priority, doubled, preempt } => {
                let times = if doubled { 2 } else { 1 };
                let interval = AdvertInterval::try_from(self.interval.duration() * times).unwrap();
                let priority = Priority::try_from(priority).unwrap();
                lan.reload(node, |config| {
                    (config.priority, config.preempt) = (priority, preempt);
                    config.advert_interval = interval;
                });
            }
            Step::Stop { node } if is_replaceable(lan, node) => lan.stop(node),
            Step::HandOver { node } => lan.hand_over(node),
            Step::Reclaim { node } => lan.reclaim(node),
            Step::Heal => heal(lan),
            Step::Freeze { .. } | Step::Thaw { .. } | Step::Replace { .. } | Step::Stop { .. } => {
                return Quiet::Kept;
            }
        }
        let gentle = matches!(
            step,
            Step::Health { .. }
                | Step::Reload { .. }
                | Step::Stop { .. }
                | Step::HandOver { .. }
                | Step::Reclaim { .. }
        );
        if gentle && is_whole(lan) { Quiet::Kept } else { Quiet::Disturbed }
    }

    /// The shortest story that is left of this one when steps are taken away that are not needed to
    /// break a promise, and how that breaks.
    pub(crate) fn shrink(mut self) -> Option<(Self, String)> {
        let mut broken = self.tell().err()?;
        let mut position = 0;
        while position < self.steps.len() {
            let mut shorter = self.clone();
            let (pause, _) = shorter.steps.remove(position);
            // What follows may need to come as late as it did.
            let mut as_late = shorter.clone();
            if let Some((next, _)) = as_late.steps.get_mut(position) {
                *next += pause;
            }
            let left =
                [shorter, as_late].into_iter().find_map(|story| Some((story.tell().err()?, story)));
            match left {
                Some(left) => (broken, self) = left,
                None => position += 1,
            }
        }
        Some((self, broken))
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, version, interval, families, crossed, nodes, doubled, proof, steps } =
            self;
        writeln!(
            f,
            "seed {seed}: {version:?} every {interval}, families {families} (crossed: {crossed}), nodes {nodes:?}"
        )?;
        writeln!(f, "doubled {doubled} permille, proof within {proof:?}")?;
        let mut at = Duration::ZERO;
        for (pause, step) in steps {
            at += *pause;
            writeln!(f, "{at:?}: {step:?}")?;
        }
        Ok(())
    }
}

fn preempt(random: &mut Random, interval: AdvertInterval) -> Preempt {
    match random.below(4) {
        0 => Preempt::Never,
        1 => Preempt::After(interval.duration() * 3),
        _ => Preempt::After(Duration::ZERO),
    }
}

fn ways(lan: &mut Lan) -> impl Iterator<Item = &mut Way> {
    lan.ways.iter_mut().flatten()
}

/// Starts a node anew, whether it runs, is frozen or has ended.
fn boot(lan: &mut Lan, node: usize) -> Quiet {
    let ended = lan.nodes()[node].runs() && lan.nodes()[node].is(StateName::Initialize);
    lan.boot(node);
    // Where nobody took part before, the first needs its time.
    let served = nodes(lan).any(|other| lan.owns(other, 0));
    if ended && served && is_whole(lan) { Quiet::Kept } else { Quiet::Disturbed }
}

/// Whether a node takes part, and another one watches it that can take over.
fn is_replaceable(lan: &Lan, node: usize) -> bool {
    let watches = |other: usize| {
        let all = lan.nodes()[other].is(StateName::Backup);
        other != node && lan.nodes()[other].runs() && lan.nodes()[other].is_plugged() && all
    };
    let serves = lan.nodes()[node].is(StateName::Active) || lan.nodes()[node].is(StateName::Backup);
    lan.nodes()[node].runs() && serves && nodes(lan).any(watches)
}

/// Everything is well again, and every operator's order carried out.
fn heal(lan: &mut Lan) {
    ways(lan).for_each(Way::heal);
    for node in nodes(lan) {
        lan.plug(node, true);
        if !lan.nodes()[node].runs() {
            lan.thaw(node);
        }
        if lan.nodes()[node].is_stopping() && lan.nodes()[node].is(StateName::Initialize) {
            lan.boot(node);
        }
        lan.reclaim(node);
    }
}

fn preempts(lan: &Lan) -> bool {
    lan.nodes().iter().all(|node| node.routers()[0].config().preempt != Preempt::Never)
}

/// The node that must win where everyone may preempt: the highest priority, and of equals the one
/// that has the addresses already.
fn best(lan: &Lan) -> usize {
    let key = |node: &usize| {
        let priority = lan.nodes()[*node].routers()[0].core().election().settings().priority;
        (priority, lan.owns(*node, 0), usize::MAX - *node)
    };
    // One that was ending at the last fault has ended since.
    let nodes = nodes(lan).filter(|node| lan.nodes()[*node].takes_part());
    nodes.max_by_key(key).unwrap()
}
