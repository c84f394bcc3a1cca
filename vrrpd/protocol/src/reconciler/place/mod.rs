//! Where everything of a plan belongs, as the interfaces are now.

use std::net::IpAddr;

use config::{AddressConfig, RouteConfig};
use vocabulary::Family;

use super::holding::Holding;
use super::{ManagedAddress, Plan, Routing};
use crate::interfaces::Interfaces;

/// A plan's addresses, routes and rules, as far as their interfaces are there.
pub(super) struct Places {
    addresses: Vec<ManagedAddress>,
    pub(super) routing: Vec<Routing>,
}

impl Places {
    pub(super) fn of(plan: &Plan, interfaces: &Interfaces) -> Self {
        let managed = &plan.managed;
        let address = |config: &AddressConfig| {
            let interface = interfaces.named(&config.interface)?;
            let connects = connects(plan, config, interfaces);
            // A prefix as long as the node's own makes an address secondary by itself, as the
            // owner's already are.
            let wanted = managed.own_source && !plan.owner;
            let secondary = wanted && !connects;
            let own_source = interface.own_source_for(config.address).filter(|_| secondary);
            let bare = plan.macvlan.as_ref().is_some_and(|link| link.name == config.interface);
            let gives_source = wanted && config.address.ip().is_ipv6();
            let (config, index) = (config.clone(), interface.index);
            Some(ManagedAddress { config, index, bare, own_source, gives_source, connects })
        };
        Self {
            addresses: managed.addresses.iter().filter_map(address).collect(),
            routing: placed_routing(plan, interfaces),
        }
    }

    /// Whether everything is where it belongs.
    pub(super) fn fit(&self, holding: &Holding) -> bool {
        let pairs = || holding.addresses.iter().zip(&self.addresses);
        holding.addresses.len() == self.addresses.len()
            && pairs().all(|(held, wanted)| held.is_same_address(wanted))
            && self.connected_otherwise(holding).next().is_none()
            && holding.routing == self.routing
    }

    /// The addresses that are held and do not belong there.
    pub(super) fn left_over(&self, holding: &Holding) -> Vec<ManagedAddress> {
        let stays = |held: &&ManagedAddress| self.addresses.iter().any(|w| w.is_same_address(held));
        holding.addresses.iter().filter(|held| !stays(held)).cloned().collect()
    }

    /// The IPv4 addresses that stay, and are to be added anew with the route to their network.
    pub(super) fn unconnected(&self, holding: &Holding) -> Vec<ManagedAddress> {
        self.connected_otherwise(holding).filter(|held| held.ip().is_ipv4()).cloned().collect()
    }

    /// Whether a renewal gives IPv6 addresses the route to their network.
    pub(super) fn reconnect(&self, holding: &Holding) -> bool {
        self.connected_otherwise(holding).any(|held| held.ip().is_ipv6())
    }

    fn connected_otherwise<'a>(
        &'a self,
        holding: &'a Holding,
    ) -> impl Iterator<Item = &'a ManagedAddress> {
        let otherwise = |held: &&ManagedAddress| {
            self.addresses.iter().any(|w| w.is_same_address(held) && !held.connects_as(w))
        };
        holding.addresses.iter().filter(otherwise)
    }

    /// The addresses in the plan's order, as they are held or, with true, to be added.
    pub(super) fn sorted(&self, holding: &Holding) -> Vec<(ManagedAddress, bool)> {
        let find = |wanted: &ManagedAddress| {
            let held = holding.addresses.iter().find(|held| held.is_same_address(wanted))?;
            let connects = held.connects || wanted.connects;
            let anew = held.ip().is_ipv4() && !held.connects_as(wanted);
            (!anew).then(|| ManagedAddress { connects, ..held.clone() })
        };
        let each = |wanted: &ManagedAddress| {
            find(wanted).map_or((wanted.clone(), true), |held| (held, false))
        };
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
    let virtual_addresses = if plan.owner { Vec::new() } else { plan.managed.ips().collect() };
    host_bits > 0 && !loopback && !interfaces.are_in_network_of(address, &virtual_addresses)
}

/// A plan's routes and rules, as far as their interfaces are there.
pub fn placed_routing(plan: &Plan, interfaces: &Interfaces) -> Vec<Routing> {
    let route = |route: &RouteConfig| {
        let interface = interfaces.named(&route.interface)?;
        let source = route.source.or_else(|| source_there(plan, route, interfaces));
        Some(Routing::Route(RouteConfig { source, ..route.clone() }, interface.index))
    };
    let routes = plan.managed.routes.iter().filter_map(route);
    let rules = plan.managed.rules.iter().cloned().map(Routing::Rule);
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
    plan.managed.addresses.iter().find(knows).map(|config| config.address.ip())
}

#[cfg(test)]
mod tests;
