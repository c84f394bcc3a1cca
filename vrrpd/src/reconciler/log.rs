//! What the log takes of a router's addresses.

use std::fmt;
use std::time::Instant;

use process::throttle::{MINUTE, Throttle, Throttles};
use tracing::{info, warn};
use vocabulary::{RouterId, VirtualAddress};
use vrrp::reconciler::{Failure, Report, Worth};

use crate::io::culprit::Culprit;

/// Lines a minute about each kind of change, about all of them, and about what failed. The changes of state
/// that they come from are logged by themselves.
const EACH: u32 = 4;
const CHANGES: u32 = 20;
const FAILURES: u32 = 10;

/// Kinds of each.
const KINDS: usize = 16;

/// What the log takes of a router's addresses.
pub(super) struct Log {
    router: RouterId,
    changes: Throttles<&'static str>,
    failures: Throttles<Failure>,
}

impl Log {
    /// Of this router.
    pub(super) fn new(router: RouterId) -> Self {
        let changes = Throttles::new(Throttle::burst(EACH, MINUTE), KINDS, CHANGES);
        let failures = Throttles::new(Throttle::new(MINUTE), KINDS, FAILURES);
        Self { router, changes, failures }
    }

    /// Logs what is worth it.
    pub(super) fn take(&mut self, report: &Report, now: Instant) {
        let RouterId { name: router, family } = &self.router;
        if let Report::Failed(failure, error) = report {
            if let Some(times) = self.failures.take(*failure, now) {
                warn!(%router, %family, %error, times, "{}", consequence(*failure));
            }
            return;
        }
        let Some(times) = self.changes.take(kind(report), now) else { return };
        let left_out = (times > 1).then(|| times - 1);
        match report {
            Report::Holds { addresses, interface, began } => {
                let micros = now.saturating_duration_since(*began).as_micros();
                info!(%router, %family, %interface, addresses = %Listed(addresses), micros, left_out, "holds the addresses");
            }
            Report::Released(addresses) => {
                info!(%router, %family, addresses = %Listed(addresses), left_out, "released the addresses");
            }
            Report::Deleted { address, interface, index, by, worth } => {
                let by = Culprit::of(*by);
                if *worth == Worth::Warning {
                    let remedy = by.told(interface, *index);
                    warn!(%router, %family, %interface, %address, %by, remedy, left_out, "a virtual address is deleted again and again, and added again");
                } else {
                    info!(%router, %family, %interface, %address, %by, left_out, "a virtual address was deleted: adding it again");
                }
            }
            Report::MadeMacvlan(macvlan) => {
                let (interface, mac) = (&macvlan.name, macvlan.mac);
                info!(%router, %family, %interface, %mac, left_out, "made the interface for the virtual MAC address");
            }
            Report::AddedRouting(routing) => {
                info!(%router, %family, %routing, left_out, "added a route or rule");
            }
            Report::RemovedStale { address: stale, times: 1 } => {
                let (address, interface) = (stale.net, &stale.interface);
                info!(%router, %family, %interface, %address, left_out, "removed a virtual address that another program left here");
            }
            Report::RemovedStale { address: stale, times } => {
                let (address, interface) = (stale.net, &stale.interface);
                warn!(%router, %family, %interface, %address, times, left_out, "a virtual address comes back on a node that is not Active, and was removed again: look for the program that adds it");
            }
            Report::Stale(stale) => {
                let (address, interface) = (stale.net, &stale.interface);
                warn!(%router, %family, %interface, %address, left_out, "a virtual address is on this node, which is not Active: clients may reach either; it is not ours to remove: `ip address del` it, or look for the program that added it");
            }
            Report::Failed(..) => {}
        }
    }
}

/// What a throttle counts as one thing.
fn kind(report: &Report) -> &'static str {
    match report {
        Report::Holds { .. } => "holds",
        Report::Released(_) => "released",
        Report::Deleted { worth: Worth::Warning, .. } => "deleted again",
        Report::Deleted { .. } => "deleted",
        Report::MadeMacvlan(_) => "made",
        Report::AddedRouting(_) => "added",
        Report::RemovedStale { .. } => "removed stale",
        Report::Stale(_) => "stale",
        Report::Failed(..) => "failed",
    }
}

/// What follows from a failure.
fn consequence(failure: Failure) -> &'static str {
    match failure {
        Failure::Hold => "cannot hold an address: tries again every 100 ms",
        Failure::Renew => "cannot renew an address: tries again every 100 ms",
        Failure::Remove => "cannot remove an address: the kernel does when its lease ends",
        Failure::Source => {
            "cannot keep the virtual address from being the source of clients on this node"
        }
        Failure::SourceLeft => "cannot remove a local route: it expires",
        Failure::Secondaries => {
            "cannot set promote_secondaries: addresses that come to the network of a virtual one may go with it"
        }
        Failure::Connect => "cannot add the route to the network of an address",
        Failure::ConnectLeft => "cannot remove the route to the network of an address: it expires",
        Failure::NoMacvlan => {
            "Initialize: cannot make the interface for the virtual MAC address; tries again every second"
        }
        Failure::MacvlanDown => {
            "cannot bring the interface of the virtual MAC address up: tries again every 100 ms"
        }
        Failure::MacvlanUp => {
            "cannot bring the interface of the virtual MAC address down: it stays up, without an address"
        }
        Failure::MacvlanLeft => {
            "cannot remove the interface of the virtual MAC address: the next start does"
        }
        Failure::Stale => {
            "cannot remove a virtual address that another program left here: two nodes have it while another is Active"
        }
        Failure::Compare => "cannot compare the routes",
        Failure::Route => {
            "cannot add a route or rule: tries again whenever the interfaces change, and with pauses that grow to 30 s"
        }
        Failure::RouteLease => "cannot lease a route: were this daemon to die, it would stay",
        Failure::RouteLeft => "cannot remove a route or rule: the next start does",
        Failure::Announce => {
            "cannot announce the addresses: hosts may still look for them elsewhere"
        }
    }
}

/// Addresses with commas between.
struct Listed<'a>(&'a [VirtualAddress]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, address) in self.0.iter().enumerate() {
            let comma = if position == 0 { "" } else { "," };
            write!(f, "{comma}{address}")?;
        }
        Ok(())
    }
}
