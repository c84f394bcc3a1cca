//! Unsolicited Neighbor Advertisements (RFC 9568 §8.2.2, RFC 4861 §7.2.6).

use std::net::Ipv6Addr;

use pnet_base::MacAddr;
use pnet_packet::ethernet::{EtherTypes, MutableEthernetPacket};
use pnet_packet::icmpv6::ndp::{
    MutableNdpOptionPacket, MutableNeighborAdvertPacket, NdpOptionTypes, NeighborAdvertFlags,
};
use pnet_packet::icmpv6::{Icmpv6Types, MutableIcmpv6Packet};
use pnet_packet::ip::IpNextHeaderProtocols;
use pnet_packet::ipv6::MutableIpv6Packet;
use pnet_packet::util;

const ETHERNET: usize = 14;
const IPV6: usize = 40;
/// Neighbor Advertisement with one option.
const MESSAGE: u16 = 32;
/// Where the option starts in the message.
const OPTION: usize = 24;
/// Bytes of the frame.
const FRAME: usize = ETHERNET + IPV6 + MESSAGE as usize;

/// All nodes on the link (RFC 4291 §2.7.1), and the Ethernet group they hear it by.
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_NODES_MAC: MacAddr = MacAddr(0x33, 0x33, 0, 0, 0, 1);

/// The frame that tells every host on the link that `address` is at `mac`.
///
/// It comes from the address itself, as keepalived's does. `router` sets the R flag: a host that
/// forwards must, or its neighbours drop it from their default routers (RFC 4861 §7.2.5).
#[must_use]
pub fn frame(address: Ipv6Addr, mac: MacAddr, router: bool) -> [u8; FRAME] {
    let mut frame = [0; FRAME];
    let (ethernet, packet) = frame.split_at_mut(ETHERNET);
    let (header, message) = packet.split_at_mut(IPV6);
    if let Some(mut ethernet) = MutableEthernetPacket::new(ethernet) {
        ethernet.set_destination(ALL_NODES_MAC);
        ethernet.set_source(mac);
        ethernet.set_ethertype(EtherTypes::Ipv6);
    }
    if let Some(mut ipv6) = MutableIpv6Packet::new(header) {
        ipv6.set_version(6);
        ipv6.set_payload_length(MESSAGE);
        ipv6.set_next_header(IpNextHeaderProtocols::Icmpv6);
        // RFC 4861 §7.1.2: anything less crossed a router.
        ipv6.set_hop_limit(255);
        ipv6.set_source(address);
        ipv6.set_destination(ALL_NODES);
    }
    write_message(message, address, mac, router);
    let icmpv6 = IpNextHeaderProtocols::Icmpv6;
    let sum = util::ipv6_checksum(message, 1, &[], &address, &ALL_NODES, icmpv6);
    if let Some(mut icmpv6) = MutableIcmpv6Packet::new(message) {
        icmpv6.set_checksum(sum);
    }
    frame
}

/// S = 0: nobody asked. O = 1: forget what you knew.
fn write_message(message: &mut [u8], address: Ipv6Addr, mac: MacAddr, router: bool) {
    if let Some(mut advert) = MutableNeighborAdvertPacket::new(message) {
        advert.set_icmpv6_type(Icmpv6Types::NeighborAdvert);
        let router_flag = if router { NeighborAdvertFlags::Router } else { 0 };
        advert.set_flags(NeighborAdvertFlags::Override | router_flag);
        advert.set_target_addr(address);
    }
    if let Some(mut option) = MutableNdpOptionPacket::new(&mut message[OPTION..]) {
        option.set_option_type(NdpOptionTypes::TargetLLAddr);
        // In units of 8 bytes.
        option.set_length(1);
        option.set_data(&[mac.0, mac.1, mac.2, mac.3, mac.4, mac.5]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_what_keepalived_sends() {
        // Captured from keepalived 2.2.7.
        let mac = MacAddr::new(0x76, 0x77, 0xC8, 0x3B, 0x62, 0xC7);
        let frame = frame("2001:db8::1".parse().unwrap(), mac, false);
        // To 33:33::1, IPv6.
        let ethernet = [0x33, 0x33, 0, 0, 0, 1, 0x76, 0x77, 0xC8, 0x3B, 0x62, 0xC7, 0x86, 0xDD];
        assert_eq!(frame[..14], ethernet);
        // 32 bytes of ICMPv6, hop limit 255, from 2001:db8::1 to ff02::1.
        assert_eq!(frame[14..22], [0x60, 0, 0, 0, 0, 32, 58, 255]);
        assert_eq!(frame[22..38], [0x20, 0x01, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(frame[38..54], [0xFF, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        // Neighbor Advertisement, R=0 S=0 O=1, for 2001:db8::1.
        assert_eq!(frame[54..62], [0x88, 0x00, 0x59, 0xB1, 0x20, 0, 0, 0]);
        assert_eq!(frame[62..78], [0x20, 0x01, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        // Target link-layer address.
        assert_eq!(frame[78..], [2, 1, 0x76, 0x77, 0xC8, 0x3B, 0x62, 0xC7]);
    }

    #[test]
    fn a_forwarding_host_says_it_is_a_router() {
        let mac = MacAddr::new(0x02, 0, 0, 0, 0, 0x0B);
        assert_eq!(frame("2001:db8::10".parse().unwrap(), mac, true)[58], 0xA0);
    }
}
