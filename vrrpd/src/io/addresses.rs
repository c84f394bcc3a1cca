//! Virtual addresses in the kernel. Nothing else changes the kernel's addresses.
//!
//! Every address bears our tag (`IFA_PROTO`), so that what an earlier run left behind is known for
//! ours, and a lease: without renewal the kernel deletes it by itself.
//!
//! A client on this node shall not have the virtual address as its source: it would keep it when the
//! address has moved. For IPv4 the kernel takes, for what is sent to an address of its own, the
//! *primary* address of its subnet. So an address that is alone in its subnet (/32) is made secondary
//! to the node's own, by adding `OWN peer VIRTUAL/32` first (ADR 12).

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use config::{AddressConfig, Lease, Scope};
use futures_util::TryStreamExt;
use ipnet::IpNet;
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressMessage, AddressProtocol, AddressScope, CacheInfo,
};
use nix::libc;
use rtnetlink::Handle;
use vocabulary::{InterfaceName, VirtualAddress};
use vrrp::reconciler::{ManagedAddress, StaleAddress};

use super::address_message::{is_ours, virtual_address_of};

/// The tag on our addresses: the protocol number of VRRP.
pub const PROTOCOL: u8 = 112;

/// A lifetime without end.
const FOREVER: u32 = u32::MAX;

