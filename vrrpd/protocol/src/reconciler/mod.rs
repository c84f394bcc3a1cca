//! Reconciles what the kernel has with what the election wants: addresses, routes, rules and the interface
//! of a virtual MAC address. Values only: no socket, no clock, no log.
//!
//! ```text
//! what the election wants ─┐
//! plan, interfaces ────────┤  Reconciler::handle(event, now) ─► KernelOps ─► executor (or a simulation)
//! deletions, pulse, time ──┘        ▲                                             │
//!                                   └──────────── Event::Done(op, result) ◄───────┘
//! ```
//! The executor performs the operations of an event one after another. It feeds the result of each, but
//! of reports, before it performs the next; what that asks for comes first. Only then does it feed
//! another event, with one exception: [`KernelOp::ResetClients`] takes time, and before its result comes
//! the latest [`Event::Desired`], for the addresses stay if they are wanted again. [`Event::Tick`] is due
//! at [`Reconciler::deadline`], and after each event. A beat of the advert thread ([`Event::Pulse`]) only
//! notes the time: it is fed before the next event, or, if it is awaited
//! ([`Reconciler::awaits_pulse`]), with a tick.

mod announcing;
mod burst;
mod change;
mod deletions;
mod holding;
mod lease;
mod macvlan;
mod op;
mod outcome;
mod place;
mod plan;
mod release;
mod resources;
mod stale;
mod turns;

use std::sync::Arc;
use std::time::{Duration, Instant};

use vocabulary::RouterId;

pub use self::burst::Schedule;
use self::deletions::Deletions;
pub use self::deletions::Worth;
use self::holding::Holding;
use self::macvlan::MacvlanState;
pub use self::op::{Done, Event, Failure, KernelOp, Report};
use self::place::Places;
pub use self::place::placed_routing;
pub use self::resources::{Macvlan, ManagedAddress, Plan, Routing};
pub use self::stale::StaleAddress;
use self::stale::StaleAddresses;
pub use self::turns::Turns;
use crate::desired::{DesiredState, Ownership};
use crate::election::Release;
use crate::interfaces::Interfaces;

/// How soon a failed change is tried again.
const RETRY: Duration = Duration::from_millis(100);

/// One router's managed resources.
#[derive(Clone, Debug)]
pub struct Reconciler {
    router: RouterId,
    plan: Plan,
    interfaces: Arc<Interfaces>,
    desired: DesiredState,
    /// When the advert thread was last alive.
    pulse: Instant,
    phase: Phase,
    macvlan: MacvlanState,
    deletions: Deletions,
    stale: StaleAddresses,
    /// Plan or interfaces changed since they were last compared with what is held.
    compare: bool,
    /// The election has ended.
    ends: bool,
}

/// What became of the addresses.
#[derive(Clone, Debug, Default)]
enum Phase {
    /// None is here.
    #[default]
    Released,
    /// They are here.
    Held(Box<Holding>),
    /// A peer was heard that has them; they stay until then, so that no packet comes to nobody.
    Yielding(Box<Holding>, Instant),
    /// They are here, and their clients are being reset.
    Resetting(Box<Holding>),
}

impl Reconciler {
    /// A reconciler that holds nothing yet.
    #[must_use]
    pub fn new(
        router: RouterId,
        plan: Plan,
        interfaces: Arc<Interfaces>,
        desired: DesiredState,
        now: Instant,
    ) -> Self {
        let (macvlan, deletions) = (MacvlanState::default(), Deletions::default());
        let phase = Phase::Released;
        Self {
            router,
            plan,
            interfaces,
            desired,
            pulse: now,
            phase,
            macvlan,
            deletions,
            stale: StaleAddresses::default(),
            compare: true,
            ends: false,
        }
    }

    /// Feeds one event; returns what to do about it, in order. `turns` is shared by a node's routers.
    #[must_use]
    pub fn handle(&mut self, event: Event, now: Instant, turns: &mut Turns) -> Vec<KernelOp> {
        let mut ops = Vec::new();
        match event {
            Event::Desired(desired) => self.desired = desired,
            Event::Plan(plan) => {
                self.plan = *plan;
                self.compare = true;
                self.doubt_macvlan();
            }
            Event::Interfaces(interfaces) => {
                self.interfaces = interfaces;
                self.compare = true;
                self.doubt_routing();
                self.doubt_macvlan();
                self.raise_again(now, &mut ops);
            }
            Event::AddressGone { index, ip, by } => self.address_gone(index, ip, by, now, &mut ops),
            Event::RoutingGone => self.doubt_routing(),
            Event::AnythingGone => self.anything_gone(now),
            Event::Pulse(at) => {
                self.pulse = at;
                return ops;
            }
            Event::Done(op, result) => {
                self.done(*op, result, now, &mut ops);
                return ops;
            }
            Event::Tick => {}
            Event::End => self.end(&mut ops),
        }
        self.advance(now, turns, &mut ops);
        ops
    }

