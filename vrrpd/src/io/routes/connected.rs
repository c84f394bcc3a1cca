//! Connected routes that an IPv6 address brings along to a network in which the node has no other.
//!
//! The kernel adds such a route by itself, but shares it with whoever else needs it, and leaves it behind
//! when a leased address is deleted. Ours stands beside, with our tag and a metric that nobody else has,
//! and is leased like the address. IPv4's is the kernel's, which ends with the address.

use std::net::IpAddr;

use config::Lease;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::{RouteAttribute, RouteMessage, RouteScope, RouteType};
use nix::libc;
use vocabulary::VirtualAddress;

use super::{RouteError, Routes, TAG, is_gone};

/// After whatever others have.
const METRIC: u32 = 2048;

impl Routes {
    /// Adds the route to the network of `address`, which is at the interface of `index`, or renews it.
    ///
    /// # Errors
    /// What the kernel says.
    pub async fn connect(
        &self,
        address: VirtualAddress,
        index: u32,
        lease: Lease,
    ) -> Result<(), RouteError> {
        let mut route = connected(address, index);
        route.attributes.push(RouteAttribute::PrefSource(address.ip().into()));
        if let Lease::Seconds(seconds) = lease {
            route.attributes.push(RouteAttribute::Expires(seconds.get()));
        }
        let added = self.netlink.route().add(route).replace().execute().await;
        added.map_err(|source| RouteError::Add { what: what(address), source })
    }

    /// Removes what [`connect`](Self::connect) added; gone already is no error.
    ///
    /// # Errors
    /// What the kernel says.
    pub async fn disconnect(&self, address: VirtualAddress, index: u32) -> Result<(), RouteError> {
        let removed = self.netlink.route().del(connected(address, index)).execute().await;
        let remove = |source| RouteError::Remove { what: what(address), source };
        removed.or_else(is_gone).map_err(remove)
    }
}

/// Whether a route of ours connects one of these addresses' networks.
pub(super) fn serves(route: &RouteMessage, addresses: &[IpAddr]) -> bool {
    let source = addresses.iter().map(|ip| RouteAttribute::PrefSource((*ip).into()));
    route.attributes.contains(&RouteAttribute::Priority(METRIC))
        && source.into_iter().any(|source| route.attributes.contains(&source))
}

fn connected(address: VirtualAddress, index: u32) -> RouteMessage {
    let network = address.network();
    let mut message = RouteMessage::default();
    let header = &mut message.header;
    header.address_family = AddressFamily::Inet6;
    header.destination_prefix_length = network.prefix_len();
    header.protocol = TAG;
    header.kind = RouteType::Unicast;
    header.scope = RouteScope::Universe;
    header.table = libc::RT_TABLE_MAIN;
    message.attributes = vec![
        RouteAttribute::Destination(network.addr().into()),
        RouteAttribute::Oif(index),
        RouteAttribute::Priority(METRIC),
    ];
    message
}

fn what(address: VirtualAddress) -> String {
    format!("route to {}", address.network())
}
