//! A packet socket that hears what its filter passes, at one interface.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{MsgFlags, bind, recv};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use vocabulary::InterfaceName;

use super::frames::link_address;

/// Classic BPF: load a word or byte at a place, compare, return (`linux/bpf_common.h`).
pub(super) const LOAD_WORD: u16 = 0x20;
pub(super) const LOAD_BYTE: u16 = 0x30;
pub(super) const JUMP_EQUAL: u16 = 0x15;
pub(super) const RETURN: u16 = 0x06;

/// More small frames than a receive buffer of the usual size (`rmem_default`, 208 KiB) holds.
const QUEUE: usize = 1024;

/// Opens one for an Ethernet type (`ETH_P_…`). It is in a UDP socket's clothes, as
/// [`Port`](super::port::Port): only waiting goes through it.
///
/// # Errors
/// The interface is gone, or `CAP_NET_RAW` is missing.
pub(super) fn open(
    interface: &InterfaceName,
    ether_type: i32,
    filter: &[SockFilter],
) -> io::Result<UdpSocket> {
    let ether_type = u16::try_from(ether_type).unwrap_or_default().to_be();
    let protocol = Protocol::from(i32::from(ether_type));
    let socket = Socket::new(Domain::PACKET, Type::RAW, Some(protocol))?;
    socket.set_nonblocking(true)?;
    socket.attach_filter(filter)?;
    bind(socket.as_raw_fd(), &link_address(interface)?)?;
    // What came before the filter, or from other interfaces.
    forget(&socket);
    UdpSocket::from_std(std::net::UdpSocket::from(OwnedFd::from(socket)))
}

/// Forgets the frames that are there.
pub(super) fn forget(socket: &impl AsRawFd) {
    let fd = socket.as_raw_fd();
    let more = || recv(fd, &mut [0; 1], MsgFlags::MSG_DONTWAIT).is_ok();
    (0..QUEUE).take_while(|_| more()).for_each(drop);
}

/// A frame that is there; returns its bytes that fit into `buffer`.
///
/// # Errors
/// [`WouldBlock`](io::ErrorKind::WouldBlock) where none is there, or what the kernel says of the socket.
pub(super) fn receive<'a>(socket: &UdpSocket, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
    let fd = socket.as_raw_fd();
    let length =
        socket.try_io(Interest::READABLE, || Ok(recv(fd, buffer, MsgFlags::MSG_DONTWAIT)?))?;
    Ok(buffer.get(..length).unwrap_or_default())
}
