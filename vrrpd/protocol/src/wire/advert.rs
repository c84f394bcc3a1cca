//! The ADVERTISEMENT (RFC 9568 §5.1, RFC 3768 §5.1).

use std::net::IpAddr;

use config::{Auth, Password};
use vocabulary::{AdvertInterval, Priority, Vrid};

use super::checksum::{Coverage, checksum};

/// Bytes before the addresses.
pub const HEADER: usize = 8;

/// Bytes after the addresses in version 2.
pub const AUTH_TRAILER: usize = 8;

/// The only packet type there is.
pub const TYPE: u8 = 1;

/// What a router says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Claim {
    /// It is Active, with this priority.
    Lead(Priority),
    /// It stops being Active: priority 0 on the wire.
    Resign,
}

/// What an advert says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advert {
    /// The virtual router.
    pub vrid: Vrid,
    /// Leading or resigning.
    pub claim: Claim,
    /// Time between the sender's adverts.
    pub interval: AdvertInterval,
    /// The addresses, all of one family.
    pub addresses: Vec<IpAddr>,
}

/// How an advert is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Version 2: whole seconds, and always an authentication trailer.
    V2(Auth),
    /// Version 3: centiseconds, and a checksum whose coverage peers disagree on.
    V3(Coverage),
}

/// Authentication type on the wire for a clear-text password (RFC 2338 §5.3.6).
pub const AUTH_PASS: u8 = 1;

/// Writes an advert as it goes into an IP packet from `source` to `destination`.
///
/// More than 255 addresses do not fit, and are not written; the configuration allows no more.
#[must_use]
pub fn emit(advert: &Advert, format: Format, source: IpAddr, destination: IpAddr) -> Vec<u8> {
    let priority = match advert.claim {
        Claim::Lead(priority) => priority.get(),
        Claim::Resign => 0,
    };
    let count = u8::try_from(advert.addresses.len()).unwrap_or(u8::MAX);
    let version = match format {
        Format::V2(_) => 2,
        Format::V3(_) => 3,
    };
    let [high, low] = interval_field(advert.interval, format);
    let head = [(version << 4) | TYPE, advert.vrid.get(), priority, count, high, low, 0, 0];
    let mut message = head.to_vec();
    for address in advert.addresses.iter().take(usize::from(count)) {
        match address {
            IpAddr::V4(address) => message.extend(address.octets()),
            IpAddr::V6(address) => message.extend(address.octets()),
        }
    }
    let coverage = match format {
        Format::V2(auth) => {
            message.extend(password(auth).map_or([0; AUTH_TRAILER], Password::bytes));
            Coverage::Message
        }
        Format::V3(coverage) => coverage,
    };
    let sum = checksum(&message, coverage, source, destination);
    message[6..HEADER].copy_from_slice(&sum.to_be_bytes());
    message
}

/// Bytes 4 and 5: authentication type and seconds in version 2, centiseconds in version 3.
fn interval_field(interval: AdvertInterval, format: Format) -> [u8; 2] {
    match format {
        Format::V2(auth) => {
            let auth_type = if password(auth).is_some() { AUTH_PASS } else { 0 };
            [auth_type, interval.whole_seconds().unwrap_or(1)]
        }
        Format::V3(_) => interval.centiseconds().to_be_bytes(),
    }
}

