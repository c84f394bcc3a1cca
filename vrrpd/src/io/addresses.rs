//! Virtual addresses in the kernel. Nothing else changes the kernel's addresses.
//!
//! Every address bears our tag (`IFA_PROTO`), so that what an earlier run left behind is known for
//! ours, and a lease: without renewal the kernel deletes it by itself.

use std::io;
use std::net::IpAddr;

use futures_util::TryStreamExt;
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressMessage, AddressProtocol, CacheInfo,
};
use nix::libc;
use rtnetlink::Handle;
use shared::config::Lease;
use shared::{InterfaceName, VirtualAddress};

use super::interfaces::{address_of, is_ours};

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
        address: VirtualAddress,
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

/// An interface to change addresses on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its name, for what is reported.
    pub interface: InterfaceName,
    /// Its index.
    pub index: u32,
    /// It has no addresses but ours: it is there for a virtual MAC address.
    pub bare: bool,
}

impl Target {
    /// Link-local hosts are reached through the interface itself, which needs the way to them.
    fn needs_prefix(&self, address: VirtualAddress) -> bool {
        self.bare && address.is_link_local_v6()
    }

    /// RFC 4291 §2.5.6: every link-local address has 64 bits of prefix.
    fn prefix_len(&self, address: VirtualAddress) -> u8 {
        if self.needs_prefix(address) { 64 } else { address.prefix_len() }
    }
}

/// An address with our tag that an earlier run left behind.
#[derive(Debug)]
pub struct Leftover {
    /// The address.
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

    /// Adds `address`, or starts its lease anew.
    ///
    /// # Errors
    /// What the kernel says.
    pub async fn add(
        &self,
        target: &Target,
        address: VirtualAddress,
        lease: Lease,
    ) -> Result<(), AddressError> {
        let (ip, prefix) = (address.ip(), target.prefix_len(address));
        let mut request = self.netlink.address().add(target.index, ip, prefix).replace();
        // No duplicate address detection: it would keep an IPv6 address silent for a second. No
        // route for its prefix: the interface's own address has one.
        let mut flags = AddressFlags::Nodad | AddressFlags::Noprefixroute;
        flags.set(AddressFlags::Noprefixroute, !target.needs_prefix(address));
        request.message_mut().attributes.extend([
            AddressAttribute::Flags(flags),
            AddressAttribute::Protocol(AddressProtocol::Other(PROTOCOL)),
            AddressAttribute::CacheInfo(lifetime(ip, lease)),
        ]);
        request.execute().await.map_err(|source| AddressError::Add {
            address,
            interface: target.interface.clone(),
            source,
        })
    }

    /// Removes `address`; one that is gone already is no error.
    ///
    /// # Errors
    /// What the kernel says.
    pub async fn remove(
        &self,
        target: &Target,
        address: VirtualAddress,
    ) -> Result<(), AddressError> {
        let mut request =
            self.netlink.address().add(target.index, address.ip(), target.prefix_len(address));
        let message = request.message_mut().clone();
        match self.netlink.address().del(message).execute().await {
            Err(error) if !is_gone(&error) => Err(AddressError::Remove {
                address,
                interface: target.interface.clone(),
                source: error,
            }),
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
                Some(Leftover { ip: address_of(&message)?, index: message.header.index, message })
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
