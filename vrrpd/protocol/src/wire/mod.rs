//! Packets as values: VRRP adverts, and the ARP and ND frames that announce an address.
//!
//! Pure. Whatever bytes arrive, decoding gives an [`Advert`] or a [`Discard`] with a reason; it never
//! panics. The receive checks are [`validate::accept`].

pub mod address_sender;
pub mod advert;
pub mod checksum;
pub mod discard;
pub mod envelope;
pub mod excerpt;
pub mod garp;
pub mod ipv4;
pub mod neighbor;
pub mod other_addresses;
pub mod probe;
pub mod validate;
pub mod virtual_mac;
pub mod vrids;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use vocabulary::Family;

pub use advert::{Advert, Claim, Format};
pub use checksum::Coverage;
pub use discard::Discard;
pub use excerpt::Excerpt;
pub use other_addresses::OtherAddresses;
pub use validate::{Datagram, Expectation, Heard, Rejected};

/// IP protocol number of VRRP (RFC 9568 §5.1.1.4).
pub const PROTOCOL: u8 = 112;

/// TTL or hop limit of every advert: proof that it crossed no router (RFC 9568 §5.1.1.3).
pub const HOPS: u8 = 255;

/// The group of all IPv4 VRRP routers (RFC 9568 §5.1.1.2).
pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

/// The group of all IPv6 VRRP routers (RFC 9568 §5.1.2.2).
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);

/// The group of all VRRP routers of a family.
#[must_use]
pub fn group(family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => IpAddr::V4(GROUP_V4),
        Family::Ipv6 => IpAddr::V6(GROUP_V6),
    }
}

/// Class selector 6, internetwork control: adverts go first where a network queues (RFC 4594 §3.1).
pub const TRAFFIC_CLASS: u8 = 0xC0;
