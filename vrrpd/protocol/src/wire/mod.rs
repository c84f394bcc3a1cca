//! Packets as values: VRRP adverts, and the ARP and ND frames that announce an address.
//!
//! Pure. Whatever bytes arrive, decoding gives an [`Advert`] or a [`Discard`] with a reason; it never
//! panics. The ladder of receive checks is [`ladder::accept`].

pub mod advert;
pub mod checksum;
pub mod claimant;
pub mod discard;
pub mod envelope;
pub mod excerpt;
pub mod garp;
pub mod ipv4;
pub mod ladder;
pub mod neighbor;
pub mod other_addresses;
pub mod probe;
pub mod virtual_mac;

use std::net::{Ipv4Addr, Ipv6Addr};

pub use advert::{Advert, Claim, Format};
pub use checksum::Coverage;
pub use discard::Discard;
pub use excerpt::Excerpt;
pub use ladder::{Datagram, Expectation, Heard};
pub use other_addresses::OtherAddresses;

/// IP protocol number of VRRP (RFC 9568 §5.1.1.4).
pub const PROTOCOL: u8 = 112;

/// TTL or hop limit of every advert: proof that it crossed no router (RFC 9568 §5.1.1.3).
pub const HOPS: u8 = 255;

/// The group of all IPv4 VRRP routers (RFC 9568 §5.1.1.2).
pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

/// The group of all IPv6 VRRP routers (RFC 9568 §5.1.2.2).
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);

/// Class selector 6, internetwork control: adverts go first where a network queues (RFC 4594 §3.1).
pub const TRAFFIC_CLASS: u8 = 0xC0;
