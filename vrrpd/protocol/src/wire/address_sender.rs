//! Who says that an address is its own: ARP packets and Neighbor Advertisements.

use std::net::IpAddr;

use pnet_base::MacAddr;
use pnet_packet::Packet;
use pnet_packet::arp::{ArpHardwareTypes, ArpPacket};
use pnet_packet::ethernet::{EtherTypes, EthernetPacket};
use pnet_packet::icmpv6::Icmpv6Types;
use pnet_packet::icmpv6::ndp::{NdpOptionTypes, NeighborAdvertPacket};
use pnet_packet::ip::IpNextHeaderProtocols;
use pnet_packet::ipv6::Ipv6Packet;

/// Who speaks for an address: the sender of an ARP packet (RFC 5227) or a Neighbor Advertisement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressSender {
    /// The address.
    pub address: IpAddr,
    /// Where the link shall look for it.
    pub mac: MacAddr,
}

/// Reads who claims what in a frame. Questions without a sender's address claim nothing, and neither
/// does what is no whole ARP packet or Neighbor Advertisement.
#[must_use]
pub fn of(frame: &[u8]) -> Option<AddressSender> {
    let ethernet = EthernetPacket::new(frame)?;
    match ethernet.get_ethertype() {
        EtherTypes::Arp => of_arp(ethernet.payload()),
        EtherTypes::Ipv6 => of_advertisement(ethernet.payload(), ethernet.get_source()),
        _ => None,
    }
}

/// Requests and replies alike tell their sender's address (RFC 826).
fn of_arp(packet: &[u8]) -> Option<AddressSender> {
    let arp = ArpPacket::new(packet)?;
    let ethernet = arp.get_hardware_type() == ArpHardwareTypes::Ethernet
        && arp.get_protocol_type() == EtherTypes::Ipv4
        && (arp.get_hw_addr_len(), arp.get_proto_addr_len()) == (6, 4);
    let address = arp.get_sender_proto_addr();
    (ethernet && !address.is_unspecified())
        .then(|| AddressSender { address: IpAddr::V4(address), mac: arp.get_sender_hw_addr() })
}

/// RFC 4861 §7.1.2: from this link, and about one host. Without the option the frame's sender counts.
fn of_advertisement(packet: &[u8], sender: MacAddr) -> Option<AddressSender> {
    let ipv6 = Ipv6Packet::new(packet)?;
    if ipv6.get_next_header() != IpNextHeaderProtocols::Icmpv6 || ipv6.get_hop_limit() != 255 {
        return None;
    }
    let advertisement = NeighborAdvertPacket::new(ipv6.payload())?;
    let target = advertisement.get_target_addr();
    if advertisement.get_icmpv6_type() != Icmpv6Types::NeighborAdvert || target.is_multicast() {
        return None;
    }
    let options = ipv6.payload().get(NeighborAdvertPacket::minimum_packet_size()..);
    let mac = target_link_layer_address(options.unwrap_or_default()).unwrap_or(sender);
    Some(AddressSender { address: IpAddr::V6(target), mac })
}

/// RFC 4861 §4.6: type, length in units of eight bytes, value. By hand: pnet's reader multiplies the
/// length in a byte, and overflows.
fn target_link_layer_address(mut options: &[u8]) -> Option<MacAddr> {
    while let [kind, units, ..] = *options {
        let (option, rest) = options.split_at_checked(usize::from(units) * 8)?;
        if units == 0 {
            return None;
        }
        if kind == NdpOptionTypes::TargetLLAddr.0 {
            let [a, b, c, d, e, f] = *option.get(2..8)?.first_chunk()?;
            return Some(MacAddr::new(a, b, c, d, e, f));
        }
        options = rest;
    }
    None
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;
    use crate::wire::{garp, neighbor, probe};

    const MAC: MacAddr = MacAddr(0x02, 0, 0, 0, 0, 0x0C);

    #[test]
    fn announcements_claim_their_address() {
        let v4 = "192.0.2.10".parse().unwrap();
        let sender = AddressSender { address: IpAddr::V4(v4), mac: MAC };
        assert_eq!(of(&garp::frame(v4, MAC)), Some(sender));
        let v6 = "2001:db8::10".parse().unwrap();
        let sender = AddressSender { address: IpAddr::V6(v6), mac: MAC };
        assert_eq!(of(&neighbor::frame(v6, MAC, true)), Some(sender));
        // After another option (a nonce, RFC 3971), with its own length; and one of no length at all.
        let mut later = neighbor::frame(v6, MAC, true).to_vec();
        let option = later.split_off(78);
        later.extend([14, 1, 1, 2, 3, 4, 5, 6]);
        later.extend(option);
        later[19] = 40;
        assert_eq!(of(&later), Some(sender));
        later[79] = 0;
        let mac = MacAddr(0x02, 0, 0, 0, 0, 0x0D);
        later[6..12].copy_from_slice(&mac.octets());
        assert_eq!(of(&later), Some(AddressSender { mac, ..sender }));
        // Behind a router, it could be anybody's.
        let mut crossed = neighbor::frame(v6, MAC, true);
        crossed[21] = 254;
        assert_eq!(of(&crossed), None);
    }

    #[test]
    fn a_reply_claims_its_senders_address() {
        // Captured from Linux, with the frame's padding.
        let mut reply = vec![
            0x02, 0x77, 0, 0, 0, 0x64, 0x02, 0x77, 0, 0, 0, 0x0B, 0x08, 0x06, 0, 1, 8, 0, 6, 4, 0,
            2, 0x02, 0x77, 0, 0, 0, 0x0B, 10, 77, 0, 200, 0x02, 0x77, 0, 0, 0, 0x64, 10, 77, 0,
            100,
        ];
        reply.resize(60, 0);
        let mac = MacAddr::new(0x02, 0x77, 0, 0, 0, 0x0B);
        let address = IpAddr::from([10, 77, 0, 200]);
        assert_eq!(of(&reply), Some(AddressSender { address, mac }));
    }

    #[test]
    fn questions_claim_nothing() {
        let unspecified = Ipv4Addr::UNSPECIFIED;
        let question = probe::request(MAC, unspecified, "192.0.2.10".parse().unwrap());
        assert_eq!(of(&question), None);
        let source = "fe80::b".parse().unwrap();
        let question = probe::solicitation(MAC, source, "2001:db8::10".parse().unwrap());
        assert_eq!(of(&question), None);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_without_a_panic(
            kind in prop::sample::select(vec![[0x08, 0x06], [0x86, 0xDD], [0, 0]]),
            mut frame in prop::collection::vec(any::<u8>(), 0..128),
        ) {
            if let Some(field) = frame.get_mut(12..14) {
                field.copy_from_slice(&kind);
            }
            let _claimant = of(&frame);
        }

        #[test]
        fn a_cut_or_changed_advertisement_is_read_without_a_panic(
            end in 0_usize..86, at in 0_usize..86, byte: u8,
        ) {
            let mut frame = neighbor::frame("2001:db8::10".parse().unwrap(), MAC, true);
            frame[at] = byte;
            let _claimant = of(&frame[..end]);
        }
    }
}
