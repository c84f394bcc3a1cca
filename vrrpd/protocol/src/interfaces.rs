//! What the kernel has of interfaces and addresses, as a value.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use config::{Audience, RouterConfig};
use ipnet::IpNet;
use pnet_base::MacAddr;
use vocabulary::address::is_link_local;
use vocabulary::{Family, InterfaceName, VirtualAddress};

/// Every interface of this network namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interfaces {
    by_index: BTreeMap<u32, Interface>,
    /// Further names (`altname` of `ip link`), and whose they are.
    alternatives: BTreeMap<InterfaceName, u32>,
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
    /// The largest packet, in bytes, where the kernel says.
    pub mtu: Option<u32>,
    addresses: Vec<Configured>,
}

/// What is said of an interface, beside its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its name.
    pub name: InterfaceName,
    /// Up, and with carrier.
    pub running: bool,
    /// Whatever is sent to it is for this node.
    pub loopback: bool,
    /// Its Ethernet address.
    pub mac: Option<MacAddr>,
    /// A macvlan: the index of the interface that it is made upon.
    pub upon: Option<u32>,
    /// The largest packet, in bytes, where the kernel says.
    pub mtu: Option<u32>,
}

/// An address the kernel has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Configured {
    /// The address.
    pub ip: IpAddr,
    /// Bits of its prefix.
    pub prefix_len: u8,
    /// We added it.
    pub ours: bool,
    /// keepalived added it.
    pub by_keepalived: bool,
    /// It has no lifetime: nobody leases it, DHCP included.
    pub permanent: bool,
    /// Not yet, or never, usable: duplicate address detection runs or failed.
    pub tentative: bool,
    /// Another address of its subnet is the interface's own.
    pub secondary: bool,
}

impl Interfaces {
    /// Every interface, by index.
    pub fn all(&self) -> impl Iterator<Item = &Interface> {
        self.by_index.values()
    }

    /// The interface of this name, or that has it as an alternative.
    #[must_use]
    pub fn named(&self, name: &InterfaceName) -> Option<&Interface> {
        let first = self.by_index.values().find(|interface| interface.name == *name);
        first.or_else(|| self.at(*self.alternatives.get(name)?))
    }

    /// That there is none of this name, and which there are, in words.
    #[must_use]
    pub fn absence(&self, name: &InterfaceName) -> Option<String> {
        if self.named(name).is_some() {
            return None;
        }
        let others = self.by_index.values().filter(|interface| !interface.loopback);
        let others: Vec<&str> = others.map(|interface| interface.name.as_str()).collect();
        let others = if others.is_empty() { "none".to_owned() } else { others.join(", ") };
        Some(format!("there is no interface {name}; this node has {others}"))
    }

    /// The further names of an interface; tells whether that is news.
    pub fn put_alternatives(&mut self, index: u32, names: Vec<InterfaceName>) -> bool {
        let before = self.alternatives.clone();
        self.alternatives.retain(|_, of| *of != index);
        self.alternatives.extend(names.into_iter().map(|name| (name, index)));
        self.alternatives != before
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

    /// Where this node has `address`, in the order of the interfaces.
    pub fn that_have(&self, address: IpAddr) -> impl Iterator<Item = (&Interface, &Configured)> {
        self.by_index.values().filter_map(move |interface| {
            let found = interface.addresses.iter().find(|known| known.ip == address)?;
            Some((interface, found))
        })
    }

    /// The interface of this index.
    #[must_use]
    pub fn at(&self, index: u32) -> Option<&Interface> {
        self.by_index.get(&index)
    }

    /// An interface is there, or changed; it keeps its addresses. Tells whether that is news.
    pub fn put(&mut self, index: u32, link: Link) -> bool {
        let known = self.by_index.get(&index);
        let addresses = known.map(|known| known.addresses.clone()).unwrap_or_default();
        let Link { name, running, loopback, mac, upon, mtu } = link;
        let interface = Interface { name, index, running, loopback, mac, upon, mtu, addresses };
        let news = known != Some(&interface);
        self.by_index.insert(index, interface);
        news
    }

    /// An interface is gone; tells whether that is news.
    pub fn remove(&mut self, index: u32) -> bool {
        self.alternatives.retain(|_, of| *of != index);
        self.by_index.remove(&index).is_some()
    }

    /// An address is there, or changed; tells whether that is news.
    pub fn put_address(&mut self, index: u32, address: Configured) -> bool {
        let Some(interface) = self.by_index.get_mut(&index) else { return false };
        match interface.addresses.iter_mut().find(|known| known.ip == address.ip) {
            Some(known) => std::mem::replace(known, address) != address,
            None => {
                interface.addresses.push(address);
                true
            }
        }
    }

    /// An address is gone; tells whether that is news.
    pub fn remove_address(&mut self, index: u32, gone: IpAddr) -> bool {
        let Some(interface) = self.by_index.get_mut(&index) else { return false };
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
        let all = config.managed.addresses.iter().map(|config| config.address);
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
            IpAddr::V6(_) | IpAddr::V4(_) => None,
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

    /// Bits of the longest prefix by which an address of this node, and none of `virtual_addresses`, has
    /// `target` in its network; none: none has.
    #[must_use]
    pub fn own_prefix_of(&self, target: IpAddr, virtual_addresses: &[IpAddr]) -> Option<u8> {
        let own = |known: &&Configured| !known.ours && !virtual_addresses.contains(&known.ip);
        let has = |known: &&Configured| {
            IpNet::new(known.ip, known.prefix_len).is_ok_and(|net| net.contains(&target))
        };
        let lengths = self.addresses.iter().filter(own).filter(has).map(|known| known.prefix_len);
        lengths.max()
    }

    /// Whether addresses that are not ours may leave with `address`: the kernel removes the secondary
    /// ones of a subnet along with its primary one.
    #[must_use]
    pub fn carries_others(&self, address: &Configured) -> bool {
        let Ok(net) = IpNet::new(address.ip, address.prefix_len) else { return false };
        let primary = address.ip.is_ipv4() && !address.secondary;
        primary
            && self.addresses.iter().any(|known| {
                let same = known.prefix_len == address.prefix_len && net.contains(&known.ip);
                same && known.ip != address.ip
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
