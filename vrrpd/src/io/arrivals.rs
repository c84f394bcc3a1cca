//! Programs that begin, as the kernel tells it (the proc connector, `linux/cn_proc.h`): whoever waits
//! for a process needs not look again and again.
//!
//! The kernel tells it in the host's own network namespace, and only to those with `CAP_NET_ADMIN`.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::libc;
use nix::sys::socket::{MsgFlags, NetlinkAddr, bind, send};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use tokio::net::UdpSocket;

use super::packets::{self, JUMP_EQUAL, LOAD_WORD, RETURN};

/// `CN_IDX_PROC` and `CN_VAL_PROC`: whom we listen to.
const INDEX: u32 = 1;
const VALUE: u32 = 1;

/// `PROC_CN_MCAST_LISTEN`.
const LISTEN: u32 = 1;

/// `PROC_EVENT_EXEC`: a process runs another program. `PROC_EVENT_COMM`: it calls itself otherwise.
const EXEC: u32 = 0x2;
const COMM: u32 = 0x200;

/// Where an event has its kind and its process: behind `struct nlmsghdr` (16 bytes) and `struct cn_msg`
/// (20), and there behind kind, processor and time stamp (16).
const KIND: u32 = 36;
const PROCESS: usize = 52;

/// Longer than any event, in bytes.
const BUFFER: usize = 256;

/// A socket that hears of processes which may have a new name.
#[derive(Debug)]
pub struct Arrivals {
    socket: UdpSocket,
}

impl Arrivals {
    /// Listens from now on.
    ///
    /// # Errors
    /// `CAP_NET_ADMIN` is missing, or this is not the host's own network namespace.
    pub fn listen() -> io::Result<Self> {
        let protocol = Protocol::from(libc::NETLINK_CONNECTOR);
        let socket = Socket::new(Domain::from(libc::AF_NETLINK), Type::DGRAM, Some(protocol))?;
        socket.set_nonblocking(true)?;
        socket.attach_filter(&filter())?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, INDEX))?;
        send(socket.as_raw_fd(), &subscription(), MsgFlags::empty())?;
        let socket = UdpSocket::from_std(std::net::UdpSocket::from(OwnedFd::from(socket)))?;
        Ok(Self { socket })
    }

    /// Waits for the next process that may have a new name; returns its number. Cancel-safe.
    ///
    /// # Errors
    /// What the kernel says of the socket, such as that we did not keep up.
    pub async fn next(&self) -> io::Result<i32> {
        loop {
            self.socket.readable().await?;
            match packets::receive(&self.socket, &mut [0; BUFFER]) {
                Ok(event) => {
                    if let Some(pid) = event.get(PROCESS..).and_then(<[u8]>::first_chunk) {
                        return Ok(i32::from_ne_bytes(*pid));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Passes what gives a process a new name: of a busy host's other events nobody is woken.
fn filter() -> [SockFilter; 5] {
    // A filter reads in the network's order, the kernel writes in the host's.
    let kind = |kind: u32| u32::from_be_bytes(kind.to_ne_bytes());
    [
        SockFilter::new(LOAD_WORD, 0, 0, KIND),
        SockFilter::new(JUMP_EQUAL, 1, 0, kind(EXEC)),
        SockFilter::new(JUMP_EQUAL, 0, 1, kind(COMM)),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
}

/// `struct nlmsghdr`, `struct cn_msg`, and what is asked for.
fn subscription() -> Vec<u8> {
    let order = LISTEN.to_ne_bytes();
    let words =
        |words: &[u32]| words.iter().flat_map(|word| word.to_ne_bytes()).collect::<Vec<_>>();
    let halves = |halves: [u16; 2]| halves.map(u16::to_ne_bytes).concat();
    let length = 16 + 20 + 4;
    // NLMSG_DONE, no flags, no sequence, from the kernel's choice of us.
    let header = [words(&[length]), halves([3, 0]), words(&[0, 0])].concat();
    let message = [words(&[INDEX, VALUE, 0, 0]), halves([4, 0])].concat();
    [header, message, order.to_vec()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn the_subscription_is_as_the_kernel_takes_it() {
        let expected = [
            40, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // struct nlmsghdr
            1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, // struct cn_msg
            1, 0, 0, 0, // PROC_CN_MCAST_LISTEN
        ];
        assert_eq!(subscription(), expected);
    }
}
