//! Virtual addresses that stand where only a node's own can: they are on one node now, on another later.

use std::net::IpAddr;

use super::known::{Known, elements, parsed};
use crate::check::Check;
use crate::code::Code;
use crate::raw::{RawFile, RawRouter};
use crate::spanned::Spanned;

/// Looks at sources, peers, gateways and next routers.
pub(super) fn look(file: &RawFile, known: &Known, check: &mut Check<'_>) {
    taken(file, known, check);
    for router in file.vrrp.iter().map(Spanned::get_ref) {
        source(router, known, check);
        peers(router, known, check);
        next_routers(router, known, check);
    }
    gateways(file, known, check);
    for server in file.proxy.iter().flat_map(|proxy| &proxy.get_ref().server) {
        let source = &server.get_ref().source;
        let Some((given, ip)) = source.as_ref().zip(parsed(source)) else { continue };
        if known.virtual_not_owned(ip).is_some() {
            let title = format!("connections to this server come from {ip}, a virtual address");
            let help = "while another node has it, answers go there: the checks of a Backup fail; write an address of this node's own, or leave `source` out";
            check.problems.tell(Code::VirtualSource, given.span(), title, help);
        }
    }
}

/// An address is one router's; link-local ones are of a link.
fn taken(file: &RawFile, known: &Known, check: &mut Check<'_>) {
    let interface = |table: usize| {
        let raw = file.vrrp[table].get_ref();
        raw.interface.as_ref().map(Spanned::get_ref)
    };
    for (position, this) in known.virtuals.iter().enumerate() {
        let same = |earlier: &&super::known::Virtual| {
            let apart = this.address.is_link_local_v6()
                && interface(earlier.table) != interface(this.table);
            earlier.table != this.table && earlier.address.ip() == this.address.ip() && !apart
        };
        if let Some(earlier) = known.virtuals[..position].iter().find(same) {
            let raw = file.vrrp[earlier.table].get_ref();
            let name = raw.name.as_ref().map_or("a table above", |name| name.get_ref().as_str());
            let title = format!("{} is a virtual address of {name} already", this.address.ip());
            let help = "each router would take it from the other: write it into one of the two";
            check.problems.tell(Code::AddressTaken, this.span.clone(), title, help);
        }
    }
}

/// An owner speaks from an address that is virtual and its own.
fn source(router: &RawRouter, known: &Known, check: &mut Check<'_>) {
    let Some((given, ip)) = router.source.as_ref().zip(parsed(&router.source)) else { return };
    if known.virtual_not_owned(ip).is_some() {
        let title = format!("`source` is {ip}, a virtual address");
        let help = "a Backup does not have it, and says nothing; write the address that this node always has";
        check.problems.tell(Code::NotBetweenNodes, given.span(), title, help);
    }
}

/// The peers are other nodes, by their own addresses.
fn peers(router: &RawRouter, known: &Known, check: &mut Check<'_>) {
    let source = parsed(&router.source);
    let is_own = |ip: IpAddr| {
        let multihomed = source.is_some_and(|source| source.is_ipv4() == ip.is_ipv4());
        source == Some(ip) || (!multihomed && known.is_own(ip))
    };
    let peers: Vec<(&Spanned<String>, IpAddr)> = elements(&router.peers)
        .filter_map(|given| Some((given, given.get_ref().parse().ok()?)))
        .collect();
    for (position, (given, ip)) in peers.iter().enumerate() {
        let others = || peers.iter().filter(|(_, other)| other.is_ipv4() == ip.is_ipv4());
        if peers[..position].iter().any(|(_, earlier)| earlier == ip) {
            let title = format!("the peer {ip} stands here twice");
            check.problems.tell(Code::StandsTwice, given.span(), title, "");
        } else if known.virtual_not_owned(*ip).is_some() {
            let title = format!("`peers` has {ip}, a virtual address");
            let help =
                "while this node has it, it speaks to itself; write the other node's own address";
            check.problems.tell(Code::NotBetweenNodes, given.span(), title, help);
        } else if is_own(*ip) && others().all(|(_, other)| is_own(*other)) {
            let title = format!("`peers` has nobody but {ip}, which is this node itself");
            let help = "name the other node, by the address that it speaks from";
            check.problems.tell(Code::NotBetweenNodes, given.span(), title, help);
        } else if is_own(*ip) {
            let title = format!("`peers` has {ip}, which is this node itself");
            let help = "it is left out here, so that every node may have the same list: allow = [\"W0209\"]";
            check.problems.tell(Code::OwnPeer, given.span(), title, help);
        }
    }
}

/// The kernel takes no route through an address of the host itself.
fn next_routers(router: &RawRouter, known: &Known, check: &mut Check<'_>) {
    for route in router.route.iter().map(Spanned::get_ref) {
        let Some((given, ip)) = route.via.as_ref().zip(parsed(&route.via)) else { continue };
        let owned = known.virtuals.iter().any(|one| one.address.ip() == ip);
        if owned || parsed(&router.source) == Some(ip) {
            let what = if owned { "a virtual address" } else { "this node's own address" };
            let title = format!("the route leads through {ip}, {what}");
            let help = "who is Active has that address itself, and its kernel refuses the route; write the next router's";
            check.problems.tell(Code::RouteThroughItself, given.span(), title, help);
        }
    }
}

/// Who asks for an address that it has gets no answer.
fn gateways(file: &RawFile, known: &Known, check: &mut Check<'_>) {
    for tracker in file.track.iter().map(Spanned::get_ref) {
        let Some((given, ip)) = tracker.gateway.as_ref().zip(parsed(&tracker.gateway)) else {
            continue;
        };
        let is_virtual = known.virtuals.iter().any(|one| one.address.ip() == ip);
        if is_virtual || known.is_own(ip) {
            let what = if is_virtual { "a virtual address" } else { "this node's own address" };
            let title = format!("the gateway is {ip}, {what}");
            let help = "whoever has it gets no answer to its own question: it would lose the address, and get it again; write the router's own address";
            check.problems.tell(Code::GatewayIsItself, given.span(), title, help);
        }
    }
}
