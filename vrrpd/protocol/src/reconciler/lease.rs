//! Renews leases as long as the advert thread is alive, and adds again what is missing.

use std::net::IpAddr;
use std::time::Instant;

use super::change::raise_macvlan;
use super::deletions::Worth;
use super::{Holding, KernelOp, ManagedAddress, Phase, Reconciler, Report};

impl Reconciler {
    /// Adds what is missing, if it is time; starts the leases anew, if it is time and the advert thread
    /// is alive: a daemon that no longer advertises is to lose its addresses.
    pub(super) fn renew(&mut self, now: Instant, ops: &mut Vec<KernelOp>) {
        let mut holding = match std::mem::take(&mut self.phase) {
            Phase::Held(holding) => holding,
            phase @ (Phase::Released | Phase::Yielding(..) | Phase::Resetting(_)) => {
                self.phase = phase;
                return;
            }
        };
        if holding.retry_at.is_some_and(|at| now >= at) {
            self.try_again(&mut holding, now, ops);
        }
        if holding.routing_retry.is_some_and(|at| now >= at) {
            holding.routing_retry = None;
            holding.routing_in_doubt = true;
        }
        if let Some(pause) = holding.renewal_pause() {
            let due = now >= holding.renewed_at + pause;
            // A pulse that is older than a renewal's pause is of a thread that hangs.
            let alive = now.saturating_duration_since(self.pulse) < pause;
            holding.starved = due && !alive;
            if alive && due {
                self.renew_all(&mut holding, now, ops);
            }
        }
        self.phase = Phase::Held(holding);
    }

    fn try_again(&self, holding: &mut Holding, now: Instant, ops: &mut Vec<KernelOp>) {
        holding.retry_at = None;
        raise_macvlan(&holding.plan, ops);
        let missing = std::mem::take(&mut holding.missing);
        let again: Vec<ManagedAddress> =
            holding.addresses.iter().filter(|a| missing.contains(&a.ip())).cloned().collect();
        for address in &again {
            self.add(holding, address, now, ops);
        }
        holding.routing_in_doubt = !holding.routing.is_empty();
    }

    /// Starts every lease anew.
    pub(super) fn renew_all(&self, holding: &mut Holding, now: Instant, ops: &mut Vec<KernelOp>) {
        holding.renewed_at = now;
        for address in &holding.addresses {
            if !(holding.plan.owner && self.is_there_from_others(address)) {
                self.put(&holding.plan, address, true, ops);
            }
        }
        ops.extend(holding.leased_routing());
    }

    /// An address was deleted; whether it was ours is to be seen.
    pub(super) fn address_gone(
        &mut self,
        index: u32,
        ip: IpAddr,
        by: u32,
        now: Instant,
        ops: &mut Vec<KernelOp>,
    ) {
        let ours = |address: &&ManagedAddress| address.index == index && address.ip() == ip;
        let Some(holding) = self.holding() else { return };
        let Some(found) = holding.addresses.iter().find(ours) else { return };
        let interface = found.config.interface.clone();
        if self.interfaces.named(&interface).is_some_and(|there| there.has(ip)) {
            return;
        }
        // The kernel's own is no accident: a lease ended, or an interface went down.
        let worth = if by == 0 { Worth::Note } else { self.deletions.noticed(now) };
        if worth != Worth::Nothing {
            let address = ip;
            ops.push(KernelOp::Report(Report::Deleted { address, interface, index, by, worth }));
        }
        if let Some(holding) = self.holding_mut() {
            holding.missing.insert(ip);
            holding.retry_at = Some(now);
        }
        // The kernel drops routes along with an address, and does not tell.
        self.doubt_routing();
    }

    /// Everything may have been deleted.
    pub(super) fn anything_gone(&mut self, now: Instant) {
        if let Some(holding) = self.holding_mut() {
            holding.missing = holding.addresses.iter().map(ManagedAddress::ip).collect();
            holding.retry_at = Some(now);
        }
        self.doubt_routing();
    }

    /// From now on routes and rules are compared before they are believed in.
    pub(super) fn doubt_routing(&mut self) {
        if let Some(holding) = self.holding_mut() {
            holding.routing_in_doubt = !holding.routing.is_empty();
        }
    }
}
