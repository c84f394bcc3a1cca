//! Where everything of a plan belongs, as the interfaces are now.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use config::{AddressConfig, RouteConfig};

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
}

impl Held {
    pub(super) fn ip(&self) -> IpAddr {
        self.placed.config.address.ip()
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
            // A prefix as long as the node's own makes an address secondary by itself, as the
            // owner's already are.
            let wanted = belongings.own_source && !plan.owner;
            let own_source = interface.own_source_for(config.address).filter(|_| wanted);
            let bare = plan.link.as_ref().is_some_and(|link| link.name == config.interface);
            let placed = Placed { config: config.clone(), index: interface.index, bare };
            let gives_source = wanted && placed.config.address.ip().is_ipv6();
            Some(Held { placed, own_source, gives_source })
        };
        Self {
            addresses: belongings.addresses.iter().filter_map(address).collect(),
            routing: placed_routing(plan, interfaces),
        }
    }

    /// Whether everything is held where it belongs.
    pub(super) fn fit(&self, holding: &Holding) -> bool {
        holding.addresses == self.addresses && holding.routing == self.routing
    }

    /// The addresses that are held and do not belong there.
    pub(super) fn left_over(&self, holding: &Holding) -> Vec<Held> {
        let stays = |held: &&Held| self.addresses.contains(held);
        holding.addresses.iter().filter(|held| !stays(held)).cloned().collect()
    }

    /// The addresses in the plan's order, as they are held or, with true, to be added.
    pub(super) fn sorted(&self, holding: &Holding) -> Vec<(Held, bool)> {
        let find = |wanted: &Held| holding.addresses.iter().find(|held| *held == wanted).cloned();
        let each =
            |wanted: &Held| find(wanted).map_or((wanted.clone(), true), |held| (held, false));
        self.addresses.iter().map(each).collect()
    }
}

/// A plan's routes and rules, as far as their interfaces are there.
pub fn placed_routing(plan: &Plan, interfaces: &Interfaces) -> Vec<Routing> {
    let route = |route: &RouteConfig| {
        let interface = interfaces.named(&route.interface)?;
        Some(Routing::Route(route.clone(), interface.index))
    };
    let routes = plan.belongings.routes.iter().filter_map(route);
    let rules = plan.belongings.rules.iter().cloned().map(Routing::Rule);
    routes.chain(rules).collect()
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
