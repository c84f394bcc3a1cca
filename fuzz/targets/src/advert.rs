//! Whatever a message says, it passes every receive check or is discarded; what is heard is what was written.

use std::net::IpAddr;

use config::{Audience, Auth, Checksum, Dialect, Password};
use vocabulary::{AdvertInterval, Family};
use vrrp::wire::checksum::checksum;
use vrrp::wire::{Coverage, Datagram, Excerpt, Expectation, Format, advert, validate};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Holds the decoder to that with these bytes.
///
/// # Panics
/// The promise is broken.
pub fn run(bytes: &[u8]) {
    let Some(input) = crate::read::<(bool, bool, u8, Vec<u8>)>(bytes) else { return };
    let (ipv6, version_2, hops, mut message) = input;
    let (source, destination) =
        if ipv6 { (ip("fe80::1"), ip("ff02::12")) } else { (ip("192.0.2.1"), ip("224.0.0.18")) };
    let password = Auth::Pass(Password::from_text("42"));
    let dialect = if version_2 { Dialect::V2(password) } else { Dialect::V3(Checksum::Auto) };
    let expectation = Expectation {
        dialect,
        interval: AdvertInterval::DEFAULT,
        audience: Audience::Multicast,
        own: ip("192.0.2.2"),
        own_prefix: 24,
        addresses: Vec::new(),
    };
    // Half of the messages get past the checksum, or the checks after it would never be reached.
    if hops.is_multiple_of(2) && message.len() >= 8 {
        let coverage = if ipv6 { Coverage::PseudoHeader } else { Coverage::Message };
        let sum = checksum(&message, coverage, source, destination);
        message[6..8].copy_from_slice(&sum.to_be_bytes());
    }
    // What is kept of a discarded message is bounded, whatever it claims.
    let excerpt = Excerpt::of(&message, Family::of(source));
    assert!(excerpt.addresses.len() <= 20 && excerpt.addresses.len() * 4 <= message.len());
    let hops = if hops < 128 { 255 } else { hops };
    let datagram = Datagram { source, destination, hops, message: &message };
    let Ok((_, heard)) = validate::accept(&datagram, |_| Some((0, &expectation))) else { return };
    let format = if version_2 { Format::V2(password) } else { Format::V3(heard.coverage) };
    let written = advert::emit(&heard.advert, format, source, destination);
    // Reserved bits are not repeated (RFC 9568 §5.2.6), and the checksum follows them.
    message[4] &= if version_2 { 0xFF } else { 0x0F };
    assert_eq!(written[..6], message[..6]);
    assert_eq!(written[8..], message[8..]);
}
