//! A packet socket that hears who claims some addresses, and nothing else, and that asks for them.
//!
//! The kernel filters: nobody is woken for the link's other ARP and Neighbor Discovery.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsRawFd;

use nix::libc;
use nix::sys::socket::{MsgFlags, send};
use pnet_base::MacAddr;
use pnet_packet::icmpv6::Icmpv6Types;
use pnet_packet::ip::IpNextHeaderProtocols;
use socket2::SockFilter;
use tokio::net::UdpSocket;
use vocabulary::{Family, InterfaceName};

use super::packets::{self, JUMP_EQUAL, LOAD_BYTE, LOAD_WORD, RETURN};
use vrrp::wire::address_sender::{self, AddressSender};
use vrrp::wire::probe;

/// The headers and an advertisement with some options; the rest says nothing of interest.
const BUFFER: usize = 256;

/// The most frames that one look takes: whoever floods wakes us no oftener for it.
const BATCH: usize = 256;

/// Where an ARP frame has its sender's address.
const ARP_SENDER: u32 = 28;

/// Where an IPv6 frame has its next header, ICMPv6 its type, and an advertisement the end of its target.
const NEXT_HEADER: u32 = 20;
const ICMPV6_TYPE: u32 = 54;
const TARGET_END: u32 = 74;

/// A socket at an interface.
#[derive(Debug)]
pub struct Tap {
    socket: UdpSocket,
}

impl Tap {
    /// Opens the socket; it hears of `addresses`, all of `family`.
    ///
    /// # Errors
    /// The interface is gone, or `CAP_NET_RAW` is missing.
    pub fn open(
        interface: &InterfaceName,
        family: Family,
        addresses: &[IpAddr],
    ) -> io::Result<Self> {
        let ether_type = match family {
            Family::Ipv4 => libc::ETH_P_ARP,
            Family::Ipv6 => libc::ETH_P_IPV6,
        };
        let socket = packets::open(interface, ether_type, &filter(family, addresses))?;
        Ok(Self { socket })
    }

    /// Forgets what was heard until now.
    pub fn forget(&self) {
        packets::forget(&self.socket);
    }

    /// Asks the link who has `target`. Over IPv4 our own address, `source`, may be left out: then nobody
    /// learns it from the question.
    ///
    /// # Errors
    /// Over IPv6 there is no `source`; the interface is gone or down, or its queue full.
    pub fn ask(&self, mac: MacAddr, source: Option<IpAddr>, target: IpAddr) -> io::Result<()> {
        let frame = match (target, source) {
            (IpAddr::V4(target), Some(IpAddr::V4(source))) => probe::request(mac, source, target),
            (IpAddr::V4(target), _) => probe::request(mac, Ipv4Addr::UNSPECIFIED, target),
            (IpAddr::V6(target), Some(IpAddr::V6(source))) => {
                probe::solicitation(mac, source, target)
            }
            (IpAddr::V6(_), _) => return Err(io::ErrorKind::AddrNotAvailable.into()),
        };
        send(self.socket.as_raw_fd(), &frame, MsgFlags::MSG_DONTWAIT)?;
        Ok(())
    }

    /// Waits for claims, and returns those that are there. Cancel-safe.
    ///
    /// # Errors
    /// What the kernel says of the socket, such as that the interface is down.
    pub async fn claims(&self) -> io::Result<Vec<AddressSender>> {
        self.socket.readable().await?;
        let mut claims = Vec::new();
        for _ in 0..BATCH {
            let mut buffer = [0; BUFFER];
            match packets::receive(&self.socket, &mut buffer) {
                Ok(frame) => claims.extend(address_sender::of(frame)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(claims)
    }
}

/// Passes what claims one of `addresses`; over IPv6, an address that ends like one of them.
fn filter(family: Family, addresses: &[IpAddr]) -> Vec<SockFilter> {
    let mut program = Vec::new();
    let place = match family {
        Family::Ipv4 => ARP_SENDER,
        Family::Ipv6 => {
            let icmpv6 = u32::from(IpNextHeaderProtocols::Icmpv6.0);
            let advertisement = u32::from(Icmpv6Types::NeighborAdvert.0);
            for (place, value) in [(NEXT_HEADER, icmpv6), (ICMPV6_TYPE, advertisement)] {
                program.push(SockFilter::new(LOAD_BYTE, 0, 0, place));
                program.push(SockFilter::new(JUMP_EQUAL, 1, 0, value));
                program.push(SockFilter::new(RETURN, 0, 0, 0));
            }
            TARGET_END
        }
    };
    program.push(SockFilter::new(LOAD_WORD, 0, 0, place));
    for address in addresses {
        let end = match address {
            IpAddr::V4(address) => address.octets(),
            IpAddr::V6(address) => {
                let [.., a, b, c, d] = address.octets();
                [a, b, c, d]
            }
        };
        program.push(SockFilter::new(JUMP_EQUAL, 0, 1, u32::from_be_bytes(end)));
        program.push(SockFilter::new(RETURN, 0, 0, u32::MAX));
    }
    program.push(SockFilter::new(RETURN, 0, 0, 0));
    program
}
