//! Gratuitous ARP (RFC 9568 §8.1.2).

use std::net::Ipv4Addr;

use pnet_base::MacAddr;
use pnet_packet::arp::{ArpHardwareTypes, ArpOperations, MutableArpPacket};
use pnet_packet::ethernet::{EtherTypes, MutableEthernetPacket};

/// Bytes of the Ethernet header.
const ETHERNET: usize = 14;

/// Bytes of the frame, without padding and check sequence.
const FRAME: usize = ETHERNET + 28;

/// The frame that tells every host on the link that `address` is at `mac`.
///
/// It is a request whose sender and target are the address: Linux takes a reply for a mere answer,
/// and may ignore it for the second after an earlier one.
#[must_use]
pub fn frame(address: Ipv4Addr, mac: MacAddr) -> [u8; FRAME] {
    let mut frame = [0; FRAME];
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
        arp.set_sender_proto_addr(address);
        arp.set_target_proto_addr(address);
    }
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_a_broadcast_request_for_the_senders_own_address() {
        let mac = MacAddr::new(0x02, 0, 0, 0, 0, 0x0B);
        let expected = [
            0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02, 0x00, 0x00, 0x00, 0x00, 0x0B, 0x08, 0x06,
            0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x01, 0x02, 0x00, 0x00, 0x00, 0x00, 0x0B,
            192, 0, 2, 10, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 192, 0, 2, 10,
        ];
        assert_eq!(frame(Ipv4Addr::new(192, 0, 2, 10), mac), expected);
    }
}