fn password(auth: Auth) -> Option<Password> {
    match auth {
        Auth::None => None,
        Auth::Pass(password) => Some(password),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn advert(vrid: u8, claim: Claim, centiseconds: u16, addresses: &[&str]) -> Advert {
        Advert {
            vrid: Vrid::try_from(vrid).unwrap(),
            claim,
            interval: AdvertInterval::from_centiseconds(centiseconds).unwrap(),
            addresses: addresses.iter().map(|address| ip(address)).collect(),
        }
    }

    fn lead(priority: u8) -> Claim {
        Claim::Lead(Priority::try_from(priority).unwrap())
    }

    #[test]
    fn version_3_over_ipv4() {
        let advert = advert(10, lead(200), 100, &["192.0.2.1", "192.0.2.2"]);
        let (source, group) = (ip("192.0.2.251"), ip("224.0.0.18"));
        let rfc9568 = emit(&advert, Format::V3(Coverage::Message), source, group);
        assert_eq!(
            rfc9568,
            [0x31, 0x0A, 0xC8, 0x02, 0x00, 0x64, 0x82, 0x8A, 192, 0, 2, 1, 192, 0, 2, 2]
        );
        let rfc5798 = emit(&advert, Format::V3(Coverage::PseudoHeader), source, group);
        assert_eq!(rfc5798[6..8], [0xDE, 0xFB]);
    }

    #[test]
    fn the_longest_interval_fills_twelve_bits() {
        let advert = advert(1, lead(1), 4095, &["192.0.2.1"]);
        let format = Format::V3(Coverage::Message);
        assert_eq!(emit(&advert, format, ip("192.0.2.9"), ip("224.0.0.18"))[4..6], [0x0F, 0xFF]);
    }

    #[test]
    fn version_3_over_ipv6() {
        let advert = advert(10, lead(100), 100, &["fe80::1", "2001:db8::1"]);
        let format = Format::V3(Coverage::PseudoHeader);
        let bytes = emit(&advert, format, ip("fe80::c8"), ip("ff02::12"));
        assert_eq!(bytes.len(), 40);
        assert_eq!(bytes[..8], [0x31, 0x0A, 0x64, 0x02, 0x00, 0x64, 0x3F, 0x5D]);
        assert_eq!(bytes[8..10], [0xFE, 0x80]);
    }

    #[test]
    fn version_2_is_what_keepalived_sends() {
        let (source, group) = (ip("192.168.1.10"), ip("224.0.0.18"));
        let with_password = advert(51, lead(101), 100, &["192.168.1.100"]);
        let pass = Auth::Pass(Password::from_text("42"));
        assert_eq!(
            emit(&with_password, Format::V2(pass), source, group),
            [
                0x21, 0x33, 0x65, 0x01, 0x01, 0x01, 0x82, 0x8B, 0xC0, 0xA8, 0x01, 0x64, 0x34, 0x32,
                0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
            ]
        );
        let without = advert(53, lead(51), 100, &["192.168.1.201"]);
        assert_eq!(
            emit(&without, Format::V2(Auth::None), source, group),
            [
                0x21, 0x35, 0x33, 0x01, 0x00, 0x01, 0xE9, 0x56, 0xC0, 0xA8, 0x01, 0xC9, 0x00, 0x00,
                0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
            ]
        );
    }

    #[test]
    fn version_3_with_the_pseudo_header_is_what_keepalived_sends() {
        let advert = advert(52, lead(150), 10, &["192.168.1.200"]);
        let (source, group) = (ip("192.168.1.10"), ip("224.0.0.18"));
        assert_eq!(
            emit(&advert, Format::V3(Coverage::PseudoHeader), source, group),
            [0x31, 0x34, 0x96, 0x01, 0x00, 0x0A, 0xD4, 0x0D, 0xC0, 0xA8, 0x01, 0xC8]
        );
    }

    #[test]
    fn version_2_without_authentication_still_has_the_trailer() {
        let advert = advert(10, lead(200), 100, &["192.0.2.1", "192.0.2.2"]);
        let (source, group) = (ip("192.0.2.251"), ip("224.0.0.18"));
        let plain = emit(&advert, Format::V2(Auth::None), source, group);
        assert_eq!(plain.len(), 24);
        assert_eq!(plain[6..8], [0x92, 0xED]);
        assert_eq!(plain[16..], [0; 8]);
        let pass = Auth::Pass(Password::from_text("d0cker"));
        assert_eq!(emit(&advert, Format::V2(pass), source, group)[6..8], [0x64, 0xDF]);
    }

    #[test]
    fn resigning_is_priority_zero() {
        let advert = advert(51, Claim::Resign, 100, &["192.0.2.1"]);
        let format = Format::V3(Coverage::Message);
        assert_eq!(emit(&advert, format, ip("192.0.2.9"), ip("224.0.0.18"))[2], 0);
    }
}
