//! What the kernel said of interfaces and addresses, as a value.
#![expect(clippy::wildcard_enum_match_arm, reason = "of netlink's many messages few concern us")]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use config::{Audience, RouterConfig};
use ipnet::IpNet;
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use pnet_base::MacAddr;
use vocabulary::{Family, InterfaceName, VirtualAddress, address::is_link_local};

use super::address_message::{address_of, is_ours, is_own_source};
use super::macvlan::{mac_of, upon};

/// Every interface of this network namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interfaces {
    by_index: BTreeMap<u32, Interface>,
}

/// One interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: InterfaceName,
    /// Its index; an interface that was deleted and made again has another.
    pub index: u32,
    /// Up, and with carrier.
    pub running: bool,
    /// Whatever is sent to it is for this node.
    pub loopback: bool,
    /// Its Ethernet address.
    pub mac: Option<MacAddr>,
    /// A macvlan: the index of the interface that it is made upon.
    pub upon: Option<u32>,
    addresses: Vec<Configured>,
}

/// An address the kernel has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Configured {
    ip: IpAddr,
    /// Bits of its prefix.
    prefix_len: u8,
    /// We added it.
    ours: bool,
    /// Not yet, or never, usable: duplicate address detection runs or failed.
    tentative: bool,
    /// Another address of its subnet is the interface's own.
    secondary: bool,
}

impl Interfaces {
    /// The interface of this name.
    #[must_use]
    pub fn named(&self, name: &InterfaceName) -> Option<&Interface> {
        self.by_index.values().find(|interface| interface.name == *name)
    }

    /// Whether some interface has this MAC address.
    #[must_use]
    pub fn has_mac(&self, mac: MacAddr) -> bool {
        self.by_index.values().any(|interface| interface.mac == Some(mac))
    }

    /// Whether this node has an address in the network of `address`, at whatever interface and with
    /// whatever prefix, that is neither ours nor among `virtual_addresses`.
    #[must_use]
    pub fn are_in_network_of(&self, address: VirtualAddress, virtual_addresses: &[IpAddr]) -> bool {
        let network = address.network();
        let own = |known: &&Configured| !known.ours && !virtual_addresses.contains(&known.ip);
        let overlaps = |known: &Configured| {
            let net = IpNet::new(known.ip, known.prefix_len);
            network.contains(&known.ip) || net.is_ok_and(|net| net.contains(&network.addr()))
        };
        let all = self.by_index.values().flat_map(|interface| &interface.addresses);
        all.filter(own).any(overlaps)
    }

    /// An interface is there, or changed; tells whether that is news.
    pub fn link_changed(&mut self, message: &LinkMessage) -> bool {
        let name = message.attributes.iter().find_map(|attribute| match attribute {
            LinkAttribute::IfName(name) => InterfaceName::try_from(name.as_str()).ok(),
            _ => None,
        });
        let Some(name) = name else { return false };
        let index = message.header.index;
        let running = message.header.flags.contains(LinkFlags::Up | LinkFlags::LowerUp);
        let loopback = message.header.flags.contains(LinkFlags::Loopback);
        let known = self.by_index.get(&index);
        let addresses = known.map(|known| known.addresses.clone()).unwrap_or_default();
        let mac = mac_of(message).or_else(|| known?.mac);
        let upon = upon(message);
        let interface = Interface { name, index, running, loopback, mac, upon, addresses };
        let news = known != Some(&interface);
        self.by_index.insert(index, interface);
        news
    }

    /// An interface is gone; tells whether that is news.
    pub fn link_removed(&mut self, message: &LinkMessage) -> bool {
        self.by_index.remove(&message.header.index).is_some()
    }

    /// An address is there, or changed; tells whether that is news.
    pub fn address_changed(&mut self, message: &AddressMessage) -> bool {
        let Some(configured) = configured(message) else { return false };
        let Some(interface) = self.by_index.get_mut(&message.header.index) else { return false };
        match interface.addresses.iter_mut().find(|known| known.ip == configured.ip) {
            Some(known) => std::mem::replace(known, configured) != configured,
            None => {
                interface.addresses.push(configured);
                true
            }
        }
    }

    /// An address is gone; tells whether that is news.
    pub fn address_removed(&mut self, message: &AddressMessage) -> bool {
        let Some(gone) = address_of(message).filter(|_| !is_own_source(message)) else {
            return false;
        };
        let Some(interface) = self.by_index.get_mut(&message.header.index) else { return false };
        let before = interface.addresses.len();
        interface.addresses.retain(|known| known.ip != gone);
        interface.addresses.len() < before
    }
}

impl Interface {
    /// The source of adverts: the first address of the family that is the interface's own and none
    /// of `virtual_addresses`. For IPv6 it is link-local (RFC 9568 §5.1.2.1), unless `beyond_link`:
    /// unicast peers may need another.
    #[must_use]
    pub fn source(
        &self,
        family: Family,
        virtual_addresses: &[VirtualAddress],
        beyond_link: bool,
    ) -> Option<IpAddr> {
        let own = |known: &&Configured| {
            let is_virtual = virtual_addresses.iter().any(|address| address.ip() == known.ip);
            Family::of(known.ip) == family && !known.ours && !known.tentative && !is_virtual
        };
        let fits = |known: &&Configured| match known.ip {
            IpAddr::V4(_) => true,
            IpAddr::V6(ip) => is_link_local(ip) != beyond_link,
        };
        let mut own: Vec<&Configured> = self.addresses.iter().filter(own).filter(fits).collect();
        own.sort_by_key(|known| known.secondary);
        own.first().map(|known| known.ip)
    }

