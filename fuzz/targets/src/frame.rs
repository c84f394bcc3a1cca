//! Whatever a frame says, it is read without a panic, and claims nothing that cannot be an address.

use vrrp::wire::address_sender;

/// Holds the decoder to that with these bytes.
///
/// # Panics
/// The promise is broken.
pub fn run(bytes: &[u8]) {
    let Some(input) = crate::read::<(bool, Vec<u8>)>(bytes) else { return };
    let (ipv6, mut frame) = input;
    // The rest of the decoder would hardly ever be reached otherwise.
    if let Some(kind) = frame.get_mut(12..14) {
        kind.copy_from_slice(if ipv6 { &[0x86, 0xDD] } else { &[0x08, 0x06] });
    }
    if let Some(sender) = address_sender::of(&frame) {
        assert_eq!(sender.address.is_ipv6(), ipv6);
        assert!(!sender.address.is_multicast() || !ipv6);
    }
}
