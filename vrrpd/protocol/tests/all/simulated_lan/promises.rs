//! What must hold whatever happens.
//!
//! A *quiet time* is one in which nothing was disturbed for as long as addresses need to settle. A
//! changed priority, a reload, a planned stop, a handover and a start are no disturbance while every
//! node hears every other. Then:
//!
//! * who takes part has the addresses, or hears somebody who has;
//! * two nodes that hear each other have them at once only for the moment of a make-before-break.
//!
//! While ways are lossy, slow or out of order nothing is promised but that what a router does makes
//! sense ([`sense`](super::sense)); cuts excuse only those they deafen.

use std::time::Duration;

use vrrp::simulation::{Lan, Way};

const NODES: usize = 5;

/// Sees that promises are kept.
pub(crate) struct Watch {
    pub(crate) settle: Duration,
    pub(crate) handover: Duration,
    pub(crate) quiet_since: Duration,
    /// Since when two nodes have the same addresses.
    both_since: [[Option<Duration>; NODES]; NODES],
    /// The first promise that was broken.
    pub(crate) broken: Option<String>,
}

impl Watch {
    pub(crate) fn new(settle: Duration, handover: Duration) -> Self {
        let both_since = [[None; NODES]; NODES];
        Self { settle, handover, quiet_since: Duration::ZERO, both_since, broken: None }
    }

    pub(crate) fn look(&mut self, lan: &Lan) {
        let quiet = lan.now() >= self.quiet_since + self.settle && !is_rough(lan);
        if let Some(broken) = lan.broken() {
            self.breaks(lan, broken);
        }
        let mut held = [[false; 2]; NODES];
        for node in 0..lan.nodes().len() {
            for (family, held) in held[node].iter_mut().enumerate().take(lan.routers()) {
                *held = lan.owns(node, family);
            }
            for other in 0..node {
                let both = held[node].iter().zip(held[other]).any(|(ours, theirs)| *ours && theirs);
                self.compare(lan, node, other, both, quiet);
            }
            if quiet && lan.nodes()[node].takes_part() && !is_served(lan, node) {
                self.breaks(lan, &format!("node {node} has not the addresses, and hears nobody"));
            }
        }
    }

    fn compare(&mut self, lan: &Lan, node: usize, other: usize, both: bool, quiet: bool) {
        let since = &mut self.both_since[node][other];
        if !both {
            *since = None;
            return;
        }
        let lasted = lan.now() - *since.get_or_insert(lan.now());
        if quiet && lasted > self.handover && hear_each_other(lan, node, other) {
            self.breaks(
                lan,
                &format!("nodes {other} and {node} have the addresses for {lasted:?}"),
            );
        }
    }

    pub(crate) fn breaks(&mut self, lan: &Lan, promise: &str) {
        let now = lan.now();
        self.broken.get_or_insert_with(|| format!("{now:?}: {promise}"));
    }
}

pub(crate) fn is_rough(lan: &Lan) -> bool {
    lan.ways.iter().flatten().any(Way::is_rough)
}

/// Whether everyone hears everyone.
pub(crate) fn is_whole(lan: &Lan) -> bool {
    !is_rough(lan) && lan.ways.iter().flatten().all(|way| way.cut.is_empty())
}

/// Whether two nodes run and hear each other in some family.
fn hear_each_other(lan: &Lan, node: usize, other: usize) -> bool {
    let there = |node: usize| lan.nodes()[node].runs() && lan.nodes()[node].is_plugged();
    let connected = |family: usize| {
        lan.ways[node][other].carries(family) && lan.ways[other][node].carries(family)
    };
    there(node) && there(other) && (0..lan.routers()).any(connected)
}

/// Whether a node has the addresses, or hears in some family somebody who has.
fn is_served(lan: &Lan, node: usize) -> bool {
    let mut families = 0..lan.routers();
    let hears = |other: usize, family: usize| {
        other != node
            && lan.ways[other][node].carries(family)
            && lan.nodes()[other].is_plugged()
            && lan.owns(other, family)
    };
    families.clone().all(|family| lan.owns(node, family))
        || families.any(|family| (0..lan.nodes().len()).any(|other| hears(other, family)))
}
