//! The checksum of an advert (RFC 9568 §5.2.8, RFC 3768 §5.3.8).

use std::net::IpAddr;

use pnet_packet::ip::IpNextHeaderProtocols;
use pnet_packet::util;

/// What the checksum is computed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coverage {
    /// The VRRP message alone: version 2, and version 3 over IPv4 as RFC 9568 has it.
    Message,
    /// Message and pseudo-header: version 3 over IPv6, and over IPv4 as RFC 5798 was read by
    /// keepalived and FRR.
    PseudoHeader,
}

/// Position of the checksum in the message, in 16-bit words.
const CHECKSUM_WORD: usize = 3;

/// The checksum of `message`, whose own checksum field is taken as zero.
#[must_use]
pub fn checksum(message: &[u8], coverage: Coverage, source: IpAddr, destination: IpAddr) -> u16 {
    match (coverage, source, destination) {
        (Coverage::PseudoHeader, IpAddr::V4(source), IpAddr::V4(destination)) => {
            let vrrp = IpNextHeaderProtocols::Vrrp;
            util::ipv4_checksum(message, CHECKSUM_WORD, &[], &source, &destination, vrrp)
        }
        (Coverage::PseudoHeader, IpAddr::V6(source), IpAddr::V6(destination)) => {
            let vrrp = IpNextHeaderProtocols::Vrrp;
            util::ipv6_checksum(message, CHECKSUM_WORD, &[], &source, &destination, vrrp)
        }
        _ => util::checksum(message, CHECKSUM_WORD),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// VRID 10, priority 200, 1 s, 192.0.2.1 and 192.0.2.2; the checksum field holds rubbish, which
    /// must not count.
    const V3_IPV4: [u8; 16] = [
        0x31, 0x0A, 0xC8, 0x02, 0x00, 0x64, 0xAA, 0x55, 0xC0, 0x00, 0x02, 0x01, 0xC0, 0x00, 0x02,
        0x02,
    ];

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn version_3_over_ipv4_in_both_forms() {
        let (source, group) = (ip("192.0.2.251"), ip("224.0.0.18"));
        // RFC 9568 §5.2.8: the message alone. By hand: 310A+C802+0064+C000+0201+C000+0202 = 27D73,
        // folded 7D75, inverted 828A.
        assert_eq!(checksum(&V3_IPV4, Coverage::Message, source, group), 0x828A);
        // RFC 5798: plus C000+02FB+E000+0012+0070+0010.
        assert_eq!(checksum(&V3_IPV4, Coverage::PseudoHeader, source, group), 0xDEFB);
    }

    #[test]
    fn version_3_over_ipv6_has_the_pseudo_header() {
        // VRID 10, priority 100, 1 s, fe80::1 and 2001:db8::1.
        let mut message = vec![0x31, 0x0A, 0x64, 0x02, 0x00, 0x64, 0x00, 0x00];
        for address in ["fe80::1", "2001:db8::1"] {
            let IpAddr::V6(address) = ip(address) else { unreachable!() };
            message.extend(address.octets());
        }
        let sum = checksum(&message, Coverage::PseudoHeader, ip("fe80::c8"), ip("ff02::12"));
        assert_eq!(sum, 0x3F5D);
    }

    #[test]
    fn version_2_counts_the_authentication_bytes() {
        // Captured from keepalived 2.2.7: VRID 51, priority 101, 1 s, 192.168.1.100, PASS "42".
        let captured = [
            0x21, 0x33, 0x65, 0x01, 0x01, 0x01, 0x82, 0x8B, 0xC0, 0xA8, 0x01, 0x64, 0x34, 0x32,
            0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        ];
        let (source, group) = (ip("192.168.1.10"), ip("224.0.0.18"));
        assert_eq!(checksum(&captured, Coverage::Message, source, group), 0x828B);
    }

    #[test]
    fn keepalived_has_the_pseudo_header_in_version_3_over_ipv4() {
        // Captured from keepalived 2.2.7: VRID 52, priority 150, 100 ms, 192.168.1.200.
        let captured = [0x31, 0x34, 0x96, 0x01, 0x00, 0x0A, 0xD4, 0x0D, 0xC0, 0xA8, 0x01, 0xC8];
        let (source, group) = (ip("192.168.1.10"), ip("224.0.0.18"));
        assert_eq!(checksum(&captured, Coverage::PseudoHeader, source, group), 0xD40D);
    }
}
