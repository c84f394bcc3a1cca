//! Packets as values: VRRP adverts, and the ARP and ND frames that announce an address.
//!
//! Pure. Whatever bytes arrive, decoding gives an [`Advert`] or a [`Discard`] with a reason; it never
//! panics. The ladder of receive checks is [`ladder::accept`].

pub mod advert;
pub mod checksum;
pub mod discard;
pub mod excerpt;
pub mod garp;
pub mod ipv4;
pub mod ladder;
pub mod neighbor;
pub mod other_addresses;

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
