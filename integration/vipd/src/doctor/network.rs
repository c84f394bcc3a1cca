//! Interfaces and addresses, as the kernel tells them at one moment.

use std::io;

use futures_util::TryStreamExt;
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::{LinkFlags, LinkMessage};
use vocabulary::InterfaceName;
use vrrp::interfaces::Interfaces;
use vrrpd::io::interfaces::{address_changed, link_changed};

/// The network of this namespace.
#[derive(Debug)]
pub(super) struct Network {
    /// As `vrrpd` sees it.
    pub(super) interfaces: Interfaces,
    links: Vec<LinkMessage>,
    /// Every address.
    pub(super) addresses: Vec<AddressMessage>,
}

impl Network {
    /// Asks the kernel.
    ///
    /// # Errors
    /// It does not tell.
    pub(super) async fn read() -> io::Result<Self> {
        let (connection, netlink, _) = rtnetlink::new_connection()?;
        tokio::spawn(connection);
        let links = netlink.link().get().execute().try_collect::<Vec<_>>();
        let links = links.await.map_err(io::Error::other)?;
        let addresses = netlink.address().get().execute().try_collect::<Vec<_>>();
        let addresses = addresses.await.map_err(io::Error::other)?;
        let mut interfaces = Interfaces::default();
        for link in &links {
            link_changed(&mut interfaces, link);
        }
        for address in &addresses {
            address_changed(&mut interfaces, address);
        }
        Ok(Self { interfaces, links, addresses })
    }

    /// The flags of the interface of this name.
    pub(super) fn flags(&self, name: &InterfaceName) -> Option<LinkFlags> {
        let index = self.interfaces.named(name)?.index;
        let link = self.links.iter().find(|link| link.header.index == index);
        link.map(|link| link.header.flags)
    }
}
