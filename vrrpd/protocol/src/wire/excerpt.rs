//! What can be read of a packet that was discarded: evidence for people, trusted by nobody.

use std::net::IpAddr;
use std::time::Duration;

use vocabulary::Family;

use super::advert::HEADER;
use super::validate::addresses;

/// Addresses that are kept of a packet; who lists more is known by the count.
const ADDRESSES: usize = 20;

/// The fields of a message, as far as it goes. They may contradict each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Excerpt {
    /// The fixed part; none where the message is too short.
    pub header: Option<Header>,
    /// The first addresses that are really there.
    pub addresses: Vec<IpAddr>,
}

/// The fixed part of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Version of the protocol.
    pub version: u8,
    /// Virtual router identifier.
    pub vrid: u8,
    /// Priority.
    pub priority: u8,
    /// How many addresses it claims to list.
    pub count: u8,
    /// Version 2: its authentication type.
    pub auth_type: Option<u8>,
    /// Time between adverts: seconds in version 2, hundredths in every other.
    pub interval: Duration,
}

impl Excerpt {
    /// Reads what is there of `message`.
    #[must_use]
    pub fn of(message: &[u8], family: Family) -> Self {
        let Some((header, rest)) = message.split_first_chunk::<HEADER>() else {
            return Self::default();
        };
        let [version_type, vrid, priority, count, high, low, ..] = *header;
        let version = version_type >> 4;
        let (auth_type, interval) = if version == 2 {
            (Some(high), Duration::from_secs(u64::from(low)))
        } else {
            let centiseconds = u16::from_be_bytes([high & 0x0F, low]);
            (None, Duration::from_millis(u64::from(centiseconds) * 10))
        };
        let mut addresses = addresses(rest, family);
        addresses.truncate(ADDRESSES.min(usize::from(count)));
        let header = Header { version, vrid, priority, count, auth_type, interval };
        Self { header: Some(header), addresses }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_2_has_seconds_and_an_authentication_type() {
        // Captured from keepalived 2.2.7.
        let message = [
            0x21, 0x33, 0x65, 0x01, 0x01, 0x02, 0x82, 0x8B, 0xC0, 0xA8, 0x01, 0x64, 0x34, 0x32,
            0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        ];
        let excerpt = Excerpt::of(&message, Family::Ipv4);
        let header = excerpt.header.unwrap();
        assert_eq!((header.version, header.vrid, header.priority, header.count), (2, 51, 101, 1));
        assert_eq!((header.auth_type, header.interval), (Some(1), Duration::from_secs(2)));
        // The trailer, with the password in it, is none of the addresses.
        assert_eq!(excerpt.addresses, [IpAddr::from([192, 168, 1, 100])]);
    }

    #[test]
    fn version_3_has_centiseconds() {
        let message = [0x31, 10, 200, 1, 0xF0, 0x0A, 0, 0, 192, 0, 2, 1];
        let header = Excerpt::of(&message, Family::Ipv4).header.unwrap();
        assert_eq!((header.version, header.auth_type), (3, None));
        assert_eq!(header.interval, Duration::from_millis(100));
    }

    #[test]
    fn what_is_not_there_is_not_read() {
        assert_eq!(Excerpt::of(&[], Family::Ipv4), Excerpt::default());
        assert_eq!(Excerpt::of(&[0x31; 7], Family::Ipv6), Excerpt::default());
        // 255 addresses are claimed, and one and a half are there.
        let message = [0x31, 10, 200, 255, 0, 100, 0, 0, 192, 0, 2, 1, 192, 0];
        let excerpt = Excerpt::of(&message, Family::Ipv4);
        assert_eq!(excerpt.addresses, [IpAddr::from([192, 0, 2, 1])]);
        assert_eq!(Excerpt::of(&message, Family::Ipv6).addresses, [] as [IpAddr; 0]);
        // However many there are, twenty are kept.
        let long = [&message[..8], &[10; 4 * 255]].concat();
        assert_eq!(Excerpt::of(&long, Family::Ipv4).addresses.len(), 20);
    }
}
