//! What the routers of a node have done for them, carried out.

use std::time::Instant;

use super::lan::{Fed, Happening, Lan, Packet};
use super::node::{Node, Router};
use crate::election::{Received, group};
use crate::router::{Effect, Input};
use crate::wire::Claim;
use crate::wish::Wish;

impl Lan {
    pub(super) fn command(&mut self, node: usize, input: &Input<'_>) {
        (0..self.routers()).for_each(|router| self.feed(node, router, input));
        self.settle(node);
    }

    pub(super) fn feed(&mut self, node: usize, router: usize, input: &Input<'_>) {
        let (now, examine) = (self.instant(), self.examine);
        let Self { nodes, broken, .. } = self;
        let effects = fed(&mut nodes[node].routers[router], input, now, examine, broken);
        self.carry_out(node, router, &effects);
    }

    /// Lets the routers of a sync group move together.
    pub(super) fn settle(&mut self, node: usize) {
        let mut moves = vec![];
        let (now, examine) = (self.instant(), self.examine);
        let Self { nodes, broken, .. } = self;
        group::settle(&mut nodes[node].routers, |router, event| {
            let effects = fed(router, &Input::Sibling(event), now, examine, broken);
            moves.push((router.position, effects));
        });
        for (router, effects) in moves {
            self.carry_out(node, router, &effects);
        }
    }

    fn carry_out(&mut self, node: usize, router: usize, effects: &[Effect]) {
        self.set_wake(node, router);
        for effect in effects {
            match effect {
                Effect::Advertise { claim, .. } => self.send(node, router, *claim),
                Effect::Desire(desired) => self.desire(node, router, *desired),
                Effect::Changed { transition, .. } => {
                    self.transitions += 1;
                    if let Some(tale) = &mut self.tale {
                        let now = self.now;
                        tale.push(format!("{now:?}: node {node}, router {router}: {transition:?}"));
                    }
                }
                Effect::HandoverRefused { .. } => {}
            }
        }
    }

    fn desire(&mut self, node: usize, router: usize, desired: Wish) {
        let kernel = &mut self.nodes[node].routers[router].kernel;
        if desired.announcements != kernel.desired.announcements {
            kernel.desired = desired;
            return self.announce(node, router);
        }
        let (owns, after) = kernel.desire(desired, self.conditions.kernel);
        let generation = kernel.generation;
        if after.is_zero() {
            self.owned(node, router, owns);
        } else {
            self.schedule(after, Happening::Owns { node, router, owns, generation });
        }
    }

    /// The kernel has the addresses now, or no more.
    pub(super) fn owned(&mut self, node: usize, router: usize, owns: bool) {
        if self.nodes[node].routers[router].kernel.change(owns) {
            self.announce(node, router);
        }
    }

    pub(super) fn announce(&mut self, node: usize, router: usize) {
        if self.nodes[node].routers[router].kernel.announce(self.now) {
            self.schedule_round(node, router, 0);
        }
    }

    pub(super) fn schedule_round(&mut self, node: usize, router: usize, round: usize) {
        let Node { routers, .. } = &self.nodes[node];
        let Router { kernel, config, .. } = &routers[router];
        let burst = kernel.burst;
        if let Some(at) = kernel.round(round, config, self.now).filter(|_| kernel.owns) {
            let happening = Happening::Announces { node, router, burst, round };
            self.schedule(at - self.now, happening);
        }
    }

    pub(super) fn announce_once(&mut self, node: usize, router: usize) {
        let Node { runs, plugged, routers, .. } = &self.nodes[node];
        if !(*runs && *plugged && routers[router].kernel.holds()) {
            return;
        }
        for client in 0..self.nodes.len() {
            if client == node || self.ways[node][client].carries(router) {
                self.nodes[client].believed[router] = Some(node);
            }
        }
    }

    fn send(&mut self, from: usize, router: usize, claim: Claim) {
        self.adverts += 1;
        let Node { routers, plugged, .. } = &self.nodes[from];
        if !*plugged {
            return;
        }
        let Router { core, source, .. } = &routers[router];
        let interval = core.config().advert_interval;
        let advert = Received { source: *source, claim, interval };
        let packet = Packet { advert, coverage: core.coverage() };
        for to in (0..self.nodes.len()).filter(|to| *to != from) {
            let way = &self.ways[from][to];
            if !way.carries(router) || self.random.chance(way.loss) {
                continue;
            }
            let times = if self.random.chance(self.conditions.doubled) { 2 } else { 1 };
            for _ in 0..times {
                let (least, most) = self.conditions.flight;
                let flight = self.random.between(least, most);
                let arrival = self.ways[from][to].carry(self.now, flight, &mut self.random);
                let arrives = Happening::Arrives { node: to, router, packet };
                self.schedule(arrival - self.now, arrives);
            }
        }
    }
}

/// Feeds a router, and has examined what it does.
fn fed(
    router: &mut Router,
    input: &Input<'_>,
    now: Instant,
    examine: fn(&Fed<'_>) -> Result<(), String>,
    broken: &mut Option<String>,
) -> Vec<Effect> {
    let before = router.core.desired();
    let effects = router.core.handle(input.clone(), now);
    let fed = Fed { before, core: &router.core, input, effects: &effects, now };
    if broken.is_none() {
        *broken = examine(&fed).err();
    }
    effects
}
