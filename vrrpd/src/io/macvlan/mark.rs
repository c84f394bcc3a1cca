//! What netlink says of a link, as far as it concerns links for virtual MAC addresses.
#![expect(clippy::wildcard_enum_match_arm, reason = "of netlink's many attributes few concern us")]

use std::fmt;

use netlink_packet_core::{DefaultNla, Emitable, NLA_F_NESTED};
use netlink_packet_route::link::{
    AfSpecInet, AfSpecUnspec, InfoKind, LinkAttribute, LinkInfo, LinkMessage,
};
use pnet_base::MacAddr;

/// The first word of our links' alias.
const WORD: &str = "vipd";

/// Settings of `net.ipv4.conf.INTERFACE`, by the kernel's numbers (`linux/ip.h`).
const IFLA_INET_CONF: u16 = 1;
pub(super) const RP_FILTER: u16 = 8;
pub(super) const ARP_ANNOUNCE: u16 = 18;
pub(super) const ARP_IGNORE: u16 = 19;

/// By which a link is known for ours: its alias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// The parent's settings before; IPv6 leaves them alone.
    pub(super) before: Option<Arp>,
}

/// How an interface deals with ARP (`arp_ignore` and `arp_announce`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arp {
    pub(super) ignore: u32,
    pub(super) announce: u32,
}

impl Mark {
    fn parse(alias: &str) -> Option<Self> {
        let mut words = alias.split(' ');
        if words.next() != Some(WORD) {
            return None;
        }
        let mut number = |key: &str| words.next()?.strip_prefix(key)?.parse().ok();
        let (ignore, announce) = (number("arp_ignore="), number("arp_announce="));
        let before = ignore.zip(announce).map(|(ignore, announce)| Arp { ignore, announce });
        Some(Self { before })
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(WORD)?;
        if let Some(Arp { ignore, announce }) = self.before {
            write!(f, " arp_ignore={ignore} arp_announce={announce}")?;
        }
        Ok(())
    }
}

impl Arp {
    /// The settings of a link; the kernel's defaults where it does not say.
    pub(super) fn of(link: &LinkMessage) -> Self {
        let specs = link.attributes.iter().find_map(|attribute| match attribute {
            LinkAttribute::AfSpecUnspec(specs) => Some(specs),
            _ => None,
        });
        let inet = specs.into_iter().flatten().find_map(|spec| match spec {
            AfSpecUnspec::Inet(inet) => Some(inet),
            _ => None,
        });
        let settings = inet.into_iter().flatten().find_map(|inet| match inet {
            AfSpecInet::DevConf(settings) => Some(settings),
            _ => None,
        });
        let number = |number: i32| u32::try_from(number).unwrap_or(0);
        settings.map_or(Self { ignore: 0, announce: 0 }, |settings| Self {
            ignore: number(settings.arp_ignore),
            announce: number(settings.arp_announce),
        })
    }
}

/// Settings as the kernel takes them: numbers, each under its own.
pub(super) fn ipv4_settings(settings: &[(u16, u32)]) -> AfSpecUnspec {
    let mut bytes = Vec::new();
    for (kind, value) in settings {
        let setting = DefaultNla::new(*kind, value.to_ne_bytes().to_vec());
        let start = bytes.len();
        bytes.resize(start + setting.buffer_len(), 0);
        setting.emit(&mut bytes[start..]);
    }
    let all = DefaultNla::new(IFLA_INET_CONF | NLA_F_NESTED, bytes);
    AfSpecUnspec::Inet(vec![AfSpecInet::Other(all)])
}

pub(super) fn name_of(link: &LinkMessage) -> Option<&str> {
    link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.as_str()),
        _ => None,
    })
}

/// The mark of a link that is ours.
pub(super) fn mark_of(link: &LinkMessage) -> Option<Mark> {
    let alias = link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfAlias(alias) => Some(alias.as_str()),
        _ => None,
    });
    Mark::parse(alias.filter(|_| is_macvlan(link))?)
}

/// An Ethernet address.
pub(in crate::io) fn mac_of(link: &LinkMessage) -> Option<MacAddr> {
    link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Address(bytes) => {
            let [a, b, c, d, e, f] = <[u8; 6]>::try_from(bytes.as_slice()).ok()?;
            Some(MacAddr::new(a, b, c, d, e, f))
        }
        _ => None,
    })
}

/// The largest packet, in bytes.
pub(in crate::io) fn mtu_of(link: &LinkMessage) -> Option<u32> {
    link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Mtu(mtu) => Some(*mtu),
        _ => None,
    })
}

/// The index of the interface that a macvlan is made upon.
pub(in crate::io) fn upon(link: &LinkMessage) -> Option<u32> {
    link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Link(index) if is_macvlan(link) => Some(*index),
        _ => None,
    })
}

pub(super) fn is_upon(link: &LinkMessage, parent: &LinkMessage) -> bool {
    upon(link) == Some(parent.header.index)
}

fn is_macvlan(link: &LinkMessage) -> bool {
    link.attributes.iter().any(|attribute| match attribute {
        LinkAttribute::LinkInfo(infos) => infos.contains(&LinkInfo::Kind(InfoKind::MacVlan)),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_remembers_the_parents_settings() {
        let mark = Mark { before: Some(Arp { ignore: 0, announce: 1 }) };
        assert_eq!(mark.to_string(), "vipd arp_ignore=0 arp_announce=1");
        assert_eq!(Mark::parse("vipd arp_ignore=0 arp_announce=1"), Some(mark));
        assert_eq!(Mark { before: None }.to_string(), "vipd");
        assert_eq!(Mark::parse("vipd"), Some(Mark { before: None }));
        for other in ["", "uplink", "vipdock", "keepalived vipd"] {
            assert_eq!(Mark::parse(other), None, "{other:?}");
        }
    }

    #[test]
    fn settings_look_like_this_to_the_kernel() {
        let AfSpecUnspec::Inet(inet) = ipv4_settings(&[(ARP_IGNORE, 1), (RP_FILTER, 2)]) else {
            panic!("of IPv4");
        };
        let mut bytes = vec![0; inet.as_slice().buffer_len()];
        inet.as_slice().emit(&mut bytes);
        // 20 bytes, nested, IFLA_INET_CONF; 8 bytes each: number 19 is 1 and number 8 is 2.
        let expected = [20, 0, 1, 0x80, 8, 0, 19, 0, 1, 0, 0, 0, 8, 0, 8, 0, 2, 0, 0, 0];
        assert_eq!(bytes, expected, "on a little-endian machine");
    }
}
