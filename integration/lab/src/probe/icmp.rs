//! ICMP and ICMPv6 echo messages (RFC 792, RFC 4443 §4).

use vocabulary::Family;

/// An echo's data: which echo it is, whatever happens to the 16-bit sequence number.
const DATA: usize = 8;

/// Type, code, checksum, identifier, sequence number.
const HEADER: usize = 8;

/// Length of an echo request in bytes, without the IP header.
pub(crate) const ECHO: usize = HEADER + DATA;

/// The echo request with this identifier and number.
///
/// The kernel fills in the checksum of ICMPv6, and no other.
pub(crate) fn request(family: Family, identifier: u16, number: u64) -> [u8; ECHO] {
    let mut message = [0; ECHO];
    message[0] = match family {
        Family::Ipv4 => 8,
        Family::Ipv6 => 128,
    };
    message[4..6].copy_from_slice(&identifier.to_be_bytes());
    let number = number.to_be_bytes();
    message[6..8].copy_from_slice(&number[6..8]);
    message[HEADER..].copy_from_slice(&number);
    if family == Family::Ipv4 {
        let sum = checksum(&message);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    message
}

/// The number of the echo request that `packet` answers, if it answers one with this identifier.
///
/// A raw IPv4 socket delivers the IP header as well, an IPv6 one does not.
pub(crate) fn reply(family: Family, identifier: u16, packet: &[u8]) -> Option<u64> {
    let (message, kind) = match family {
        Family::Ipv4 => {
            let header = usize::from(packet.first()? & 0x0f) * 4;
            (packet.get(header..)?, 0)
        }
        Family::Ipv6 => (packet, 129),
    };
    let ours = *message.first()? == kind && message.get(4..6)? == identifier.to_be_bytes();
    let number = message.get(HEADER..ECHO)?.try_into().ok()?;
    ours.then(|| u64::from_be_bytes(number))
}

/// The Internet checksum (RFC 1071) of a message of even length.
fn checksum(message: &[u8]) -> u16 {
    let words = message.chunks_exact(2).map(|word| u16::from_be_bytes([word[0], word[1]]));
    // With the end-around carry added at each step the sum stays a 16-bit one.
    !words.fold(0_u16, |sum, word| {
        let (sum, carry) = sum.overflowing_add(word);
        sum + u16::from(carry)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_what_the_rfcs_draw() {
        let v4 = request(Family::Ipv4, 0x1234, 0x1_0002);
        // By hand: 0800 + 1234 + 0002 + 0001 + 0002 = 1a39, and its complement is e5c6.
        assert_eq!(v4, [8, 0, 0xe5, 0xc6, 0x12, 0x34, 0, 2, 0, 0, 0, 0, 0, 1, 0, 2]);
        let v6 = request(Family::Ipv6, 0x1234, 0x1_0002);
        assert_eq!(v6, [128, 0, 0, 0, 0x12, 0x34, 0, 2, 0, 0, 0, 0, 0, 1, 0, 2]);
    }

    #[test]
    fn the_checksum_carries_around() {
        // RFC 1071 §3: 0001 + f203 + f4f5 + f6f7 = 2ddf0, folded ddf2.
        assert_eq!(checksum(&[0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
        assert_eq!(checksum(&[0xff, 0xff, 0xff, 0xff]), 0);
    }

    #[test]
    fn a_reply_names_its_request_and_nothing_else_does() {
        let mut answer = request(Family::Ipv6, 7, 99);
        assert_eq!(reply(Family::Ipv6, 7, &answer), None, "a request");
        answer[0] = 129;
        assert_eq!(reply(Family::Ipv6, 7, &answer), Some(99));
        assert_eq!(reply(Family::Ipv6, 8, &answer), None, "another's");
        for length in 0..ECHO {
            assert_eq!(reply(Family::Ipv6, 7, &answer[..length]), None, "{length} bytes");
        }
        // An IPv4 header with options is 24 bytes long here.
        let mut packet = vec![0x46; 24];
        answer[0] = 0;
        packet.extend(answer);
        assert_eq!(reply(Family::Ipv4, 7, &packet), Some(99));
        assert_eq!(reply(Family::Ipv4, 7, &packet[..20]), None);
        assert_eq!(reply(Family::Ipv4, 7, &[]), None);
    }
}
