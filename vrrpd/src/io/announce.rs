//! Tells the link where an address is: gratuitous ARP and unsolicited Neighbor Advertisements.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, sendto, socket};
use pnet_base::MacAddr;
use shared::{Family, InterfaceName};

use super::frames::link_address;
use crate::wire::{garp, neighbor};

/// Sends announcements. Holds one packet socket, which receives nothing: it is bound to no protocol.
#[derive(Debug)]
pub struct Announcer {
    socket: OwnedFd,
}

/// Where an interface is on the link.
#[derive(Clone, Debug)]
pub struct Station {
    link: LinkAddr,
    mac: MacAddr,
    /// Whether the interface forwards IPv6, as a router's does.
    forwards: bool,
}

impl Announcer {
    /// Opens the socket.
    ///
    /// # Errors
    /// `CAP_NET_RAW` is missing.
    pub fn open() -> io::Result<Self> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Packet, SockType::Raw, flags, None)?;
        Ok(Self { socket })
    }

    /// Announces that `address` is at `station`.
    ///
    /// # Errors
    /// The interface is gone or its queue full.
    pub fn announce(&self, address: IpAddr, station: &Station) -> io::Result<()> {
        match address {
            IpAddr::V4(address) => self.send(&garp::frame(address, station.mac), station),
            IpAddr::V6(address) => {
                let frame = neighbor::frame(address, station.mac, station.forwards);
                self.send(&frame, station)
            }
        }
    }

    fn send(&self, frame: &[u8], station: &Station) -> io::Result<()> {
        let fd = self.socket.as_raw_fd();
        sendto(fd, frame, &station.link, MsgFlags::MSG_DONTWAIT)?;
        Ok(())
    }
}

/// Looks an interface up.
///
/// # Errors
/// There is none of this name, or it has no Ethernet address.
pub fn station(interface: &InterfaceName, family: Family) -> io::Result<Station> {
    let link = link_address(interface)?;
    let [a, b, c, d, e, f] = link
        .addr()
        .filter(|_| link.halen() == 6)
        .ok_or_else(|| io::Error::other(format!("{interface} has no Ethernet address")))?;
    let forwards = family == Family::Ipv6 && forwards_v6(interface);
    Ok(Station { link, mac: MacAddr::new(a, b, c, d, e, f), forwards })
}

fn forwards_v6(interface: &InterfaceName) -> bool {
    let path = format!("/proc/sys/net/ipv6/conf/{interface}/forwarding");
    std::fs::read_to_string(path).is_ok_and(|value| value.trim() == "1")
}
