//! What the log takes of a router's addresses.

use std::fmt;

use tracing::{info, warn};
use vocabulary::{RouterId, VirtualAddress};
use vrrp::reconciler::{Failure, Report, Worth};

use crate::clock::now;
use crate::io::culprit::Culprit;

/// Logs what is worth it.
pub(super) fn report(router: &RouterId, report: &Report) {
    match report {
        Report::Holds { addresses, interface, began } => {
            let micros = now().duration_since(*began).as_micros();
            info!(%router, addresses = %Listed(addresses), %interface, micros, "holds the addresses");
        }
        Report::Released(addresses) => {
            info!(%router, addresses = %Listed(addresses), "released the addresses");
        }
        Report::Deleted { address, interface, index, by, worth } => {
            let culprit = Culprit::of(*by);
            if *worth == Worth::Warning {
                let told = culprit.told(interface, *index);
                warn!(%router, %address, "a virtual address is deleted again and again, and added again: {told}");
            } else {
                info!(%router, %address, %interface, by = %culprit, "a virtual address was deleted: adding it again");
            }
        }
        Report::MadeMacvlan(macvlan) => {
            let (interface, mac) = (&macvlan.name, macvlan.mac);
            info!(%router, %interface, %mac, "made the interface for the virtual MAC address");
        }
        Report::AddedRouting(routing) => info!(%router, "added the {routing}"),
        Report::RemovedStale { address: stale, times: 1 } => {
            let (address, interface) = (stale.net, &stale.interface);
            info!(%router, %address, %interface, "removed a virtual address that another program left here");
        }
        Report::RemovedStale { address: stale, times } => {
            let (address, interface) = (stale.net, &stale.interface);
            warn!(%router, %address, %interface, times, "a virtual address comes back on a node that is not Active, and was removed again: look for the program that adds it");
        }
        Report::Stale(stale) => {
            let (address, interface) = (stale.net, &stale.interface);
            warn!(%router, %address, %interface, "a virtual address is on this node, which is not Active: clients may reach either; it is not ours to remove: `ip address del` it, or look for the program that added it");
        }
        Report::Failed(failure, error) => warn!(%router, %error, "{}", consequence(*failure)),
    }
}

/// What follows from a failure.
fn consequence(failure: Failure) -> &'static str {
    match failure {
        Failure::Hold => "cannot hold an address; trying again in 100ms",
        Failure::Renew => "cannot renew an address; trying again in 100ms",
        Failure::Remove => "cannot remove an address; the kernel does when its lease ends",
        Failure::Source => "clients on this node will have the virtual address as their source",
        Failure::SourceLeft => "cannot remove a local route; it expires",
        Failure::Secondaries => {
            "addresses that come to the network of a virtual one may go with it; set promote_secondaries"
        }
        Failure::Connect => "cannot have the route to the network of an address",
        Failure::ConnectLeft => "cannot remove the route to the network of an address; it expires",
        Failure::NoMacvlan => {
            "takes no part without an interface for its virtual MAC address; trying again every 1s"
        }
        Failure::MacvlanDown => "cannot answer for the addresses; trying again in 100ms",
        Failure::MacvlanUp => {
            "the interface of the virtual MAC address stays up, without an address"
        }
        Failure::MacvlanLeft => "the next start removes it",
        Failure::Stale => {
            "cannot remove a virtual address that another program left here: two nodes have it while another is Active"
        }
        Failure::Compare => "cannot compare the routes",
        Failure::Route => {
            "cannot have a route; trying again whenever the interfaces change, and with pauses that grow to 30s"
        }
        Failure::RouteLease => "cannot lease a route: were this daemon to die, it would stay",
        Failure::RouteLeft => "cannot remove a route; the next start does",
        Failure::Announce => {
            "cannot announce the addresses; hosts may still look for them elsewhere"
        }
    }
}

/// Addresses with commas between.
struct Listed<'a>(&'a [VirtualAddress]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, address) in self.0.iter().enumerate() {
            let comma = if position == 0 { "" } else { ", " };
            write!(f, "{comma}{address}")?;
        }
        Ok(())
    }
}
