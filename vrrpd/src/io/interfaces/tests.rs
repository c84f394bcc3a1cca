//! What messages of the kernel make of a picture of its interfaces.

use netlink_packet_route::address::AddressProtocol;

use super::super::address_message::virtual_address_of;
use super::super::addresses::PROTOCOL;
use std::net::IpAddr;

use vocabulary::{Family, VirtualAddress};

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
    link_changed(&mut interfaces, &link(7, "eth0", LinkFlags::Up | LinkFlags::LowerUp));
    interfaces
}

fn name() -> InterfaceName {
    InterfaceName::try_from("eth0").unwrap()
}

#[test]
fn an_interface_runs_with_carrier_only() {
    let mut interfaces = eth0();
    assert!(interfaces.named(&name()).unwrap().running);
    link_changed(&mut interfaces, &link(7, "eth0", LinkFlags::Up));
    assert!(!interfaces.named(&name()).unwrap().running);
    link_removed(&mut interfaces, &link(7, "eth0", LinkFlags::empty()));
    assert_eq!(interfaces.named(&name()), None);
}

#[test]
fn a_renamed_interface_keeps_its_addresses() {
    let mut interfaces = eth0();
    address_changed(&mut interfaces, &address(7, "10.0.0.1", AddressFlags::empty(), false));
    link_changed(&mut interfaces, &link(7, "lan0", LinkFlags::Up));
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
        address_changed(&mut interfaces, &address(7, text, flags, ours));
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
    address_changed(&mut interfaces, &with_prefix(own, 24));
    let virtual_one = address(7, "10.0.0.99", AddressFlags::empty(), true);
    address_changed(&mut interfaces, &with_prefix(virtual_one, 32));
    assert_eq!(own_source(&interfaces, "10.0.0.100/32").as_deref(), Some("10.0.0.11"));
    // In its subnet an address is secondary anyway; of another subnet it would not be.
    assert_eq!(own_source(&interfaces, "10.0.0.100/24"), None);
    assert_eq!(own_source(&interfaces, "10.0.1.100/24").as_deref(), Some("10.0.0.11"));
    assert_eq!(own_source(&interfaces, "2001:db8::100/64"), None);
}

#[test]
fn an_ipv6_clients_source_is_of_the_addresss_subnet() {
    let mut interfaces = eth0();
    let own_source = |interfaces: &Interfaces, text: &str| {
        let found = interfaces.named(&name()).unwrap().own_source_v6_for(text.parse().unwrap());
        found.map(|ip| ip.to_string())
    };
    let none = AddressFlags::empty();
    for (text, flags, ours) in [
        ("fe80::11", none, false),
        ("2001:db8::99", none, true),
        ("2001:db8::dead", AddressFlags::Tentative, false),
        ("2001:db8::7e37", AddressFlags::Secondary, false),
    ] {
        address_changed(&mut interfaces, &with_prefix(address(7, text, flags, ours), 64));
    }
    assert_eq!(own_source(&interfaces, "2001:db8::100"), None);
    for text in ["fd77::11", "2001:db8::11", "2001:db8::12"] {
        address_changed(&mut interfaces, &with_prefix(address(7, text, none, false), 64));
    }
    assert_eq!(own_source(&interfaces, "2001:db8::100").as_deref(), Some("2001:db8::11"));
    assert_eq!(own_source(&interfaces, "2001:db8:1::100").as_deref(), Some("fd77::11"));
    assert_eq!(own_source(&interfaces, "fe80::100"), None);
}

#[test]
fn what_makes_addresses_secondary_stays_for_the_last_of_a_subnet() {
    let mut interfaces = eth0();
    for text in ["10.1.0.1", "10.1.0.2"] {
        let message = address(7, text, AddressFlags::empty(), true);
        address_changed(&mut interfaces, &with_prefix(message, 24));
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
    address_changed(&mut interfaces, &address(7, "10.0.0.11", AddressFlags::empty(), false));
    let mut message = address(7, "10.0.0.100", AddressFlags::empty(), true);
    message.attributes.push(AddressAttribute::Local(ip("10.0.0.11")));
    assert_eq!(virtual_address_of(&message), Some(ip("10.0.0.100")));
    assert!(!address_changed(&mut interfaces, &message));
    assert!(!address_removed(&mut interfaces, &message));
    assert!(interfaces.named(&name()).unwrap().has_from_others(ip("10.0.0.11")));
}

#[test]
fn addresses_come_and_go() {
    let mut interfaces = eth0();
    let message = address(7, "10.0.0.100", AddressFlags::empty(), true);
    assert!(address_changed(&mut interfaces, &message));
    // A renewed lease is no news.
    assert!(!address_changed(&mut interfaces, &message));
    let has = |interfaces: &Interfaces| interfaces.named(&name()).unwrap().has(ip("10.0.0.100"));
    assert!(has(&interfaces));
    assert!(!interfaces.named(&name()).unwrap().has_from_others(ip("10.0.0.100")));
    assert!(address_removed(&mut interfaces, &message));
    assert!(!has(&interfaces));
}
