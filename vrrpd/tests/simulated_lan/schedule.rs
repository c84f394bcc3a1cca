//! A random schedule of faults, and what must hold whatever it was.
//!
//! Promises: in every quiet time (no fault for as long as the addresses need to settle) some node has
//! the addresses, and two have them only for the moment of a make-before-break. A changed priority, a
//! planned stop and a start are no faults: they disturb no quiet. After the last fault the best node
//! has the addresses, and keeps them.

use std::time::Duration;

use shared::config::Preempt;
use shared::{AdvertInterval, Priority};
use vrrpd::election::{Event, Settings, StateName, Version};

use crate::lan::{Lan, address};
use crate::random::Random;

/// How long two nodes may have the addresses while one hands them to the other: the relief hold of
/// 10 ms, the kernel, and the flight of a few adverts; twice, for one may follow on another's heels.
fn handover(interval: AdvertInterval) -> Duration {
    Duration::from_millis(22) + interval.duration() / 10
}

pub(crate) fn run(seed: u64) {
    let mut random = Random::new(seed);
    let interval = [1, 10, 100][random.index(3)];
    let interval = AdvertInterval::from_centiseconds(interval).unwrap();
    let lease =
        Duration::from_secs(interval.duration().as_millis().div_ceil(250).try_into().unwrap());
    let settings = settings(&mut random, interval);
    let preempts = settings[0].preempt != Preempt::Never;
    let mut lan = Lan::new(settings, lease, random.next());
    lan.lateness = interval.duration() / 50;
    lan.delay.1 = interval.duration() / 50;
    (0..lan.nodes.len()).for_each(|node| lan.boot(node));

    // A dead node's lease, then the down interval of who takes over, each with room to spare.
    let settle = lease + interval.duration() * 6;
    let handover = handover(interval);
    let mut watch =
        Watch { seed, settle, handover, quiet_since: Duration::ZERO, several_since: None };
    for _ in 0..random.index(12) {
        if happen(&mut lan, &mut random) == Quiet::Disturbed {
            watch.quiet_since = lan.now();
        }
        // One handover ends before the next begins.
        let pause = random.between(handover * 2, settle * 2);
        lan.run_until(lan.now() + pause, &mut |lan| watch.look(lan));
    }
    heal(&mut lan);
    watch.quiet_since = lan.now();
    lan.run_until(lan.now() + settle, &mut |lan| watch.look(lan));
    let owner = lan.owners();
    lan.run_until(lan.now() + settle, &mut |lan| {
        watch.look(lan);
        assert_eq!(lan.owners(), owner, "seed {seed}: the addresses wander");
    });
    if preempts {
        assert_eq!(owner, [best(&lan)], "seed {seed}: not the best node");
    }
}

struct Watch {
    seed: u64,
    settle: Duration,
    handover: Duration,
    quiet_since: Duration,
    several_since: Option<Duration>,
}

impl Watch {
    fn look(&mut self, lan: &Lan) {
        let (seed, now, owners) = (self.seed, lan.now(), lan.owners());
        if owners.len() < 2 {
            self.several_since = None;
        } else {
            self.several_since.get_or_insert(now);
        }
        // While ways are cut or lossy there may be any number of owners.
        if !is_whole(lan) || now < self.quiet_since + self.settle {
            return;
        }
        assert!(!owners.is_empty(), "seed {seed}, {now:?}: nobody has the addresses");
        let several = self.several_since.map_or(Duration::ZERO, |since| now - since);
        assert!(several <= self.handover, "seed {seed}, {now:?}: {owners:?} for {several:?}");
    }
}

fn settings(random: &mut Random, interval: AdvertInterval) -> Vec<Settings> {
    let preempt = match random.below(4) {
        0 => Preempt::Never,
        1 => Preempt::After(interval.duration() * 3),
        _ => Preempt::After(Duration::ZERO),
    };
    let version = match interval.whole_seconds() {
        Some(_) if random.below(2) == 0 => Version::V2,
        _ => Version::V3,
    };
    let count = 2 + random.index(3);
    let priority = |random: &mut Random| {
        // Equal priorities now and then.
        let number = [1_u8, 50, 100, 100, 150, 200, 254][random.index(7)];
        Priority::try_from(number).unwrap()
    };
    (0..count)
        .map(|node| Settings {
            version,
            priority: priority(random),
            interval,
            preempt,
            sole_peer: count == 2 && version == Version::V3,
            grouped: false,
            address: address(node),
        })
        .collect()
}

