//! What the kernel said of interfaces and addresses, as a value.
#![expect(clippy::wildcard_enum_match_arm, reason = "of netlink's many messages few concern us")]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use pnet_base::MacAddr;
use shared::config::{Audience, RouterConfig};
use shared::{Family, InterfaceName, VirtualAddress, address::is_link_local};

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

    /// An interface is there, or changed; tells whether that is news.
    pub fn link_changed(&mut self, message: &LinkMessage) -> bool {
        let name = message.attributes.iter().find_map(|attribute| match attribute {
            LinkAttribute::IfName(name) => InterfaceName::try_from(name.as_str()).ok(),
            _ => None,
        });
        let Some(name) = name else { return false };
        let index = message.header.index;
        let running = message.header.flags.contains(LinkFlags::Up | LinkFlags::LowerUp);
        let known = self.by_index.get(&index);
        let addresses = known.map(|known| known.addresses.clone()).unwrap_or_default();
        let mac = mac_of(message).or_else(|| known?.mac);
        let upon = upon(message);
        let interface = Interface { name, index, running, mac, upon, addresses };
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
mod tests {
    use netlink_packet_route::address::AddressProtocol;

    use super::super::address_message::virtual_address_of;
    use super::super::addresses::PROTOCOL;
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn link(index: u32, name: &str, flags: LinkFlags) -> LinkMessage {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.header.flags = flags;
        message.attributes.push(LinkAttribute::IfName(name.to_owned()));
        message
    }

    fn address(index: u32, text: &str, flags: AddressFlags, ours: bool) -> AddressMessage {
        let mut message = AddressMessage::default();
        message.header.index = index;
        message.attributes.push(AddressAttribute::Address(ip(text)));
        message.attributes.push(AddressAttribute::Flags(flags));
        if ours {
            message.attributes.push(AddressAttribute::Protocol(AddressProtocol::Other(PROTOCOL)));
        }
        message
    }

    fn eth0() -> Interfaces {
        let mut interfaces = Interfaces::default();
        interfaces.link_changed(&link(7, "eth0", LinkFlags::Up | LinkFlags::LowerUp));
        interfaces
    }

    fn name() -> InterfaceName {
        InterfaceName::try_from("eth0").unwrap()
    }

    #[test]
    fn an_interface_runs_with_carrier_only() {
        let mut interfaces = eth0();
        assert!(interfaces.named(&name()).unwrap().running);
        interfaces.link_changed(&link(7, "eth0", LinkFlags::Up));
        assert!(!interfaces.named(&name()).unwrap().running);
        interfaces.link_removed(&link(7, "eth0", LinkFlags::empty()));
        assert_eq!(interfaces.named(&name()), None);
    }

    #[test]
    fn a_renamed_interface_keeps_its_addresses() {
        let mut interfaces = eth0();
        interfaces.address_changed(&address(7, "10.0.0.1", AddressFlags::empty(), false));
        interfaces.link_changed(&link(7, "lan0", LinkFlags::Up));
        assert_eq!(interfaces.named(&name()), None);
        let renamed = interfaces.named(&InterfaceName::try_from("lan0").unwrap()).unwrap();
        assert!(renamed.has(ip("10.0.0.1")));
    }

    #[test]
    fn the_source_is_the_interfaces_own_address() {
        let mut interfaces = eth0();
        let none = AddressFlags::empty();
        for (text, flags, ours) in [
            ("10.0.0.100", none, true),
            ("10.0.0.99", none, false),
            ("10.0.0.12", AddressFlags::Secondary, false),
            ("10.0.0.11", none, false),
            ("2001:db8::11", none, false),
            ("fe80::dead", AddressFlags::Tentative, false),
            ("fe80::100", none, true),
            ("fe80::11", none, false),
        ] {
            interfaces.address_changed(&address(7, text, flags, ours));
        }
        let eth0 = interfaces.named(&name()).unwrap();
        let virtual_addresses = [VirtualAddress::try_from("10.0.0.99").unwrap()];
        let source = |family, beyond| eth0.source(family, &virtual_addresses, beyond);
        assert_eq!(source(Family::Ipv4, false), Some(ip("10.0.0.11")));
        assert_eq!(source(Family::Ipv6, false), Some(ip("fe80::11")));
        assert_eq!(source(Family::Ipv6, true), Some(ip("2001:db8::11")));
    }

    fn with_prefix(message: AddressMessage, prefix_len: u8) -> AddressMessage {
        let mut message = message;
        message.header.prefix_len = prefix_len;
        message
    }

    #[test]
    fn a_clients_source_is_the_nodes_own_address() {
        let mut interfaces = eth0();
        let own_source = |interfaces: &Interfaces, text| {
            let address = VirtualAddress::try_from(text).unwrap();
            interfaces.named(&name()).unwrap().own_source_for(address).map(|ip| ip.to_string())
        };
        assert_eq!(own_source(&interfaces, "10.0.0.100/32"), None);
        let own = address(7, "10.0.0.11", AddressFlags::empty(), false);
        interfaces.address_changed(&with_prefix(own, 24));
        let virtual_one = address(7, "10.0.0.99", AddressFlags::empty(), true);
        interfaces.address_changed(&with_prefix(virtual_one, 32));
        assert_eq!(own_source(&interfaces, "10.0.0.100/32").as_deref(), Some("10.0.0.11"));
        // In its subnet an address is secondary anyway; of another subnet it would not be.
        assert_eq!(own_source(&interfaces, "10.0.0.100/24"), None);
        assert_eq!(own_source(&interfaces, "10.0.1.100/24").as_deref(), Some("10.0.0.11"));
        assert_eq!(own_source(&interfaces, "2001:db8::100/64"), None);
    }

    #[test]
    fn what_makes_addresses_secondary_stays_for_the_last_of_a_subnet() {
        let mut interfaces = eth0();
        for text in ["10.1.0.1", "10.1.0.2"] {
            let message = address(7, text, AddressFlags::empty(), true);
            interfaces.address_changed(&with_prefix(message, 24));
        }
        let eth0 = interfaces.named(&name()).unwrap();
        let first = VirtualAddress::try_from("10.1.0.1/24").unwrap();
        assert!(eth0.shares_subnet(first, &[]));
        assert!(eth0.shares_subnet(first, &[ip("10.1.0.1")]));
        assert!(!eth0.shares_subnet(first, &[ip("10.1.0.1"), ip("10.1.0.2")]));
        assert!(!eth0.shares_subnet(VirtualAddress::try_from("10.1.0.1/32").unwrap(), &[]));
    }

    #[test]
    fn what_makes_an_address_secondary_is_no_address() {
        let mut interfaces = eth0();
        interfaces.address_changed(&address(7, "10.0.0.11", AddressFlags::empty(), false));
        let mut message = address(7, "10.0.0.100", AddressFlags::empty(), true);
        message.attributes.push(AddressAttribute::Local(ip("10.0.0.11")));
        assert_eq!(virtual_address_of(&message), Some(ip("10.0.0.100")));
        assert!(!interfaces.address_changed(&message));
        assert!(!interfaces.address_removed(&message));
        assert!(interfaces.named(&name()).unwrap().has_from_others(ip("10.0.0.11")));
    }

    #[test]
    fn addresses_come_and_go() {
        let mut interfaces = eth0();
        let message = address(7, "10.0.0.100", AddressFlags::empty(), true);
        assert!(interfaces.address_changed(&message));
        // A renewed lease is no news.
        assert!(!interfaces.address_changed(&message));
        let has =
            |interfaces: &Interfaces| interfaces.named(&name()).unwrap().has(ip("10.0.0.100"));
        assert!(has(&interfaces));
        assert!(!interfaces.named(&name()).unwrap().has_from_others(ip("10.0.0.100")));
        assert!(interfaces.address_removed(&message));
        assert!(!has(&interfaces));
    }
}
