//! What messages of the kernel make of a picture of its interfaces.
#![expect(clippy::wildcard_enum_match_arm, reason = "of netlink's many messages few concern us")]

use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage, Prop};
use vocabulary::InterfaceName;
use vrrp::interfaces::{Configured, Interfaces, Link};

use super::address_message::{address_of, is_by_keepalived, is_ours, is_own_source, is_permanent};
use super::macvlan::{mac_of, mtu_of, upon};

/// An interface is there, or changed; tells whether that is news.
pub fn link_changed(interfaces: &mut Interfaces, message: &LinkMessage) -> bool {
    let name = message.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => InterfaceName::try_from(name.as_str()).ok(),
        _ => None,
    });
    let Some(name) = name else { return false };
    let (index, flags) = (message.header.index, message.header.flags);
    let running = flags.contains(LinkFlags::Up | LinkFlags::LowerUp);
    let loopback = flags.contains(LinkFlags::Loopback);
    let mac = mac_of(message).or_else(|| interfaces.at(index)?.mac);
    let mtu = mtu_of(message).or_else(|| interfaces.at(index)?.mtu);
    let link = Link { name, running, loopback, mac, upon: upon(message), mtu };
    // Both are to be taken over, whatever of it is news.
    let [link, names] =
        [interfaces.put(index, link), interfaces.put_alternatives(index, alternatives(message))];
    link || names
}

/// What `ip link` calls `altname`; one that is too long for us cannot be in a configuration.
fn alternatives(message: &LinkMessage) -> Vec<InterfaceName> {
    let lists = message.attributes.iter().filter_map(|attribute| match attribute {
        LinkAttribute::PropList(list) => Some(list),
        _ => None,
    });
    let name = |prop: &Prop| match prop {
        Prop::AltIfName(name) => InterfaceName::try_from(name.as_str()).ok(),
        _ => None,
    };
    lists.flatten().filter_map(name).collect()
}

/// An interface is gone; tells whether that is news.
pub fn link_removed(interfaces: &mut Interfaces, message: &LinkMessage) -> bool {
    interfaces.remove(message.header.index)
}

/// An address is there, or changed; tells whether that is news.
pub fn address_changed(interfaces: &mut Interfaces, message: &AddressMessage) -> bool {
    let Some(configured) = configured(message) else { return false };
    interfaces.put_address(message.header.index, configured)
}

/// An address is gone; tells whether that is news.
pub fn address_removed(interfaces: &mut Interfaces, message: &AddressMessage) -> bool {
    let gone = address_of(message).filter(|_| !is_own_source(message));
    gone.is_some_and(|gone| interfaces.remove_address(message.header.index, gone))
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
        by_keepalived: is_by_keepalived(message),
        permanent: is_permanent(message),
        tentative: flags.intersects(AddressFlags::Tentative | AddressFlags::Dadfailed),
        secondary: flags.contains(AddressFlags::Secondary),
    })
}

#[cfg(test)]
mod tests;
