//! Where everything of a plan belongs, as the interfaces are now.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use config::{AddressConfig, RouteConfig};
use vocabulary::Family;

use super::{Holding, Plan};
use crate::io::addresses::Placed;
use crate::io::interfaces::Interfaces;
use crate::io::routes::Routing;

/// A plan's addresses, routes and rules, as far as their interfaces are there.
pub(super) struct Places {
    addresses: Vec<Held>,
    pub(super) routing: Vec<Routing>,
}

/// An address with its place.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) placed: Placed,
    /// The node's own address that it is secondary to, where we made it so.
    pub(super) own_source: Option<Ipv4Addr>,
    /// IPv6 clients here get their source from local routes, which are leased with the address.
    pub(super) gives_source: bool,
    /// It brings the route to its network along, in which the node has no other address.
    pub(super) connects: bool,
}

impl Held {
    pub(super) fn ip(&self) -> IpAddr {
        self.placed.config.address.ip()
    }

    /// Whether it brings the route to its network along as `wanted`; one that nobody needs any more
    /// harms nobody.
    fn connects_as(&self, wanted: &Self) -> bool {
        self.connects || !wanted.connects
    }
}

/// An address that is there stays as it is, even if the node's own changes.
impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.placed == other.placed
    }
}

impl Places {
    pub(super) fn of(plan: &Plan, interfaces: &Interfaces) -> Self {
        let belongings = &plan.belongings;
        let address = |config: &AddressConfig| {
            let interface = interfaces.named(&config.interface)?;
            let connects = connects(plan, config, interfaces);
            // A prefix as long as the node's own makes an address secondary by itself, as the
            // owner's already are.
            let wanted = belongings.own_source && !plan.owner;
            let secondary = wanted && !connects;
            let own_source = interface.own_source_for(config.address).filter(|_| secondary);
            let bare = plan.link.as_ref().is_some_and(|link| link.name == config.interface);
            let placed = Placed { config: config.clone(), index: interface.index, bare };
            let gives_source = wanted && placed.config.address.ip().is_ipv6();
            Some(Held { placed, own_source, gives_source, connects })
        };
        Self {
            addresses: belongings.addresses.iter().filter_map(address).collect(),
            routing: placed_routing(plan, interfaces),
        }
    }

    /// Whether everything is held where it belongs.
    pub(super) fn fit(&self, holding: &Holding) -> bool {
        holding.addresses == self.addresses
            && self.connected_otherwise(holding).next().is_none()
            && holding.routing == self.routing
    }

    /// The addresses that are held and do not belong there.
    pub(super) fn left_over(&self, holding: &Holding) -> Vec<Held> {
        let stays = |held: &&Held| self.addresses.contains(held);
        holding.addresses.iter().filter(|held| !stays(held)).cloned().collect()
    }

    /// The IPv4 addresses that stay, and are to be added anew with the route to their network.
    pub(super) fn unconnected(&self, holding: &Holding) -> Vec<Held> {
        self.connected_otherwise(holding).filter(|held| held.ip().is_ipv4()).cloned().collect()
    }

    /// Whether a renewal gives IPv6 addresses the route to their network.
    pub(super) fn reconnect(&self, holding: &Holding) -> bool {
        self.connected_otherwise(holding).any(|held| held.ip().is_ipv6())
    }

    fn connected_otherwise<'a>(&'a self, holding: &'a Holding) -> impl Iterator<Item = &'a Held> {
        let otherwise =
            |held: &&Held| self.addresses.iter().any(|w| w == *held && !held.connects_as(w));
        holding.addresses.iter().filter(otherwise)
    }

    /// The addresses in the plan's order, as they are held or, with true, to be added.
    pub(super) fn sorted(&self, holding: &Holding) -> Vec<(Held, bool)> {
        let find = |wanted: &Held| {
            let held = holding.addresses.iter().find(|held| *held == wanted)?;
            let connects = held.connects || wanted.connects;
            let anew = held.ip().is_ipv4() && !held.connects_as(wanted);
            (!anew).then(|| Held { connects, ..held.clone() })
        };
        let each =
            |wanted: &Held| find(wanted).map_or((wanted.clone(), true), |held| (held, false));
        self.addresses.iter().map(each).collect()
    }
}

/// Whether an address has to bring the route to its network along: the node has no address of its own
/// there, and no other route. On a loopback interface the whole network would be this node's.
fn connects(plan: &Plan, config: &AddressConfig, interfaces: &Interfaces) -> bool {
    let address = config.address;
    let host_bits = match address.family() {
        Family::Ipv4 => 32 - address.prefix_len(),
        Family::Ipv6 => 128 - address.prefix_len(),
    };
    let loopback = interfaces.named(&config.interface).is_none_or(|found| found.loopback);
    // An owner's are the node's own.
    let virtual_addresses = if plan.owner { Vec::new() } else { plan.belongings.ips().collect() };
    host_bits > 0 && !loopback && !interfaces.are_in_network_of(address, &virtual_addresses)
}

/// A plan's routes and rules, as far as their interfaces are there.
pub fn placed_routing(plan: &Plan, interfaces: &Interfaces) -> Vec<Routing> {
    let route = |route: &RouteConfig| {
        let interface = interfaces.named(&route.interface)?;
        let source = route.source.or_else(|| source_there(plan, route, interfaces));
        Some(Routing::Route(RouteConfig { source, ..route.clone() }, interface.index))
    };
    let routes = plan.belongings.routes.iter().filter_map(route);
    let rules = plan.belongings.rules.iter().cloned().map(Routing::Rule);
    routes.chain(rules).collect()
}

/// The source of what is sent to a router in a network where the node has nothing but a virtual address:
/// no other would be known there. It ends with the address, and for IPv4 so does the route.
fn source_there(plan: &Plan, route: &RouteConfig, interfaces: &Interfaces) -> Option<IpAddr> {
    let via = route.via?;
    let knows = |config: &&AddressConfig| {
        config.interface == route.interface
            && config.address.network().contains(&via)
            && connects(plan, config, interfaces)
    };
    plan.belongings.addresses.iter().find(knows).map(|config| config.address.ip())
}

/// Addresses with commas between.
pub(super) struct Listed<'a>(pub(super) &'a [Held]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, held) in self.0.iter().enumerate() {
            let comma = if position == 0 { "" } else { ", " };
            write!(f, "{comma}{}", held.placed.config.address)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
