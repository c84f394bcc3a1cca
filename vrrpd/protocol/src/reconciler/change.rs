//! Goes over to other resources by difference: what is there and stays is not touched.

use std::net::IpAddr;
use std::time::Instant;

use config::Lease;

use super::{Holding, KernelOp, ManagedAddress, Phase, Places, Plan, Reconciler, Report};

impl Reconciler {
    /// Goes over to `places`: routes of what leaves go first, then addresses, whose clients are reset
    /// before; then comes what is new, routes after addresses.
    pub(super) fn change(&mut self, places: Places, now: Instant, ops: &mut Vec<KernelOp>) {
        let plan = self.plan.clone();
        let before = match std::mem::take(&mut self.phase) {
            Phase::Held(holding) => Some(holding),
            Phase::Released | Phase::Yielding(..) | Phase::Resetting(_) => None,
        };
        let first = before.is_none();
        let nothing = || Box::new(Holding::nothing(plan.clone(), self.desired.announcements, now));
        let mut holding = before.unwrap_or_else(nothing);
        let left = places.left_over(&holding);
        let leaving = holding.routing.iter().filter(|routing| !places.routing.contains(routing));
        ops.extend(leaving.cloned().map(KernelOp::RemoveRouting));
        if !left.is_empty() {
            let ips: Vec<IpAddr> = left.iter().map(ManagedAddress::ip).collect();
            ops.push(KernelOp::ResetClients(ips.clone()));
            ops.push(KernelOp::DestroySockets(ips));
            self.remove_all(&left, ops);
            left.iter().for_each(|address| holding.announcing.remove(address));
        }
        self.remove_all(&places.unconnected(&holding), ops);
        let renew = holding.plan.lease != plan.lease || places.reconnect(&holding);
        holding.plan = plan;
        let sorted = places.sorted(&holding);
        if sorted.iter().any(|(_, new)| *new) {
            raise_macvlan(&holding.plan, ops);
        }
        for (address, _) in sorted.iter().filter(|(_, new)| *new) {
            self.add(&mut holding, address, now, ops);
        }
        holding.addresses = sorted.into_iter().map(|(address, _)| address).collect();
        if renew {
            self.renew_all(&mut holding, now, ops);
        }
        holding.routing_in_doubt = holding.routing != places.routing && !places.routing.is_empty();
        holding.routing = places.routing;
        if first {
            ops.push(KernelOp::Report(Report::Holds {
                addresses: holding.configured(),
                interface: holding.plan.interface.clone(),
                began: now,
            }));
        }
        ops.push(KernelOp::TellActive(holding.ips()));
        self.phase = Phase::Held(holding);
    }

    /// Adds an address and has it announced.
    pub(super) fn add(
        &self,
        holding: &mut Holding,
        address: &ManagedAddress,
        now: Instant,
        ops: &mut Vec<KernelOp>,
    ) {
        holding.announcing.add(address, now);
        if holding.plan.owner && self.is_there_from_others(address) {
            return;
        }
        if let Some(own) = address.own_source {
            ops.push(KernelOp::AddOwnSource(address.clone(), own));
        }
        if address.connects && address.ip().is_ipv4() {
            ops.push(KernelOp::PromoteSecondaries(address.config.interface.clone()));
        }
        self.put(&holding.plan, address, false, ops);
    }

    /// Adds an address with what it brings along, or renews it.
    pub(super) fn put(
        &self,
        plan: &Plan,
        address: &ManagedAddress,
        renewal: bool,
        ops: &mut Vec<KernelOp>,
    ) {
        ops.extend(self.give_source(plan, address));
        ops.push(KernelOp::PutAddress { address: address.clone(), lease: plan.lease, renewal });
    }

    /// Gives IPv6 clients of an address on this node the node's own as their source, for a lease.
    fn give_source(&self, plan: &Plan, address: &ManagedAddress) -> Option<KernelOp> {
        // Without a lease nothing would end it after our death.
        let (IpAddr::V6(ip), Lease::Seconds(seconds)) = (address.ip(), plan.lease) else {
            return None;
        };
        if !address.gives_source {
            return None;
        }
        // What bears a virtual MAC address has no address of the node's.
        let name = if address.bare { &plan.interface } else { &address.config.interface };
        let own = self.interfaces.named(name)?.own_source_v6_for(ip)?;
        Some(KernelOp::GiveSource { address: ip, index: address.index, own, seconds })
    }

    /// Removes addresses with what they brought along, but for an owner's that others put there.
    pub(super) fn remove_all(&self, addresses: &[ManagedAddress], ops: &mut Vec<KernelOp>) {
        let leaving: Vec<IpAddr> = addresses.iter().map(ManagedAddress::ip).collect();
        let stays = |a: &ManagedAddress| self.plan.owner && self.is_there_from_others(a);
        for address in addresses.iter().filter(|address| !stays(address)) {
            let shared = self.shares_subnet(address, &leaving);
            let own_source = address.own_source.filter(|_| !shared);
            ops.push(KernelOp::RemoveAddress { address: address.clone(), own_source });
            let IpAddr::V6(ip) = address.ip() else { continue };
            let index = address.index;
            if address.gives_source {
                ops.push(KernelOp::TakeSource { address: ip, index });
            }
            if address.connects && !shared {
                ops.push(KernelOp::Disconnect { address: address.config.address, index });
            }
        }
    }

    /// Whether one that stays is of its subnet: what makes it secondary, or connects it, does so for both.
    fn shares_subnet(&self, address: &ManagedAddress, leaving: &[IpAddr]) -> bool {
        let interface = self.interfaces.named(&address.config.interface);
        interface.is_some_and(|i| i.shares_subnet(address.config.address, leaving))
    }

    pub(super) fn is_there_from_others(&self, address: &ManagedAddress) -> bool {
        let interface = self.interfaces.named(&address.config.interface);
        interface.is_some_and(|interface| interface.has_from_others(address.ip()))
    }
}

/// Brings the interface of the virtual MAC address up, if there is one.
pub(super) fn raise_macvlan(plan: &Plan, ops: &mut Vec<KernelOp>) {
    ops.extend(plan.macvlan.clone().map(KernelOp::RaiseMacvlan));
}
