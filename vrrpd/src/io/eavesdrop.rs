//! A packet socket that hears VRRP before the host's firewall does: for diagnosis, never for an election.
//!
//! What arrives here and not at a [`Port`](super::port::Port) was dropped in between.

use std::io;
use std::net::{IpAddr, Ipv6Addr};

use nix::libc;
use pnet_base::MacAddr;
use pnet_packet::Packet;
use pnet_packet::ethernet::EthernetPacket;
use pnet_packet::ipv6::Ipv6Packet;
use socket2::SockFilter;
use tokio::net::UdpSocket;
use vocabulary::{Family, InterfaceName};

use super::packets::{self, JUMP_EQUAL, LOAD_BYTE, RETURN};
use vrrp::wire::{Datagram, Discard, PROTOCOL, ipv4};

/// As the longest advert needs.
const BUFFER: usize = 2048;

/// Where a frame has its IPv4 protocol, and its IPv6 next header.
const IPV4_PROTOCOL: u32 = 23;
const IPV6_NEXT_HEADER: u32 = 20;

/// A socket at an interface.
#[derive(Debug)]
pub struct Eavesdrop {
    socket: UdpSocket,
    family: Family,
}

impl Eavesdrop {
    /// Opens the socket. It joins no group: that is for a port on the same interface to do.
    ///
    /// # Errors
    /// The interface is gone, or `CAP_NET_RAW` is missing.
    pub fn open(interface: &InterfaceName, family: Family) -> io::Result<Self> {
        let (ether_type, place) = match family {
            Family::Ipv4 => (libc::ETH_P_IP, IPV4_PROTOCOL),
            Family::Ipv6 => (libc::ETH_P_IPV6, IPV6_NEXT_HEADER),
        };
        let filter = [
            SockFilter::new(LOAD_BYTE, 0, 0, place),
            SockFilter::new(JUMP_EQUAL, 0, 1, u32::from(PROTOCOL)),
            SockFilter::new(RETURN, 0, 0, u32::MAX),
            SockFilter::new(RETURN, 0, 0, 0),
        ];
        Ok(Self { socket: packets::open(interface, ether_type, &filter)?, family })
    }

    /// Waits for the next packet; hands it and its frame's sender to `take`. Cancel-safe.
    ///
    /// # Errors
    /// What the kernel says of the socket, such as that the interface is down.
    pub async fn next<T>(
        &self,
        take: impl FnOnce(MacAddr, Result<Datagram<'_>, Discard>) -> T,
    ) -> io::Result<T> {
        let mut buffer = [0; BUFFER];
        loop {
            self.socket.readable().await?;
            match packets::receive(&self.socket, &mut buffer) {
                Ok(frame) => {
                    let Some(frame) = EthernetPacket::new(frame) else { continue };
                    return Ok(take(frame.get_source(), datagram(self.family, frame.payload())));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn datagram(family: Family, packet: &[u8]) -> Result<Datagram<'_>, Discard> {
    match family {
        Family::Ipv4 => ipv4::datagram(packet),
        Family::Ipv6 => {
            let header = Ipv6Packet::new(packet).ok_or(Discard::IpHeader)?;
            let end = Ipv6Packet::minimum_packet_size() + usize::from(header.get_payload_length());
            let message = packet.get(Ipv6Packet::minimum_packet_size()..end);
            let ip = |ip: Ipv6Addr| IpAddr::V6(ip);
            Ok(Datagram {
                source: ip(header.get_source()),
                destination: ip(header.get_destination()),
                hops: header.get_hop_limit(),
                message: message.ok_or(Discard::IpHeader)?,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vrrp::wire::envelope;

    const MAC: MacAddr = MacAddr(0x02, 0, 0, 0, 0, 0x0B);

    #[test]
    fn frames_are_taken_apart_as_they_were_put_together() {
        for (source, group, family) in
            [("192.0.2.251", "224.0.0.18", Family::Ipv4), ("fe80::b", "ff02::12", Family::Ipv6)]
        {
            let frame = envelope::frame(MAC, source.parse().unwrap(), b"advert");
            let padded = [&frame[14..], &[0; 20]].concat();
            let found = datagram(family, &padded).unwrap();
            assert_eq!(
                (found.source.to_string(), found.destination.to_string()),
                (source.into(), group.into())
            );
            assert_eq!((found.hops, found.message), (255, b"advert".as_slice()));
            assert_eq!(datagram(family, &frame[14..frame.len() - 1]), Err(Discard::IpHeader));
        }
    }
}
