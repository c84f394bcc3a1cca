//! Tells the link where an address is: gratuitous ARP and unsolicited Neighbor Advertisements.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, sendto, socket};
use pnet_base::MacAddr;
use tokio::sync::watch;
use vocabulary::{Family, InterfaceName};

use super::frames::link_address;
use vrrp::interfaces::Interface;
use vrrp::wire::{garp, neighbor};

/// Sends announcements. Holds one packet socket, which receives nothing: it is bound to no protocol.
#[derive(Debug)]
pub struct Announcer {
    socket: OwnedFd,
    /// What was looked up: that takes longer the more addresses there are.
    known: watch::Sender<BTreeMap<InterfaceName, Place>>,
}

/// Where an interface is on the link.
#[derive(Clone, Copy, Debug)]
struct Place {
    link: LinkAddr,
    mac: MacAddr,
}

/// Who announces an address.
#[derive(Clone, Copy, Debug)]
pub struct Station {
    place: Place,
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
        Ok(Self { socket, known: watch::Sender::default() })
    }

    /// Who announces the addresses of a family on `interface`.
    ///
    /// # Errors
    /// It is not there any more, or has no Ethernet address.
    pub fn station(&self, interface: &Interface, family: Family) -> io::Result<Station> {
        let is_it = |place: &Place| {
            u32::try_from(place.link.ifindex()) == Ok(interface.index)
                && Some(place.mac) == interface.mac
        };
        let known = self.known.borrow().get(&interface.name).copied().filter(is_it);
        let place = match known {
            Some(place) => place,
            None => {
                let place = place(&interface.name)?;
                self.known.send_modify(|known| {
                    known.insert(interface.name.clone(), place);
                });
                place
            }
        };
        Ok(place.station(&interface.name, family))
    }

    /// Announces that `address` is at `station`.
    ///
    /// # Errors
    /// The interface is gone or its queue full.
    pub fn announce(&self, address: IpAddr, station: &Station) -> io::Result<()> {
        match address {
            IpAddr::V4(address) => self.send(&garp::frame(address, station.place.mac), station),
            IpAddr::V6(address) => {
                let frame = neighbor::frame(address, station.place.mac, station.forwards);
                self.send(&frame, station)
            }
        }
    }

    fn send(&self, frame: &[u8], station: &Station) -> io::Result<()> {
        let fd = self.socket.as_raw_fd();
        sendto(fd, frame, &station.place.link, MsgFlags::MSG_DONTWAIT)?;
        Ok(())
    }
}

/// Looks up who announces the addresses of a family on an interface.
///
/// # Errors
/// There is none of this name, or it has no Ethernet address.
pub fn station(interface: &InterfaceName, family: Family) -> io::Result<Station> {
    Ok(place(interface)?.station(interface, family))
}

impl Place {
    fn station(self, interface: &InterfaceName, family: Family) -> Station {
        let forwards = family == Family::Ipv6 && forwards_v6(interface);
        Station { place: self, forwards }
    }
}

fn place(interface: &InterfaceName) -> io::Result<Place> {
    let link = link_address(interface)?;
    let [a, b, c, d, e, f] = link
        .addr()
        .filter(|_| link.halen() == 6)
        .ok_or_else(|| io::Error::other(format!("{interface} has no Ethernet address")))?;
    Ok(Place { link, mac: MacAddr::new(a, b, c, d, e, f) })
}

fn forwards_v6(interface: &InterfaceName) -> bool {
    let path = format!("/proc/sys/net/ipv6/conf/{interface}/forwarding");
    std::fs::read_to_string(path).is_ok_and(|value| value.trim() == "1")
}
