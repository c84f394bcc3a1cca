//! Questions to a neighbour: ARP requests (RFC 826) and Neighbor Solicitations (RFC 4861 §7.2.2).

use std::net::{Ipv4Addr, Ipv6Addr};

use pnet_base::MacAddr;
use pnet_packet::arp::{ArpHardwareTypes, ArpOperations, MutableArpPacket};
use pnet_packet::ethernet::{EtherTypes, MutableEthernetPacket};
use pnet_packet::icmpv6::ndp::{
    MutableNdpOptionPacket, MutableNeighborSolicitPacket, NdpOptionTypes,
};
use pnet_packet::icmpv6::{Icmpv6Types, MutableIcmpv6Packet};
use pnet_packet::ip::IpNextHeaderProtocols;
use pnet_packet::ipv6::MutableIpv6Packet;
use pnet_packet::util;

const ETHERNET: usize = 14;
const IPV6: usize = 40;
/// Neighbor Solicitation with one option.
const MESSAGE: u16 = 32;
/// Where the option starts in the message.
const OPTION: usize = 24;

/// The frame that asks the whole link who has `target`; the answer comes to `mac` alone.
///
/// Nobody learns from it if `source` is unspecified: an ARP Probe (RFC 5227 §2.1.1).
#[must_use]
pub fn request(mac: MacAddr, source: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let mut frame = vec![0; ETHERNET + 28];
    let (header, body) = frame.split_at_mut(ETHERNET);
    if let Some(mut ethernet) = MutableEthernetPacket::new(header) {
        ethernet.set_destination(MacAddr::broadcast());
        ethernet.set_source(mac);
        ethernet.set_ethertype(EtherTypes::Arp);
    }
    if let Some(mut arp) = MutableArpPacket::new(body) {
        arp.set_hardware_type(ArpHardwareTypes::Ethernet);
        arp.set_protocol_type(EtherTypes::Ipv4);
        arp.set_hw_addr_len(6);
        arp.set_proto_addr_len(4);
        arp.set_operation(ArpOperations::Request);
        arp.set_sender_hw_addr(mac);
        arp.set_sender_proto_addr(source);
        arp.set_target_proto_addr(target);
    }
    frame
}

/// The frame that asks whoever may have `target` for its MAC address; the answer comes to `source`,
/// which has to be our own: a question without one is answered to everybody, and overrides what they
/// knew.
#[must_use]
pub fn solicitation(mac: MacAddr, source: Ipv6Addr, target: Ipv6Addr) -> Vec<u8> {
    let [.., a, b, c] = target.octets();
    // RFC 4291 §2.7.1: the group of all whose address ends alike.
    let group =
        Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), u16::from_be_bytes([b, c]));
    let mut frame = vec![0; ETHERNET + IPV6 + usize::from(MESSAGE)];
    let (ethernet, packet) = frame.split_at_mut(ETHERNET);
    let (header, message) = packet.split_at_mut(IPV6);
    if let Some(mut ethernet) = MutableEthernetPacket::new(ethernet) {
        ethernet.set_destination(MacAddr::new(0x33, 0x33, 0xFF, a, b, c));
        ethernet.set_source(mac);
        ethernet.set_ethertype(EtherTypes::Ipv6);
    }
    if let Some(mut ipv6) = MutableIpv6Packet::new(header) {
        ipv6.set_version(6);
        ipv6.set_payload_length(MESSAGE);
        ipv6.set_next_header(IpNextHeaderProtocols::Icmpv6);
        ipv6.set_hop_limit(255);
        ipv6.set_source(source);
        ipv6.set_destination(group);
    }
    if let Some(mut solicit) = MutableNeighborSolicitPacket::new(message) {
        solicit.set_icmpv6_type(Icmpv6Types::NeighborSolicit);
        solicit.set_target_addr(target);
    }
    if let Some(mut option) = MutableNdpOptionPacket::new(&mut message[OPTION..]) {
        option.set_option_type(NdpOptionTypes::SourceLLAddr);
        // In units of 8 bytes.
        option.set_length(1);
        option.set_data(&[mac.0, mac.1, mac.2, mac.3, mac.4, mac.5]);
    }
    let icmpv6 = IpNextHeaderProtocols::Icmpv6;
    let sum = util::ipv6_checksum(message, 1, &[], &source, &group, icmpv6);
    if let Some(mut icmpv6) = MutableIcmpv6Packet::new(message) {
        icmpv6.set_checksum(sum);
    }
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: MacAddr = MacAddr(0x02, 0, 0, 0, 0, 0x0B);

    #[test]
    fn an_arp_probe_has_no_senders_address() {
        let frame = request(MAC, Ipv4Addr::UNSPECIFIED, "192.0.2.1".parse().unwrap());
        let expected = [
            0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02, 0x00, 0x00, 0x00, 0x00, 0x0B, 0x08, 0x06,
            0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x01, 0x02, 0x00, 0x00, 0x00, 0x00, 0x0B, 0,
            0, 0, 0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 192, 0, 2, 1,
        ];
        assert_eq!(frame, expected);
    }

    #[test]
    fn a_solicitation_comes_from_our_own_address() {
        let target = "2001:db8::12:3456".parse().unwrap();
        let frame = solicitation(MAC, "fe80::b".parse().unwrap(), target);
        let ethernet = [0x33, 0x33, 0xFF, 0x12, 0x34, 0x56, 0x02, 0, 0, 0, 0, 0x0B, 0x86, 0xDD];
        assert_eq!(frame[..14], ethernet);
        assert_eq!(frame[14..22], [0x60, 0, 0, 0, 0, 32, 58, 255]);
        assert_eq!(frame[22..38], [0xFE, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11]);
        let group = [0xFF, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xFF, 0x12, 0x34, 0x56];
        assert_eq!(frame[38..54], group);
        // Type 135, code 0; the sum over the pseudo-header is checked by adding all up.
        assert_eq!((frame[54], frame[55]), (135, 0));
        let target = [0x20, 0x01, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12, 0x34, 0x56];
        assert_eq!(frame[62..78], target);
        assert_eq!(frame[78..], [1, 1, 0x02, 0, 0, 0, 0, 0x0B]);
        let words = frame[22..].chunks(2).map(|two| u32::from(two[0]) << 8 | u32::from(two[1]));
        let sum = words.sum::<u32>() + 32 + 58;
        assert_eq!((sum & 0xFFFF) + (sum >> 16), 0xFFFF);
    }
}
