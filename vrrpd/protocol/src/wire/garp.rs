//! Gratuitous ARP (RFC 9568 §8.1.2).

use std::net::Ipv4Addr;

use pnet_base::MacAddr;

use super::probe;

/// The frame that tells every host on the link that `address` is at `mac`.
///
/// It is a request whose sender and target are the address: Linux takes a reply for a mere answer,
/// and may ignore it for the second after an earlier one.
#[must_use]
pub fn frame(address: Ipv4Addr, mac: MacAddr) -> Vec<u8> {
    probe::request(mac, address, address)
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