    /// The next instant at which [`Event::Tick`] has work to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let phase = match &self.phase {
            Phase::Released => self.stale.deadline(),
            Phase::Resetting(_) => None,
            Phase::Yielding(_, until) => Some(*until),
            Phase::Held(holding) => {
                let renew_at = holding.renew_at().filter(|_| !holding.starved);
                let (announce_at, retry_at) = (holding.announcing.next(), holding.retry_at);
                let all = [announce_at, retry_at, holding.routing_retry, renew_at];
                all.into_iter().flatten().min()
            }
        };
        let macvlan = self.macvlan.retry_at.filter(|_| !self.ends);
        [phase, macvlan].into_iter().flatten().min()
    }

    /// Whether leases are overdue because the advert thread hangs: its first beat counts.
    #[must_use]
    pub fn awaits_pulse(&self) -> bool {
        matches!(&self.phase, Phase::Held(holding) if holding.starved)
    }

    /// Whether the election has ended and everything is removed.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ends && matches!(self.phase, Phase::Released)
    }

    /// How often others deleted an address.
    #[must_use]
    pub fn deletions(&self) -> u64 {
        self.deletions.total()
    }

    /// The routes and rules that the kernel refuses, and why.
    pub fn refused_routing(&self) -> impl Iterator<Item = (&String, &String)> {
        self.holding().into_iter().flat_map(|holding| &holding.refused_routing)
    }

    /// The addresses that are on this node although the router is not Active here.
    #[must_use]
    pub fn stale(&self) -> Vec<StaleAddress> {
        self.stale.present().cloned().collect()
    }

    /// When the kernel deletes the addresses, were nobody to renew their leases.
    #[must_use]
    pub fn lease_ends(&self) -> Option<Instant> {
        self.holding().and_then(Holding::lease_ends)
    }

    /// What is wanted now.
    fn ownership(&self) -> Ownership {
        if self.ends { Ownership::Release(Release::AtOnce) } else { self.desired.ownership }
    }

    fn holding(&self) -> Option<&Holding> {
        match &self.phase {
            Phase::Released => None,
            Phase::Held(h) | Phase::Yielding(h, _) | Phase::Resetting(h) => Some(h),
        }
    }

    fn holding_mut(&mut self) -> Option<&mut Holding> {
        match &mut self.phase {
            Phase::Released => None,
            Phase::Held(h) | Phase::Yielding(h, _) | Phase::Resetting(h) => Some(h),
        }
    }

    /// Does what is due.
    fn advance(&mut self, now: Instant, turns: &mut Turns, ops: &mut Vec<KernelOp>) {
        if !self.ends {
            self.ensure_macvlan(now, ops);
        }
        match self.ownership() {
            Ownership::Hold => self.hold(now, turns, ops),
            Ownership::Release(release) => self.release(release, now, ops),
        }
        self.remove_stale(now, ops);
    }

    fn hold(&mut self, now: Instant, turns: &mut Turns, ops: &mut Vec<KernelOp>) {
        self.phase = match std::mem::take(&mut self.phase) {
            Phase::Yielding(holding, _) => Phase::Held(holding),
            // That is decided once their clients have been reset.
            phase @ Phase::Resetting(_) => {
                self.phase = phase;
                return;
            }
            phase @ (Phase::Released | Phase::Held(_)) => phase,
        };
        if self.compare || matches!(self.phase, Phase::Released) {
            self.compare(now, ops);
        }
        self.renew(now, ops);
        self.correct_routing(ops);
        // What is announced is there: with the next tick, if something has to be done before.
        if ops.is_empty() {
            self.announce(now, turns, ops);
        }
    }

    /// Compares what is held with what is wanted.
    fn compare(&mut self, now: Instant, ops: &mut Vec<KernelOp>) {
        self.compare = false;
        let interfaces = Arc::clone(&self.interfaces);
        if interfaces.named(&self.plan.interface).is_none() {
            // The interface is gone, and with it all that it had.
            if let Phase::Held(holding) = std::mem::take(&mut self.phase) {
                self.let_go(&holding, now, ops);
            }
            return;
        }
        let places = Places::of(&self.plan, &interfaces);
        let fits = self.holding().is_some_and(|h| h.plan == self.plan && places.fit(h));
        if !fits {
            self.change(places, now, ops);
        }
    }

    /// Adds the routes and rules that are not there; writes nothing if all are.
    fn correct_routing(&mut self, ops: &mut Vec<KernelOp>) {
        let Phase::Held(holding) = &mut self.phase else { return };
        if std::mem::take(&mut holding.routing_in_doubt) {
            ops.push(KernelOp::CompareRouting(holding.routing.clone()));
        }
    }

    /// Sends the frames that are due.
    fn announce(&mut self, now: Instant, turns: &mut Turns, ops: &mut Vec<KernelOp>) {
        let Phase::Held(holding) = &mut self.phase else { return };
        let Holding { announcing, addresses, plan, .. } = &mut **holding;
        let (asked, router) = (self.desired.announcements, &self.router);
        let due = announcing.due(addresses, &plan.schedule, asked, router, now, turns);
        if !due.is_empty() {
            ops.push(KernelOp::Announce(due));
        }
    }
}

#[cfg(test)]
mod tests;
