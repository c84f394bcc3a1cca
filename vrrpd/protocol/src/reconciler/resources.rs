//! What a router has in the kernel while it is Active: the managed resources.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use config::{AddressConfig, Lease, ManagedResources, RouteConfig, RuleConfig};
use pnet_base::MacAddr;
use vocabulary::{Family, InterfaceName};

use super::Schedule;

/// The managed resources of a router, as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Where the router speaks.
    pub interface: InterfaceName,
    /// The interface of its virtual MAC address, which has its addresses.
    pub macvlan: Option<Macvlan>,
    /// Addresses, routes and rules.
    pub managed: ManagedResources,
    /// How long the kernel keeps the addresses without us.
    pub lease: Lease,
    /// They are this node's own (priority 255): what is there from others stays there.
    pub owner: bool,
    /// When the addresses are announced.
    pub schedule: Schedule,
}

/// The interface of a virtual MAC address, as it has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Macvlan {
    /// Its name.
    pub name: InterfaceName,
    /// The interface it is made upon.
    pub parent: InterfaceName,
    /// Its MAC address.
    pub mac: MacAddr,
    /// The family of its addresses.
    pub family: Family,
}

/// An address, the interface it goes to, and what it brings along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagedAddress {
    /// The address, as configured.
    pub config: AddressConfig,
    /// The interface's index.
    pub index: u32,
    /// The interface has no addresses but ours: it is there for a virtual MAC address.
    pub bare: bool,
    /// The node's own address that it is secondary to, where we make it so.
    pub own_source: Option<Ipv4Addr>,
    /// IPv6 clients here get their source from local routes, which are leased with the address.
    pub gives_source: bool,
    /// It brings the route to its network along, in which the node has no other address.
    pub connects: bool,
}

/// A route or a rule with all that identifies it, as we would add it or as the kernel has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Routing {
    /// A route, through the interface of this index.
    Route(RouteConfig, u32),
    /// A rule.
    Rule(RuleConfig),
}

impl ManagedAddress {
    /// The address without its prefix.
    #[must_use]
    pub fn ip(&self) -> IpAddr {
        self.config.address.ip()
    }

    /// Whether `other` is the same address in the same place, whatever they bring along: one that is
    /// there stays as it is, even if the node's own addresses change.
    #[must_use]
    pub fn is_same_address(&self, other: &Self) -> bool {
        (&self.config, self.index, self.bare) == (&other.config, other.index, other.bare)
    }

    /// Whether it brings the route to its network along as `wanted`; one that nobody needs any more
    /// harms nobody.
    pub(super) fn connects_as(&self, wanted: &Self) -> bool {
        self.connects || !wanted.connects
    }
}

impl Routing {
    /// Whether it is an IPv6 route, which the kernel can end by itself.
    #[must_use]
    pub fn is_route_v6(&self) -> bool {
        matches!(self, Self::Route(route, _) if route.destination.addr().is_ipv6())
    }

    /// Whether the kernel gives what is sent there a source of ours.
    #[must_use]
    pub fn has_source(&self) -> bool {
        matches!(self, Self::Route(RouteConfig { source: Some(_), .. }, _))
    }
}

impl fmt::Display for Routing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Route(route, _) => {
                let table = route.table;
                write!(f, "route to {} through {}", route.destination, route.interface)?;
                write!(f, " in table {table}")
            }
            Self::Rule(rule) => write!(f, "rule {} for table {}", rule.priority, rule.table),
        }
    }
}
