//! What the kernel says about one address in one network namespace.
//!
//! A plain netlink socket rather than an rtnetlink connection: the moment a change is read is the
//! moment that is recorded, and no task stands between.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::AddressMessage;
use rtnetlink::MulticastGroup;
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::sockopt::{Timeout, set_socket_recv_buffer_size_force, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::net::{bind, recv, send, socket_with};

use crate::host::{Host, address_of};
use crate::probe::ProbeError;

/// Room for address changes that wait to be read, in bytes. A change takes about one kilobyte of
/// kernel memory; a node with 255 addresses may lose and get all of them four times over.
const BACKLOG: usize = 2 * 1024 * 1024;

/// The kernel's answers to a dump come in pieces of at most this size, in bytes.
const PIECE: usize = 32 * 1024;

/// How long the kernel may take to answer a dump.
const DUMP_LIMIT: Duration = Duration::from_secs(2);

/// Follows one address in one namespace.
#[derive(Debug)]
pub(crate) struct Subscription {
    changes: OwnedFd,
    dump: OwnedFd,
    address: IpAddr,
    /// The interfaces that have the address. More than one while it moves to a macvlan, say.
    interfaces: BTreeSet<u32>,
}

impl Subscription {
    /// Subscribes, without having looked yet: [`look`](Self::look) comes next.
    pub(crate) fn open(host: &Host, address: IpAddr) -> Result<Self, ProbeError> {
        let group = |group: MulticastGroup| 1_u32 << (group as u32 - 1);
        let groups = group(MulticastGroup::Ipv4Ifaddr) | group(MulticastGroup::Ipv6Ifaddr);
        let opened = host.run(|| Ok((netlink(groups)?, netlink(0)?)))?;
        let (changes, dump) = opened.map_err(ProbeError::open("a netlink socket", host))?;
        Ok(Self { changes, dump, address, interfaces: BTreeSet::new() })
    }

    /// Whether the address is there, by what was read last.
    pub(crate) fn present(&self) -> bool {
        !self.interfaces.is_empty()
    }

    /// Asks the kernel for the whole truth: at the start, and when changes were lost.
    pub(crate) fn look(&mut self) -> io::Result<()> {
        send(&self.dump, &dump_request(), SendFlags::empty())?;
        let mut found = BTreeSet::new();
        let mut buffer = vec![0; PIECE];
        loop {
            let (_, length) = recv(&self.dump, buffer.as_mut_slice(), RecvFlags::empty())?;
            for payload in messages(&buffer[..length]) {
                if let NetlinkPayload::Done(_) = payload {
                    self.interfaces = found;
                    return Ok(());
                }
                if let NetlinkPayload::Error(error) = payload {
                    return Err(error.to_io());
                }
                if let Some((interface, true)) = self.news(payload) {
                    found.insert(interface);
                }
            }
        }
    }

    /// Reads what has changed, and calls `changed` each time the address came or went.
    pub(crate) fn read(&mut self, mut changed: impl FnMut(bool)) -> io::Result<()> {
        let mut buffer = [0; 4096];
        loop {
            let before = self.present();
            match recv(&self.changes, buffer.as_mut_slice(), RecvFlags::DONTWAIT) {
                Ok((_, length)) => self.apply(&buffer[..length]),
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                // The kernel had more to say than there was room for.
                Err(Errno::NOBUFS) => self.look()?,
                Err(error) => return Err(error.into()),
            }
            if self.present() != before {
                changed(self.present());
            }
        }
    }

    /// The kernel tells of each change in a datagram of its own.
    fn apply(&mut self, datagram: &[u8]) {
        for payload in messages(datagram) {
            match self.news(payload) {
                Some((interface, true)) => self.interfaces.insert(interface),
                Some((interface, false)) => self.interfaces.remove(&interface),
                None => continue,
            };
        }
    }

    /// The interface that a message says has the address (`true`) or has it no longer.
    fn news(&self, payload: NetlinkPayload<RouteNetlinkMessage>) -> Option<(u32, bool)> {
        let NetlinkPayload::InnerMessage(news) = payload else { return None };
        let (message, present) = if let RouteNetlinkMessage::NewAddress(message) = news {
            (message, true)
        } else if let RouteNetlinkMessage::DelAddress(message) = news {
            (message, false)
        } else {
            return None;
        };
        let ours = address_of(&message) == Some(self.address);
        ours.then_some((message.header.index, present))
    }
}

/// Readable when something has changed.
impl AsFd for Subscription {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.changes.as_fd()
    }
}

fn netlink(groups: u32) -> io::Result<OwnedFd> {
    // Protocol zero of this family is `NETLINK_ROUTE`.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    // The default room of 200 kB serves as well, where more is not permitted.
    set_socket_recv_buffer_size_force(&socket, BACKLOG).ok();
    set_socket_timeout(&socket, Timeout::Recv, Some(DUMP_LIMIT))?;
    bind(&socket, &SocketAddrNetlink::new(0, groups))?;
    Ok(socket)
}

fn dump_request() -> Vec<u8> {
    let get = RouteNetlinkMessage::GetAddress(AddressMessage::default());
    let mut message = NetlinkMessage::from(get);
    message.header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

/// The messages of one datagram; what is none ends it.
fn messages(datagram: &[u8]) -> impl Iterator<Item = NetlinkPayload<RouteNetlinkMessage>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest).ok()?;
        let length = usize::try_from(message.header.length).ok()?.next_multiple_of(4);
        rest = rest.get(length..).unwrap_or_default();
        Some(message.payload)
    })
}

#[cfg(test)]
mod tests {
    use rustix::net::sockopt::set_socket_recv_buffer_size;

    use super::*;
    use crate::topology::Lab;

    #[test]
    fn the_truth_survives_more_changes_than_there_is_room_for() {
        let lab = Lab::new().unwrap();
        let host = lab.host("lb1", 11).unwrap();
        let vip: IpAddr = "10.77.0.200".parse().unwrap();
        let mut subscription = Subscription::open(&host, vip).unwrap();
        subscription.look().unwrap();
        assert!(!subscription.present());
        // The least that the kernel allows: room for a change or two.
        set_socket_recv_buffer_size(&subscription, 0).unwrap();
        for last in 1..=50 {
            host.add_address([10, 77, 1, last].into(), 32, None).unwrap();
        }
        host.add_address(vip, 32, None).unwrap();
        let mut seen = Vec::new();
        subscription.read(|present| seen.push(present)).unwrap();
        assert_eq!(seen, [true]);
        host.remove_address(vip, 32).unwrap();
        subscription.read(|present| seen.push(present)).unwrap();
        assert_eq!(seen, [true, false]);
    }
}
