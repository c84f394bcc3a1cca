//! Frames of our own making, sent through one interface.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, bind, send, socket};
use vocabulary::InterfaceName;

/// A packet socket at an interface. It receives nothing: it is bound to no protocol.
#[derive(Debug)]
pub struct Frames {
    socket: OwnedFd,
}

impl Frames {
    /// Opens the socket.
    ///
    /// # Errors
    /// The interface is gone, or `CAP_NET_RAW` is missing.
    pub fn open(interface: &InterfaceName) -> io::Result<Self> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Packet, SockType::Raw, flags, None)?;
        bind(socket.as_raw_fd(), &link_address(interface)?)?;
        Ok(Self { socket })
    }

    /// Sends a whole frame, from the Ethernet header on.
    ///
    /// # Errors
    /// The interface is gone or down, or its queue full.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        send(self.socket.as_raw_fd(), frame, MsgFlags::MSG_DONTWAIT)?;
        Ok(())
    }
}

/// The address of an interface for packet sockets. It cannot be made safely; the kernel hands one out
/// for each interface.
///
/// # Errors
/// There is no interface of this name.
pub(super) fn link_address(interface: &InterfaceName) -> io::Result<LinkAddr> {
    getifaddrs()?
        .filter(|entry| entry.interface_name == interface.as_str())
        .find_map(|entry| entry.address.and_then(|address| address.as_link_addr().copied()))
        .ok_or_else(|| io::Error::other(format!("there is no interface {interface}")))
}
