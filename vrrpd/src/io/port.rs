//! The raw sockets adverts travel through: one for each interface and family, whatever the number of
//! routers on it (the kernel allows a socket only 20 group memberships).

use std::cell::OnceCell;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::task::{Context, Poll};

use nix::libc;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt,
    sockopt,
};
use pnet_base::MacAddr;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use vocabulary::{Family, InterfaceName};

use super::frames::Frames;
use vrrp::wire::{
    Datagram, Discard, GROUP_V4, GROUP_V6, HOPS, PROTOCOL, TRAFFIC_CLASS, envelope, ipv4,
};

/// Room for the longest advert, 90 IPv6 addresses or 255 IPv4 ones, behind a header with options.
/// What is longer is cut, and discarded for its length.
const BUFFER: usize = 2048;

/// Bytes the kernel keeps for us while we do not run: some thousand adverts, so that one that decides
/// is not lost behind a flood.
const RECEIVE_BUFFER: usize = 1024 * 1024;

/// A raw socket of protocol 112, bound to an interface.
#[derive(Debug)]
pub struct Port {
    /// A raw socket in a UDP socket's clothes: tokio offers no safe way to wait for another kind.
    /// Only waiting goes through it; sending and receiving use the descriptor.
    socket: UdpSocket,
    family: Family,
    interface: InterfaceName,
    index: u32,
    /// For adverts from virtual MAC addresses; opened with the first of them.
    frames: OnceCell<Frames>,
}

impl Port {
    /// Opens the socket and joins the group.
    ///
    /// # Errors
    /// The interface is gone, or `CAP_NET_RAW` is missing.
    pub fn open(interface: &InterfaceName, index: u32, family: Family) -> io::Result<Self> {
        let domain = match family {
            Family::Ipv4 => Domain::IPV4,
            Family::Ipv6 => Domain::IPV6,
        };
        let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(i32::from(PROTOCOL))))?;
        socket.set_nonblocking(true)?;
        socket.bind_device(Some(interface.as_str().as_bytes()))?;
        enlarge_receive_buffer(&socket)?;
        match family {
            Family::Ipv4 => open_v4(&socket, index)?,
            Family::Ipv6 => open_v6(&socket, index)?,
        }
        let socket = UdpSocket::from_std(std::net::UdpSocket::from(OwnedFd::from(socket)))?;
        let frames = OnceCell::new();
        Ok(Self { socket, family, interface: interface.clone(), index, frames })
    }

    /// The interface it is bound to.
    #[must_use]
    pub fn interface(&self) -> &InterfaceName {
        &self.interface
    }

    /// The family it carries.
    #[must_use]
    pub fn family(&self) -> Family {
        self.family
    }

    /// The interface's index when it was opened.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Ready once there may be something to [receive](Self::receive).
    pub fn poll_receive_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_recv_ready(cx)
    }

    /// Receives one packet, if there is one, and hands it to `take`.
    ///
    /// # Errors
    /// What the kernel says of the socket, such as that the interface is down.
    pub fn receive<T>(
        &self,
        take: impl FnOnce(Result<Datagram<'_>, Discard>) -> T,
    ) -> io::Result<Option<T>> {
        let mut buffer = [0; BUFFER];
        let received = self.socket.try_io(Interest::READABLE, || match self.family {
            Family::Ipv4 => self.receive_v4(&mut buffer),
            Family::Ipv6 => self.receive_v6(&mut buffer),
        });
        match received {
            Ok(received) => Ok(Some(take(received.datagram(&buffer)))),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends `message` from `source`, with TTL or hop limit 255.
    ///
    /// # Errors
    /// What the kernel says: no route, interface down, queue full.
    pub fn send(&self, message: &[u8], source: IpAddr, destination: IpAddr) -> io::Result<()> {
        let fd = self.socket.as_raw_fd();
        let to = SockaddrStorage::from(SocketAddr::new(destination, 0));
        let message = [IoSlice::new(message)];
        let index = i32::try_from(self.index).unwrap_or(0);
        match source {
            IpAddr::V4(source) => {
                let source = libc::in_addr { s_addr: u32::from_ne_bytes(source.octets()) };
                let any = libc::in_addr { s_addr: 0 };
                let info =
                    libc::in_pktinfo { ipi_ifindex: index, ipi_spec_dst: source, ipi_addr: any };
                let control = [ControlMessage::Ipv4PacketInfo(&info)];
                sendmsg(fd, &message, &control, MsgFlags::MSG_DONTWAIT, Some(&to))?;
            }
            IpAddr::V6(source) => {
                let source = libc::in6_addr { s6_addr: source.octets() };
                let info = libc::in6_pktinfo { ipi6_addr: source, ipi6_ifindex: self.index };
                let control = [ControlMessage::Ipv6PacketInfo(&info)];
                sendmsg(fd, &message, &control, MsgFlags::MSG_DONTWAIT, Some(&to))?;
            }
        }
        Ok(())
    }

    /// Sends `message` to the group from `source`, in a frame whose sender is `mac`.
    ///
    /// # Errors
    /// What the kernel says: no packet socket, interface down, queue full.
    pub fn send_from_mac(&self, message: &[u8], source: IpAddr, mac: MacAddr) -> io::Result<()> {
        let frames = match self.frames.get() {
            Some(frames) => frames,
            None => {
                let opened = Frames::open(&self.interface)?;
                self.frames.get_or_init(|| opened)
            }
        };
        frames.send(&envelope::frame(mac, source, message))
    }

    fn receive_v4(&self, buffer: &mut [u8]) -> io::Result<Received> {
        let mut parts = [IoSliceMut::new(buffer)];
        let fd = self.socket.as_raw_fd();
        let message = recvmsg::<()>(fd, &mut parts, None, MsgFlags::MSG_DONTWAIT)?;
        Ok(Received::V4 { length: message.bytes })
    }

    fn receive_v6(&self, buffer: &mut [u8]) -> io::Result<Received> {
        let mut control = nix::cmsg_space!(libc::in6_pktinfo, libc::c_int);
        let mut parts = [IoSliceMut::new(buffer)];
        let fd = self.socket.as_raw_fd();
        let flags = MsgFlags::MSG_DONTWAIT;
        let message = recvmsg::<SockaddrStorage>(fd, &mut parts, Some(&mut control), flags)?;
        let source = message.address.and_then(|from| Some(from.as_sockaddr_in6()?.ip()));
        let (mut destination, mut hops) = (None, None);
        for control in message.cmsgs()? {
            if let ControlMessageOwned::Ipv6PacketInfo(info) = control {
                destination = Some(Ipv6Addr::from(info.ipi6_addr.s6_addr));
            } else if let ControlMessageOwned::Ipv6HopLimit(limit) = control {
                hops = u8::try_from(limit).ok();
            }
        }
        Ok(Received::V6 { length: message.bytes, header: source.zip(destination).zip(hops) })
    }
}

/// What came, but for the bytes.
enum Received {
    /// The IP header is among the bytes.
    V4 { length: usize },
    /// The kernel kept the IP header; source, destination and hop limit came beside the bytes.
    V6 { length: usize, header: Option<((Ipv6Addr, Ipv6Addr), u8)> },
}

impl Received {
    fn datagram<'b>(&self, buffer: &'b [u8]) -> Result<Datagram<'b>, Discard> {
        match *self {
            Self::V4 { length } => ipv4::datagram(&buffer[..length.min(buffer.len())]),
            Self::V6 { length, header } => {
                let ((source, destination), hops) = header.ok_or(Discard::IpHeader)?;
                let message = &buffer[..length.min(buffer.len())];
                let (source, destination) = (IpAddr::V6(source), IpAddr::V6(destination));
                Ok(Datagram { source, destination, hops, message })
            }
        }
    }
}