    /// The source of a router's adverts; none where the interface has none for it.
    #[must_use]
    pub fn source_for(&self, config: &RouterConfig) -> Option<IpAddr> {
        if let Some(source) = config.source {
            return self.has(source).then_some(source);
        }
        let all = config.belongings.addresses.iter().map(|config| config.address);
        let all: Vec<VirtualAddress> = all.collect();
        self.source(config.id.family, &all, is_beyond_link(config))
    }

    /// Bits of the prefix of `address`; all of them if the interface does not have it.
    #[must_use]
    pub fn prefix_len(&self, address: IpAddr) -> u8 {
        let all = if address.is_ipv4() { 32 } else { 128 };
        self.addresses
            .iter()
            .find(|known| known.ip == address)
            .map_or(all, |known| known.prefix_len)
    }

    /// The address of this node that `address` has to be made secondary to, so that clients here
    /// have it as their source. None where the kernel does so by itself, for both are of one subnet,
    /// and where the interface has no own address.
    #[must_use]
    pub fn own_source_for(&self, address: VirtualAddress) -> Option<Ipv4Addr> {
        let IpAddr::V4(_) = address.ip() else { return None };
        let own = |known: &&Configured| known.ip.is_ipv4() && !known.ours && !known.secondary;
        let one_subnet = |known: &Configured| {
            let net = IpNet::new(known.ip, known.prefix_len).ok();
            known.prefix_len == address.prefix_len()
                && net.is_some_and(|net| net.contains(&address.ip()))
        };
        let mut own = self.addresses.iter().filter(own);
        if own.clone().any(one_subnet) {
            return None;
        }
        own.find_map(|known| match known.ip {
            IpAddr::V4(ip) => Some(ip),
            IpAddr::V6(_) => None,
        })
    }

    /// The address of this node that clients of the IPv6 `address` here shall have as their source: one
    /// of its subnet before others. None for a link-local one, which clients know no way to without
    /// naming the interface.
    #[must_use]
    pub fn own_source_v6_for(&self, address: Ipv6Addr) -> Option<Ipv6Addr> {
        if is_link_local(address) {
            return None;
        }
        // What is called secondary is temporary in IPv6 (RFC 8981).
        let usable = |known: &&Configured| !known.ours && !known.tentative && !known.secondary;
        let own = self.addresses.iter().filter(usable).filter_map(|known| match known.ip {
            IpAddr::V6(ip) if !is_link_local(ip) && ip != address => Some((ip, known.prefix_len)),
            _ => None,
        });
        let elsewhere = |&(ip, prefix_len): &(Ipv6Addr, u8)| {
            !IpNet::new(ip.into(), prefix_len).is_ok_and(|net| net.contains(&IpAddr::V6(address)))
        };
        own.min_by_key(elsewhere).map(|(ip, _)| ip)
    }

    /// Whether another of our addresses is in the subnet of `address`, beside those that are leaving.
    /// What makes one of them secondary does so for all.
    #[must_use]
    pub fn shares_subnet(&self, address: VirtualAddress, leaving: &[IpAddr]) -> bool {
        let Ok(net) = IpNet::new(address.ip(), address.prefix_len()) else { return false };
        self.addresses.iter().any(|known| {
            let in_it = known.prefix_len == address.prefix_len() && net.contains(&known.ip);
            known.ours && in_it && known.ip != address.ip() && !leaving.contains(&known.ip)
        })
    }

    /// Whether the interface has `address`, usable.
    #[must_use]
    pub fn has(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|known| known.ip == address && !known.tentative)
    }

    /// Whether the interface has `address` from somebody else.
    #[must_use]
    pub fn has_from_others(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|known| known.ip == address && !known.ours)
    }
}

/// Whether the peers are reached by addresses of more than this link.
fn is_beyond_link(config: &RouterConfig) -> bool {
    let Audience::Peers(peers) = &config.audience else { return false };
    let beyond = |peer: &IpAddr| matches!(peer, IpAddr::V6(peer) if !is_link_local(*peer));
    config.id.family == Family::Ipv6 && peers.iter().any(beyond)
}

fn configured(message: &AddressMessage) -> Option<Configured> {
    if is_own_source(message) {
        return None;
    }
    let flags = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Flags(flags) => Some(*flags),
        _ => None,
    });
    let flags = flags.unwrap_or(AddressFlags::empty());
    Some(Configured {
        ip: address_of(message)?,
        prefix_len: message.header.prefix_len,
        ours: is_ours(message),
        tentative: flags.intersects(AddressFlags::Tentative | AddressFlags::Dadfailed),
        secondary: flags.contains(AddressFlags::Secondary),
    })
}

#[cfg(test)]
mod tests;