/// A change that the kernel refused.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// An address could not be added or renewed.
    #[error("add {address} to {interface}: {source}")]
    Add {
        /// Which.
        address: VirtualAddress,
        /// Where.
        interface: InterfaceName,
        /// The kernel's word.
        source: rtnetlink::Error,
    },
    /// An address could not be removed.
    #[error("remove {address} from {interface}: {source}")]
    Remove {
        /// Which.
        address: IpNet,
        /// Where.
        interface: InterfaceName,
        /// The kernel's word.
        source: rtnetlink::Error,
    },
    /// The kernel's addresses could not be listed.
    #[error("list the addresses of this host: {0}")]
    List(#[source] rtnetlink::Error),
    /// A netlink socket could not be opened.
    #[error("open a netlink socket: {0}")]
    Open(#[source] io::Error),
}

/// Changes addresses through netlink.
#[derive(Clone, Debug)]
pub struct Addresses {
    netlink: Handle,
}

/// An address with our tag that an earlier run left behind.
#[derive(Debug)]
pub struct Leftover {
    /// The virtual address.
    pub ip: IpAddr,
    /// The interface's index.
    pub index: u32,
    message: AddressMessage,
}

impl Addresses {
    /// Opens a connection to the kernel and drives it on the current tokio runtime.
    ///
    /// # Errors
    /// No netlink socket is to be had.
    pub fn open() -> Result<Self, AddressError> {
        let (connection, netlink, _) = rtnetlink::new_connection().map_err(AddressError::Open)?;
        tokio::spawn(connection);
        Ok(Self { netlink })
    }

    /// Adds an address, or starts its lease anew. If an IPv4 address connects, the kernel adds the
    /// route to its network, for as long as the address is there.
    ///
    /// # Errors
    /// What the kernel says.
    pub async fn add(&self, address: &ManagedAddress, lease: Lease) -> Result<(), AddressError> {
        let (ip, prefix) = (address.ip(), prefix_len(address));
        let mut request = self.netlink.address().add(address.index, ip, prefix).replace();
        configure(request.message_mut(), &address.config);
        if address.connects && ip.is_ipv4() || needs_prefix(address) {
            bring_prefix(request.message_mut());
        }
        request.message_mut().attributes.push(AddressAttribute::CacheInfo(lifetime(ip, lease)));
        request.execute().await.map_err(refused(address))
    }

    /// Makes `address`, which is not there yet, secondary to the node's `own` address.
    ///
    /// It has no lease: without the virtual address it does nothing but stand there.
    ///
    /// # Errors
    /// What the kernel says.
    pub async fn add_own_source(
        &self,
        address: &ManagedAddress,
        own: Ipv4Addr,
    ) -> Result<(), AddressError> {
        let (ip, prefix) = (address.ip(), prefix_len(address));
        let mut request = self.netlink.address().add(address.index, ip, prefix).replace();
        let message = request.message_mut();
        configure(
            message,
            &AddressConfig { label: None, broadcast: None, ..address.config.clone() },
        );
        message.attributes.retain(|attribute| !matches!(attribute, AddressAttribute::Local(_)));
        message.attributes.push(AddressAttribute::Local(own.into()));
        request.execute().await.map_err(refused(address))
    }

    /// Removes an address; one that is gone already is no error.
    ///
    /// # Errors
    /// What the kernel says.
    pub async fn remove(&self, address: &ManagedAddress) -> Result<(), AddressError> {
        let (ip, prefix) = (address.ip(), prefix_len(address));
        let mut request = self.netlink.address().add(address.index, ip, prefix);
        let message = request.message_mut().clone();
        self.delete(message, address.config.address.into(), &address.config.interface).await
    }

    /// Removes what [`add_own_source`](Self::add_own_source) added; gone already is no error.
    ///
    /// # Errors
    /// What the kernel says.
    pub async fn remove_own_source(
        &self,
        address: &ManagedAddress,
        own: Ipv4Addr,
    ) -> Result<(), AddressError> {
        let (ip, prefix) = (address.ip(), prefix_len(address));
        let mut request = self.netlink.address().add(address.index, ip, prefix);
        let message = request.message_mut();
        message.attributes.retain(|attribute| !matches!(attribute, AddressAttribute::Local(_)));
        message.attributes.push(AddressAttribute::Local(own.into()));
        let message = message.clone();
        self.delete(message, address.config.address.into(), &address.config.interface).await
    }

    /// Removes an address that somebody left at the interface of `index`; gone already is no error.
    ///
    /// # Errors
    /// What the kernel says.
    pub async fn remove_stale(&self, stale: &StaleAddress) -> Result<(), AddressError> {
        let (ip, prefix) = (stale.net.addr(), stale.net.prefix_len());
        let message = self.netlink.address().add(stale.index, ip, prefix).message_mut().clone();
        self.delete(message, stale.net, &stale.interface).await
    }

    async fn delete(
        &self,
        message: AddressMessage,
        address: IpNet,
        interface: &InterfaceName,
    ) -> Result<(), AddressError> {
        match self.netlink.address().del(message).execute().await {
            Err(error) if !is_gone(&error) => {
                Err(AddressError::Remove { address, interface: interface.clone(), source: error })
            }
            _ => Ok(()),
        }
    }

    /// The addresses with our tag.
    ///
    /// # Errors
    /// What the kernel says.
    pub async fn leftovers(&self) -> Result<Vec<Leftover>, AddressError> {
        let all: Vec<AddressMessage> = self
            .netlink
            .address()
            .get()
            .execute()
            .try_collect()
            .await
            .map_err(AddressError::List)?;
        let ours = all.into_iter().filter(is_ours);
        Ok(ours
            .filter_map(|message| {
                let ip = virtual_address_of(&message)?;
                Some(Leftover { ip, index: message.header.index, message })
            })
            .collect())
    }

    /// Removes what an earlier run left behind; one that is gone already is no error.
    ///
    /// # Errors
    /// What the kernel says.
    pub async fn remove_leftover(&self, leftover: Leftover) -> Result<(), AddressError> {
        match self.netlink.address().del(leftover.message).execute().await {
            Err(error) if !is_gone(&error) => Err(AddressError::List(error)),
            _ => Ok(()),
        }
    }
}

/// Link-local hosts are reached through the interface itself, which needs the way to them where it has no
/// address but ours.
fn needs_prefix(address: &ManagedAddress) -> bool {
    address.bare && address.config.address.is_link_local_v6()
}

/// RFC 4291 §2.5.6: every link-local address has 64 bits of prefix.
fn prefix_len(address: &ManagedAddress) -> u8 {
    if needs_prefix(address) { 64 } else { address.config.address.prefix_len() }
}

/// Everything but addresses and lease.
fn configure(message: &mut AddressMessage, config: &AddressConfig) {
    message.header.scope = match config.scope {
        Scope::Global => AddressScope::Universe,
        Scope::Link => AddressScope::Link,
        Scope::Host => AddressScope::Host,
    };
    // The library makes up a broadcast address.
    message.attributes.retain(|attribute| !matches!(attribute, AddressAttribute::Broadcast(_)));
    message.attributes.extend(config.broadcast.map(AddressAttribute::Broadcast));
    message.attributes.extend(config.label.clone().map(AddressAttribute::Label));
    // No duplicate address detection: it would keep an IPv6 address silent for a second. No
    // route for its prefix: where the node has an address of its own, that has one.
    let flags = AddressFlags::Nodad | AddressFlags::Noprefixroute;
    message.attributes.push(AddressAttribute::Flags(flags));
    message.attributes.push(AddressAttribute::Protocol(AddressProtocol::Other(PROTOCOL)));
}

/// With the route for its prefix.
fn bring_prefix(message: &mut AddressMessage) {
    for attribute in &mut message.attributes {
        if let AddressAttribute::Flags(flags) = attribute {
            flags.remove(AddressFlags::Noprefixroute);
        }
    }
}

fn refused(address: &ManagedAddress) -> impl FnOnce(rtnetlink::Error) -> AddressError {
    let (address, interface) = (address.config.address, address.config.interface.clone());
    move |source| AddressError::Add { address, interface, source }
}

/// An IPv6 address is never preferred: the host shall not take it for a source.
fn lifetime(ip: IpAddr, lease: Lease) -> CacheInfo {
    let valid = match lease {
        Lease::Off => FOREVER,
        Lease::Seconds(seconds) => seconds.get(),
    };
    let mut lifetime = CacheInfo::default();
    lifetime.ifa_valid = valid;
    lifetime.ifa_preferred = if ip.is_ipv6() { 0 } else { valid };
    lifetime
}

/// The address, or its interface, is not there any more.
fn is_gone(error: &rtnetlink::Error) -> bool {
    let rtnetlink::Error::NetlinkError(message) = error else { return false };
    [libc::EADDRNOTAVAIL, libc::ENODEV].contains(&-message.raw_code())
}
