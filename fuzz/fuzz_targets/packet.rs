//! Whatever a raw IPv4 socket hands over is taken apart or discarded.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vrrp::wire::ipv4::datagram;

fuzz_target!(|packet: &[u8]| {
    if let Ok(datagram) = datagram(packet) {
        // What is called the message lies behind a header, within the packet.
        assert!(datagram.message.len() + 20 <= packet.len());
    }
});