fn open_v4(socket: &Socket, index: u32) -> io::Result<()> {
    socket.set_ttl_v4(u32::from(HOPS))?;
    socket.set_tos_v4(u32::from(TRAFFIC_CLASS))?;
    socket.set_multicast_loop_v4(false)?;
    socket.set_multicast_ttl_v4(u32::from(HOPS))?;
    // Only what was sent to a group joined here, not to one that any socket of the host joined.
    socket.set_multicast_all_v4(false)?;
    rustix::net::sockopt::set_ip_multicast_if_with_ifindex(
        socket,
        &Ipv4Addr::UNSPECIFIED,
        &Ipv4Addr::UNSPECIFIED,
        index,
    )?;
    socket.join_multicast_v4_n(&GROUP_V4, &InterfaceIndexOrAddress::Index(index))
}

fn open_v6(socket: &Socket, index: u32) -> io::Result<()> {
    socket.set_unicast_hops_v6(u32::from(HOPS))?;
    socket.set_multicast_hops_v6(u32::from(HOPS))?;
    socket.set_tclass_v6(u32::from(TRAFFIC_CLASS))?;
    socket.set_multicast_loop_v6(false)?;
    // A raw socket hears the groups of all sockets of the host, whatever IPV6_MULTICAST_ALL says: the receive
    // checks discard what was sent to another.
    socket.set_multicast_if_v6(index)?;
    socket.set_recv_hoplimit_v6(true)?;
    setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true)?;
    socket.join_multicast_v6(&GROUP_V6, index)
}

/// Beyond the system's limit where `CAP_NET_ADMIN` allows it, up to the limit elsewhere.
fn enlarge_receive_buffer(socket: &Socket) -> io::Result<()> {
    match setsockopt(socket, sockopt::RcvBufForce, &RECEIVE_BUFFER) {
        Ok(()) => Ok(()),
        Err(_) => socket.set_recv_buffer_size(RECEIVE_BUFFER),
    }
}
