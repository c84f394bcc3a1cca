//! Local routes that give IPv6 clients on this node the node's own address as their source (ADR 12).
//!
//! Two of them stand beside the kernel's route for a virtual address, for either half of all sources:
//! where there is a route for some sources, the kernel does not look at one for all. Clients that have
//! no source yet, which is `::`, are in the lower half. When they expire, the kernel's counts again.

use std::net::Ipv6Addr;
use std::num::NonZeroU32;

use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteMessage, RouteScope, RouteType,
};

use nix::libc;

use super::{RouteError, Routes, TAG, is_gone};

/// Either half of all sources (`/1`).
const HALVES: [Ipv6Addr; 2] = [Ipv6Addr::new(0x8000, 0, 0, 0, 0, 0, 0, 0), Ipv6Addr::UNSPECIFIED];

impl Routes {
    /// Gives clients of `address`, which is or will be at the interface of `index`, the source `own`
    /// for so many seconds from now.
    ///
    /// # Errors
    /// What the kernel says; then there is neither route.
    pub async fn give_source(
        &self,
        address: Ipv6Addr,
        index: u32,
        own: Ipv6Addr,
        seconds: NonZeroU32,
    ) -> Result<(), RouteError> {
        for half in HALVES {
            let mut route = local(address, index, half);
            route.attributes.push(RouteAttribute::PrefSource(own.into()));
            route.attributes.push(RouteAttribute::Expires(seconds.get()));
            if let Err(source) = self.netlink.route().add(route).replace().execute().await {
                self.take_source(address, index).await?;
                return Err(RouteError::Add { what: what(address), source });
            }
        }
        Ok(())
    }

    /// Removes what [`give_source`](Self::give_source) added; gone already is no error.
    ///
    /// # Errors
    /// What the kernel says.
    pub async fn take_source(&self, address: Ipv6Addr, index: u32) -> Result<(), RouteError> {
        for half in HALVES {
            let removed = self.netlink.route().del(local(address, index, half)).execute().await;
            let remove = |source| RouteError::Remove { what: what(address), source };
            removed.or_else(is_gone).map_err(remove)?;
        }
        Ok(())
    }
}

/// The virtual address that a route of ours gives a source for.
pub(super) fn address_of(route: &RouteMessage) -> Option<Ipv6Addr> {
    if route.header.kind != RouteType::Local {
        return None;
    }
    route.attributes.iter().find_map(|attribute| {
        let RouteAttribute::Destination(RouteAddress::Inet6(address)) = attribute else {
            return None;
        };
        Some(*address)
    })
}

fn local(address: Ipv6Addr, index: u32, half: Ipv6Addr) -> RouteMessage {
    let mut message = RouteMessage::default();
    let header = &mut message.header;
    header.address_family = AddressFamily::Inet6;
    header.destination_prefix_length = 128;
    header.source_prefix_length = 1;
    header.protocol = TAG;
    header.kind = RouteType::Local;
    header.scope = RouteScope::Universe;
    header.table = libc::RT_TABLE_LOCAL;
    message.attributes = vec![
        RouteAttribute::Destination(address.into()),
        RouteAttribute::Source(half.into()),
        RouteAttribute::Oif(index),
    ];
    message
}

fn what(address: Ipv6Addr) -> String {
    format!("local route to {address}")
}
