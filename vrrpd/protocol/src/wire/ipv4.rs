//! The IPv4 header in front of what a raw socket hands over.

use std::net::IpAddr;

use pnet_packet::ipv4::Ipv4Packet;

use super::discard::Discard;
use super::validate::Datagram;

/// Bytes of an IPv4 header without options.
const MIN_HEADER: usize = 20;

/// Takes a packet apart. What counts is the header's own length and the total length, not how many
/// bytes came: a link may have padded the frame.
///
/// # Errors
/// [`Discard::IpHeader`] where the header contradicts itself or the packet.
pub fn datagram(packet: &[u8]) -> Result<Datagram<'_>, Discard> {
    let header = Ipv4Packet::new(packet).ok_or(Discard::IpHeader)?;
    let header_length = usize::from(header.get_header_length()) * 4;
    let total = usize::from(header.get_total_length());
    if header.get_version() != 4 || header_length < MIN_HEADER {
        return Err(Discard::IpHeader);
    }
    let message = packet.get(header_length..total).ok_or(Discard::IpHeader)?;
    Ok(Datagram {
        source: IpAddr::V4(header.get_source()),
        destination: IpAddr::V4(header.get_destination()),
        hops: header.get_ttl(),
        message,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header from 10.0.0.1 to 224.0.0.18 with `words` 32-bit words and `total` bytes in all.
    fn packet(words: u8, total: u8, bytes: usize) -> Vec<u8> {
        let mut packet = vec![0; bytes];
        packet[0] = 0x40 | words;
        packet[3] = total;
        packet[8] = 255;
        packet[9] = 112;
        packet[12..16].copy_from_slice(&[10, 0, 0, 1]);
        packet[16..20].copy_from_slice(&[224, 0, 0, 18]);
        packet
    }

    #[test]
    fn options_are_skipped_and_padding_is_cut() {
        let mut bytes = packet(6, 27, 46);
        bytes[24..27].copy_from_slice(b"abc");
        let datagram = datagram(&bytes).unwrap();
        assert_eq!(datagram.message, b"abc");
        assert_eq!(datagram.hops, 255);
        assert_eq!(datagram.source.to_string(), "10.0.0.1");
        assert_eq!(datagram.destination.to_string(), "224.0.0.18");
    }

    #[test]
    fn a_header_that_lies_is_discarded() {
        for (why, bytes) in [
            ("too short", vec![0x45; 4]),
            ("nothing", vec![]),
            ("header of 16 bytes", packet(4, 28, 46)),
            ("header beyond the total", packet(15, 28, 60)),
            ("total beyond the packet", packet(5, 60, 46)),
            ("total below the header", packet(5, 10, 46)),
        ] {
            assert_eq!(datagram(&bytes), Err(Discard::IpHeader), "{why}");
        }
        let mut version_6 = packet(5, 28, 46);
        version_6[0] = 0x65;
        assert_eq!(datagram(&version_6), Err(Discard::IpHeader));
    }
}
