//! A router that is not Active has none of its addresses, on any interface of its node: what another
//! program left there is removed where it is ours to remove, and said where it is not.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use vocabulary::InterfaceName;

use super::{Failure, KernelOp, Phase, Plan, Reconciler, Report};
use crate::interfaces::{Configured, Interface, Interfaces};

/// So long after letting go, and for so long at least, an address with our tag has to be there before it
/// counts: the picture of the interfaces is a little late.
const SETTLED: Duration = Duration::from_secs(1);

/// One that comes back is removed after twice the last pause, up to this.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// The first of these pauses.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// One that stayed away for so long is forgotten.
const FORGOTTEN: Duration = Duration::from_mins(5);

/// An address of a router on a node where the router is not Active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaleAddress {
    /// The address, with the prefix that it has there.
    pub net: IpNet,
    /// Where it is.
    pub interface: InterfaceName,
    /// That interface's index.
    pub index: u32,
}

/// The addresses that are or were there. Bounded by the plan's addresses and the node's interfaces.
#[derive(Clone, Debug, Default)]
pub(super) struct StaleAddresses {
    known: BTreeMap<(u32, IpAddr), Known>,
    /// When the addresses were last let go of.
    pub(super) released_at: Option<Instant>,
}

#[derive(Clone, Debug)]
struct Known {
    address: StaleAddress,
    seen_at: Instant,
    present: bool,
    removable: bool,
    /// How often it was removed, or was tried to be.
    times: u32,
    /// When to remove it, if it is there.
    due: Instant,
    /// That it stays here was said.
    said: bool,
}

impl StaleAddresses {
    /// Those that are there.
    pub(super) fn present(&self) -> impl Iterator<Item = &StaleAddress> {
        self.known.values().filter(|known| known.present).map(|known| &known.address)
    }

    /// When the next is to be looked at.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let waits = |known: &&Known| known.present && (known.removable || !known.said);
        self.known.values().filter(waits).map(|known| known.due).min()
    }

    /// Takes in what is there now.
    fn update(&mut self, plan: &Plan, interfaces: &Interfaces, now: Instant) {
        self.known.retain(|_, known| known.present || now < known.seen_at + FORGOTTEN);
        let mut seen = BTreeSet::new();
        for ip in plan.managed.ips() {
            for (interface, found) in interfaces.that_have(ip) {
                seen.insert((interface.index, ip));
                self.found(plan, interfaces, interface, *found, now);
            }
        }
        let gone = self.known.iter_mut().filter(|(place, _)| !seen.contains(place));
        gone.for_each(|(_, known)| known.present = false);
    }

    fn found(
        &mut self,
        plan: &Plan,
        interfaces: &Interfaces,
        interface: &Interface,
        found: Configured,
        now: Instant,
    ) {
        let Ok(net) = IpNet::new(found.ip, found.prefix_len) else { return };
        let (name, index) = (interface.name.clone(), interface.index);
        let address = StaleAddress { net, interface: name, index };
        let settled = self.released_at.map_or(now, |at| at + SETTLED);
        let fresh = Known {
            address: address.clone(),
            seen_at: now,
            present: false,
            removable: false,
            times: 0,
            due: now,
            said: false,
        };
        let known = self.known.entry((index, found.ip)).or_insert(fresh);
        let appears = !std::mem::replace(&mut known.present, true);
        known.due = known.due.max(settled);
        if appears && found.ours {
            known.due = known.due.max(now + SETTLED);
        }
        let removable = is_removable(plan, interfaces, interface, &found);
        known.said &= !appears && known.removable == removable;
        (known.address, known.removable, known.seen_at) = (address, removable, now);
    }
}

impl Reconciler {
    /// Removes what is there without being wanted, and says what is to stay there.
    pub(super) fn remove_stale(&mut self, now: Instant, ops: &mut Vec<KernelOp>) {
        // An owner's addresses are the node's own.
        if !matches!(self.phase, Phase::Released) || self.plan.owner || self.ends {
            self.stale.known.clear();
            return;
        }
        self.stale.update(&self.plan, &self.interfaces, now);
        for known in self.stale.known.values_mut().filter(|known| known.present && now >= known.due)
        {
            if known.removable {
                let pause = SHORTEST_PAUSE * 2_u32.saturating_pow(known.times);
                known.times = known.times.saturating_add(1);
                known.due = now + pause.min(LONGEST_PAUSE);
                ops.push(KernelOp::RemoveStale(known.address.clone()));
            } else if !std::mem::replace(&mut known.said, true) {
                ops.push(KernelOp::Report(Report::Stale(known.address.clone())));
            }
        }
    }

    /// What came of removing one.
    pub(super) fn stale_removed(
        &mut self,
        address: StaleAddress,
        result: Result<(), String>,
        ops: &mut Vec<KernelOp>,
    ) {
        let Some(known) = self.stale.known.get_mut(&(address.index, address.net.addr())) else {
            return;
        };
        match result {
            Ok(()) => {
                let times = known.times;
                ops.push(KernelOp::Report(Report::RemovedStale { address, times }));
            }
            Err(error) if !std::mem::replace(&mut known.said, true) => {
                ops.push(KernelOp::Report(Report::Failed(Failure::Stale, error)));
            }
            Err(_) => {}
        }
    }
}

/// Whether an address is ours to remove: it bears our tag or keepalived's, or it is where this router would
/// have it and as it or keepalived would. What has a lifetime is DHCP's, and what is on another interface
/// or has other addresses depend on it has been put there by somebody who had a reason.
fn is_removable(
    plan: &Plan,
    interfaces: &Interfaces,
    interface: &Interface,
    found: &Configured,
) -> bool {
    if found.ours || found.by_keepalived {
        return true;
    }
    let wanted = plan.managed.addresses.iter().find(|config| config.address.ip() == found.ip);
    let Some(wanted) = wanted else { return false };
    let host = if found.ip.is_ipv4() { 32 } else { 128 };
    let as_configured = [host, wanted.address.prefix_len()].contains(&found.prefix_len);
    let speaks = interfaces.named(&plan.interface).map(|speaks| speaks.index);
    // keepalived has the addresses of a virtual MAC address on a macvlan, too.
    let here = interface.name == wanted.interface
        || Some(interface.index) == speaks
        || interface.upon.is_some() && interface.upon == speaks;
    let lone = !interface.carries_others(found);
    !interface.loopback && here && found.permanent && lone && (as_configured || found.secondary)
}