#[derive(PartialEq)]
enum Quiet {
    Kept,
    Disturbed,
}

/// Lets one thing happen.
fn happen(lan: &mut Lan, random: &mut Random) -> Quiet {
    let count = lan.nodes.len();
    let (node, other) = (random.index(count), random.index(count));
    match random.below(10) {
        0 if node != other => lan.connect(node, other, false),
        1 if node != other => lan.ways[node][other].up = false,
        2 => (0..count).for_each(|peer| lan.connect(node, peer, false)),
        3 => {
            let loss = random.below(400);
            lan.ways.iter_mut().flatten().for_each(|way| way.loss = loss);
        }
        4 => lan.freeze(node),
        5 => revive(lan, node, random),
        6 if lan.nodes[node].runs => lan.boot(node),
        7 if lan.nodes[node].runs => {
            let number = [1_u8, 100, 150][random.index(3)];
            lan.tell(node, Event::PriorityChanged(Priority::try_from(number).unwrap()));
            return Quiet::Kept;
        }
        8 => return stop_or_start(lan, node),
        _ => heal(lan),
    }
    Quiet::Disturbed
}

/// Stops a node in order if another can take over, or starts one that ended.
fn stop_or_start(lan: &mut Lan, node: usize) -> Quiet {
    let watching = |other: usize| lan.nodes[other].runs && lan.state(other) == StateName::Backup;
    let relieved = (0..lan.nodes.len()).any(|other| other != node && watching(other));
    if lan.nodes[node].runs && lan.state(node) == StateName::Initialize {
        lan.boot(node);
        // Where nobody took part before, the first needs its time.
        return if lan.owners().is_empty() { Quiet::Disturbed } else { Quiet::Kept };
    } else if lan.nodes[node].runs && relieved && lan.state(node) != StateName::Releasing {
        lan.tell(node, Event::Shutdown);
    }
    Quiet::Kept
}

/// A stopped node goes on, or starts afresh.
fn revive(lan: &mut Lan, node: usize, random: &mut Random) {
    if lan.nodes[node].runs {
        return;
    }
    if random.below(2) == 0 { lan.thaw(node) } else { lan.boot(node) }
}

fn heal(lan: &mut Lan) {
    lan.ways.iter_mut().flatten().for_each(|way| (way.up, way.loss) = (true, 0));
    for node in 0..lan.nodes.len() {
        if !lan.nodes[node].runs {
            lan.thaw(node);
        }
        if lan.state(node) == StateName::Initialize {
            lan.boot(node);
        }
    }
}

/// Whether everyone hears everyone, and anyone takes part.
fn is_whole(lan: &Lan) -> bool {
    let takes_part = |node: usize| lan.nodes[node].runs && lan.state(node) != StateName::Initialize;
    let connected = lan.ways.iter().flatten().all(|way| way.up && way.loss == 0);
    connected && (0..lan.nodes.len()).any(takes_part)
}

/// The node that must win where everyone may preempt: the highest priority, and of equals the one
/// that has the addresses already.
fn best(lan: &Lan) -> usize {
    let priority = |node: &usize| lan.nodes[*node].election.settings().priority;
    // One that was ending at the last fault has ended since.
    let nodes = (0..lan.nodes.len()).filter(|node| lan.state(*node) != StateName::Initialize);
    let highest = nodes.clone().map(|node| priority(&node)).max().unwrap();
    let owners = lan.owners();
    let mut equals = nodes.filter(|node| priority(node) == highest);
    let first = equals.clone().next().unwrap();
    equals.find(|node| owners.contains(node)).unwrap_or(first)
}
