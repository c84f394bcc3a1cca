//! Lets go of everything, in this order: overlap, clients reset, routes, interface, addresses.

use std::time::Instant;

use super::{Holding, KernelOp, Phase, Reconciler, Report};
use crate::desired::{Ownership, RELIEF_HOLD};
use crate::election::Release;

impl Reconciler {
    /// The addresses are not wanted. Whoever is connected is reset first, for afterwards no packet leaves.
    pub(super) fn release(&mut self, release: Release, now: Instant, ops: &mut Vec<KernelOp>) {
        self.phase = match std::mem::take(&mut self.phase) {
            Phase::Held(holding) if release == Release::Relieved => {
                Phase::Yielding(holding, now + RELIEF_HOLD)
            }
            Phase::Yielding(holding, until) if now < until => Phase::Yielding(holding, until),
            Phase::Held(holding) | Phase::Yielding(holding, _) => {
                ops.push(KernelOp::ResetClients(holding.ips()));
                Phase::Resetting(holding)
            }
            phase @ (Phase::Released | Phase::Resetting(_)) => phase,
        };
    }

    /// The clients have been reset. The addresses leave, unless they are wanted again.
    pub(super) fn clients_reset(&mut self, now: Instant, ops: &mut Vec<KernelOp>) {
        let holding = match std::mem::take(&mut self.phase) {
            Phase::Resetting(holding) => holding,
            // They were those of addresses that a reload took away.
            phase @ (Phase::Released | Phase::Held(_) | Phase::Yielding(..)) => {
                self.phase = phase;
                return;
            }
        };
        if self.ownership() == Ownership::Hold {
            ops.push(KernelOp::TellActive(holding.ips()));
            self.phase = Phase::Held(holding);
            return;
        }
        self.let_go(&holding, now, ops);
        ops.push(KernelOp::Report(Report::Released(holding.configured())));
        if self.ends {
            self.remove_macvlan(ops);
        }
    }

    /// Removes everything; the proxies' clients have been reset, and others' are.
    pub(super) fn let_go(&mut self, holding: &Holding, now: Instant, ops: &mut Vec<KernelOp>) {
        ops.push(KernelOp::DestroySockets(holding.ips()));
        ops.extend(holding.routing.iter().cloned().map(KernelOp::RemoveRouting));
        // Before its addresses, for an interface that is up says goodbye to their multicast groups, from
        // a MAC address that is the peer's by now.
        let macvlan = holding.plan.macvlan.as_ref();
        ops.extend(macvlan.map(|macvlan| KernelOp::LowerMacvlan(macvlan.name.clone())));
        self.remove_all(&holding.addresses, ops);
        ops.push(KernelOp::TellBackup(holding.ips()));
        self.stale.released_at = Some(now);
    }

    /// The election has ended.
    pub(super) fn end(&mut self, ops: &mut Vec<KernelOp>) {
        self.ends = true;
        if matches!(self.phase, Phase::Released) {
            self.remove_macvlan(ops);
        }
    }

    /// Removes the interface of the virtual MAC address, if there is one: nobody needs it any more.
    fn remove_macvlan(&self, ops: &mut Vec<KernelOp>) {
        let macvlan = self.plan.macvlan.as_ref();
        ops.extend(macvlan.map(|macvlan| KernelOp::RemoveMacvlan(macvlan.name.clone())));
    }
}
