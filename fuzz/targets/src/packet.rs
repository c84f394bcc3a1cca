//! Whatever a raw IPv4 socket hands over is taken apart or discarded.

use vrrp::wire::ipv4::datagram;

/// Holds the decoder to that with these bytes.
///
/// # Panics
/// The promise is broken.
pub fn run(packet: &[u8]) {
    if let Ok(datagram) = datagram(packet) {
        // What is called the message lies behind a header, within the packet.
        assert!(datagram.message.len() + 20 <= packet.len());
    }
}
