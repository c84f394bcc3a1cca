//! The frame around an advert whose sender is a virtual MAC address: Ethernet and IP headers.

use std::net::IpAddr;

use pnet_base::MacAddr;
use pnet_packet::ethernet::{EtherTypes, MutableEthernetPacket};
use pnet_packet::ip::IpNextHeaderProtocol;
use pnet_packet::ipv4::{Ipv4Flags, MutableIpv4Packet, checksum};
use pnet_packet::ipv6::MutableIpv6Packet;

use super::{GROUP_V4, GROUP_V6, HOPS, PROTOCOL, TRAFFIC_CLASS};

const ETHERNET: usize = 14;
const IPV4: u16 = 20;
const IPV6: usize = 40;

/// Ethernet's groups for those of IP (RFC 1112 §6.4, RFC 2464 §7).
const GROUP_MAC_V4: MacAddr = MacAddr(0x01, 0x00, 0x5E, 0x00, 0x00, 0x12);
const GROUP_MAC_V6: MacAddr = MacAddr(0x33, 0x33, 0x00, 0x00, 0x00, 0x12);

/// The frame that carries `message` from `mac` and `source` to all VRRP routers of the link.
///
/// A message of over 65,000 bytes does not fit; an advert has 1,500 at most.
#[must_use]
pub fn frame(mac: MacAddr, source: IpAddr, message: &[u8]) -> Vec<u8> {
    let (ether_type, group, header) = match source {
        IpAddr::V4(_) => (EtherTypes::Ipv4, GROUP_MAC_V4, IPV4.into()),
        IpAddr::V6(_) => (EtherTypes::Ipv6, GROUP_MAC_V6, IPV6),
    };
    let mut frame = vec![0; ETHERNET + header];
    if let Some(mut ethernet) = MutableEthernetPacket::new(&mut frame) {
        ethernet.set_destination(group);
        ethernet.set_source(mac);
        ethernet.set_ethertype(ether_type);
    }
    write_ip(&mut frame[ETHERNET..], source, message.len());
    frame.extend(message);
    frame
}

fn write_ip(header: &mut [u8], source: IpAddr, length: usize) {
    let length = u16::try_from(length).unwrap_or(u16::MAX);
    let protocol = IpNextHeaderProtocol(PROTOCOL);
    match source {
        IpAddr::V4(source) => {
            let Some(mut ipv4) = MutableIpv4Packet::new(header) else { return };
            ipv4.set_version(4);
            ipv4.set_header_length(5);
            ipv4.set_dscp(TRAFFIC_CLASS >> 2);
            ipv4.set_total_length(length.saturating_add(IPV4));
            // It fits every link, and is never put together again: it needs no number.
            ipv4.set_flags(Ipv4Flags::DontFragment);
            ipv4.set_ttl(HOPS);
            ipv4.set_next_level_protocol(protocol);
            ipv4.set_source(source);
            ipv4.set_destination(GROUP_V4);
            let sum = checksum(&ipv4.to_immutable());
            ipv4.set_checksum(sum);
        }
        IpAddr::V6(source) => {
            let Some(mut ipv6) = MutableIpv6Packet::new(header) else { return };
            ipv6.set_version(6);
            ipv6.set_traffic_class(TRAFFIC_CLASS);
            ipv6.set_payload_length(length);
            ipv6.set_next_header(protocol);
            ipv6.set_hop_limit(HOPS);
            ipv6.set_source(source);
            ipv6.set_destination(GROUP_V6);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: MacAddr = MacAddr(0x00, 0x00, 0x5E, 0x00, 0x01, 0x33);

    #[test]
    fn an_ipv4_advert_goes_to_the_group_with_ttl_255() {
        let frame = frame(MAC, "192.0.2.251".parse().unwrap(), b"advert");
        let ethernet = [0x01, 0, 0x5E, 0, 0, 0x12, 0, 0, 0x5E, 0, 0x01, 0x33, 0x08, 0x00];
        assert_eq!(frame[..14], ethernet);
        // 26 bytes, do not fragment, TTL 255, protocol 112. The words 45C0 001A 0000 4000 FF70 C000
        // 02FB E000 0012 add up to 32857, folded 285A; its complement is D7A5.
        let header =
            [0x45, 0xC0, 0, 26, 0, 0, 0x40, 0, 255, 112, 0xD7, 0xA5, 192, 0, 2, 251, 224, 0, 0, 18];
        assert_eq!(frame[14..34], header);
        assert_eq!(frame[34..], *b"advert");
    }

    #[test]
    fn an_ipv6_advert_goes_to_the_group_with_hop_limit_255() {
        let frame = frame(MAC, "fe80::b".parse().unwrap(), b"advert");
        let ethernet = [0x33, 0x33, 0, 0, 0, 0x12, 0, 0, 0x5E, 0, 0x01, 0x33, 0x86, 0xDD];
        assert_eq!(frame[..14], ethernet);
        assert_eq!(frame[14..22], [0x6C, 0, 0, 0, 0, 6, 112, 255]);
        assert_eq!(frame[22..38], [0xFE, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11]);
        assert_eq!(frame[38..54], [0xFF, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12]);
        assert_eq!(frame[54..], *b"advert");
    }
}
