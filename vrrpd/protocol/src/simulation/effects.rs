//! What the routers of a node have done for them, carried out.

use std::sync::Arc;
use std::time::Instant;

use super::lan::{Fed, Happening, Lan, Packet};
use super::node::{Node, Router};
use crate::election::{Received, group};
use crate::reconciler::Event;
use crate::router::{Effect, Input};
use crate::wire::Claim;

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
                Effect::Desire(_) => self.desire(node, router),
                Effect::Changed { transition, .. } => {
                    self.transitions += 1;
                    if let Some(tale) = &mut self.tale {
                        let now = self.now;
                        tale.push(format!("{now:?}: node {node}, router {router}: {transition:?}"));
                    }
                }
                Effect::Contested(_) | Effect::HandoverRefused { .. } => {}
            }
        }
    }

    /// After the time that the kernel takes, the latest counts.
    fn desire(&mut self, node: usize, router: usize) {
        let (after, start) = (self.conditions.kernel, self.nodes[node].start);
        if after.is_zero() {
            self.reconcile_desired(node, router);
        } else {
            self.schedule(after, Happening::Reconciles { node, router, start });
        }
    }

    /// A reconciler learns what is desired by now.
    pub(super) fn reconcile_desired(&mut self, node: usize, router: usize) {
        let desired = self.nodes[node].routers[router].core.desired();
        self.reconcile(node, router, Event::Desired(desired));
    }

    pub(super) fn reconcile(&mut self, node: usize, router: usize, event: Event) {
        let now = self.instant();
        let Node { routers, turns, .. } = &mut self.nodes[node];
        let Router { core, kernel, owned_until, reconcile_at, .. } = &mut routers[router];
        let kernel = Arc::make_mut(kernel);
        let announced = kernel.feed(event, core.desired(), now, Arc::make_mut(turns));
        *owned_until = kernel.owned_until(self.start);
        let deadline = kernel.deadline();
        *reconcile_at = deadline.map(|at| at.saturating_duration_since(self.start).max(self.now));
        if announced {
            self.announce(node, router);
        }
    }

    /// Clients that are reached learn where the addresses are.
    fn announce(&mut self, node: usize, router: usize) {
        if !self.nodes[node].plugged {
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
        let Router { core, place, .. } = &routers[router];
        let interval = core.config().advert_interval;
        let advert = Received { source: place.source, claim, interval };
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
