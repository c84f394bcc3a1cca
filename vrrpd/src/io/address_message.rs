//! What a message of the kernel says of an address.
#![expect(clippy::wildcard_enum_match_arm, reason = "of netlink's many attributes few concern us")]

use std::net::IpAddr;

use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressMessage, AddressProtocol,
};

use super::addresses::PROTOCOL;

/// The tag on keepalived's addresses, from 2.2.8 on (`RTPROT_KEEPALIVED`).
const KEEPALIVED: u8 = 18;

/// The address of a message: on a point-to-point link that is `Local`, not `Address`.
#[must_use]
pub fn address_of(message: &AddressMessage) -> Option<IpAddr> {
    let local = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(ip) => Some(*ip),
        _ => None,
    });
    let address = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Address(ip) => Some(*ip),
        _ => None,
    });
    local.or(address)
}

/// The address that a message is about: where ours says `OWN peer VIRTUAL`, the virtual one.
#[must_use]
pub fn virtual_address_of(message: &AddressMessage) -> Option<IpAddr> {
    if !is_own_source(message) {
        return address_of(message);
    }
    message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Address(ip) => Some(*ip),
        _ => None,
    })
}

/// Whether the message is about the node's own address, which we repeated to make a virtual one
/// secondary to it.
pub(super) fn is_own_source(message: &AddressMessage) -> bool {
    let far_end = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Address(ip) => Some(*ip),
        _ => None,
    });
    is_ours(message) && far_end.is_some() && far_end != address_of(message)
}

/// Whether the message's address bears our tag.
#[must_use]
pub fn is_ours(message: &AddressMessage) -> bool {
    message.attributes.contains(&AddressAttribute::Protocol(AddressProtocol::Other(PROTOCOL)))
}

/// Whether the message's address bears keepalived's tag.
#[must_use]
pub fn is_by_keepalived(message: &AddressMessage) -> bool {
    message.attributes.contains(&AddressAttribute::Protocol(AddressProtocol::Other(KEEPALIVED)))
}

/// Whether the message's address stays until somebody removes it (`IFA_F_PERMANENT`): what was leased, by
/// DHCP or by us, does not.
#[must_use]
pub fn is_permanent(message: &AddressMessage) -> bool {
    message.attributes.iter().any(|attribute| match attribute {
        AddressAttribute::Flags(flags) => flags.contains(AddressFlags::Permanent),
        _ => false,
    })
}
