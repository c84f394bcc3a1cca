//! Resets the TCP connections of other programs at addresses that leave (`SOCK_DESTROY`).
//!
//! Such a connection would neither work nor end: its packets have no way out any more. What the kernel
//! is asked and what it answers are the structures of `linux/inet_diag.h`.

use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::time::Duration;

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_SOCK_DIAG};
use nix::libc;
use process::blocking;
use process::throttle::{SharedThrottle, Throttle};
use tracing::{info, warn};

use crate::clock::now;

/// How long all of it may take. The addresses leave afterwards in any case.
const LIMIT: Duration = Duration::from_millis(50);

/// What came of it, in the log.
static LOG: SharedThrottle = SharedThrottle::new(Throttle::changes());

/// Answers come in pieces of at most this size, in bytes.
const PIECE: usize = 32 * 1024;

/// `struct nlmsghdr`, in bytes.
const HEADER: usize = 16;

/// `struct inet_diag_sockid`, in bytes: ports, addresses, interface and the kernel's cookie.
const ID: usize = 48;

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const SOCK_DESTROY: u16 = 21;

/// `INET_DIAG_REQ_BYTECODE`.
const BYTECODE: u16 = 1;
/// `INET_DIAG_BC_JMP`.
const JUMP: u8 = 1;
/// `INET_DIAG_BC_S_COND`.
const SOURCE_IS: u8 = 7;

/// Every state with a peer at the other end but `TIME_WAIT`: a listener is nobody's connection.
const CONNECTED: u32 = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 8 | 1 << 9 | 1 << 11;

/// Resets connections, where the kernel can.
#[derive(Clone, Copy, Debug)]
pub struct Sockets {
    supported: bool,
}

impl Sockets {
    /// Asks the kernel whether it can (`CONFIG_INET_DIAG_DESTROY`), and says so if not.
    #[must_use]
    pub fn probe() -> Self {
        // There is no such connection; a kernel that can says that, and one that cannot says that.
        let nobody = request(SOCK_DESTROY, libc::NLM_F_ACK, libc::AF_INET, &[0; ID], &[]);
        let asked = open().and_then(|socket| ask(&socket, &nobody, |_| ()));
        let supported = match asked {
            Ok(()) => true,
            Err(error) => error.raw_os_error() == Some(libc::ENOENT),
        };
        if !supported {
            warn!(
                "this kernel cannot reset other programs' connections (CONFIG_INET_DIAG_DESTROY): at an address that leaves they hang"
            );
        }
        Self { supported }
    }

    /// Resets every connection at `addresses`, whoever's it is; takes 50 ms at most.
    pub async fn destroy(self, addresses: Vec<IpAddr>) {
        if !self.supported || addresses.is_empty() {
            return;
        }
        let work = blocking::run("reset-sockets", move || destroy(&addresses));
        let outcome = match tokio::time::timeout(LIMIT, work).await {
            Ok(outcome) => outcome.flatten(),
            Err(_) => Err(ErrorKind::TimedOut.into()),
        };
        if matches!(outcome, Ok(0)) {
            return;
        }
        let Some(times) = LOG.take(now()) else { return };
        match outcome {
            Ok(count) => info!(count, times, "reset other programs' connections"),
            Err(error) => warn!(%error, times, "cannot reset other programs' connections"),
        }
    }
}

fn destroy(addresses: &[IpAddr]) -> io::Result<usize> {
    let socket = open()?;
    let filter = any_of(addresses);
    let mut count = 0;
    // An IPv4 connection may be an IPv6 socket's.
    for family in [libc::AF_INET, libc::AF_INET6] {
        let mut found = Vec::new();
        let list = request(SOCK_DIAG_BY_FAMILY, libc::NLM_F_DUMP, family, &[0; ID], &filter);
        ask(&socket, &list, |id| found.push(*id))?;
        for id in found {
            let reset = request(SOCK_DESTROY, libc::NLM_F_ACK, family, &id, &[]);
            match ask(&socket, &reset, |_| ()) {
                Ok(()) => count += 1,
                // It ended meanwhile.
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(count)
}

fn open() -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    Ok(socket)
}

/// Sends a request; hands each connection that is told of to `found`, until the answer is complete.
fn ask(socket: &Socket, request: &[u8], mut found: impl FnMut(&[u8; ID])) -> io::Result<()> {
    socket.send(request, 0)?;
    let mut buffer = Vec::with_capacity(PIECE);
    loop {
        buffer.clear();
        socket.recv(&mut buffer, 0)?;
        let mut rest = buffer.as_slice();
        while let Some((kind, body, after)) = message(rest) {
            rest = after;
            match i32::from(kind) {
                libc::NLMSG_DONE => return Ok(()),
                libc::NLMSG_ERROR => {
                    let code = body.first_chunk().map_or(-libc::EPROTO, |c| i32::from_ne_bytes(*c));
                    return if code == 0 {
                        Ok(())
                    } else {
                        Err(io::Error::from_raw_os_error(-code))
                    };
                }
                // Family, state, timer and retransmissions come first.
                _ => body.get(4..).and_then(<[u8]>::first_chunk).into_iter().for_each(&mut found),
            }
        }
    }
}

/// The first message's type and body, and what comes after it.
fn message(datagram: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = u32::from_ne_bytes(*datagram.first_chunk()?);
    let length = usize::try_from(length).ok()?;
    let kind = u16::from_ne_bytes(*datagram.get(4..)?.first_chunk()?);
    let body = datagram.get(HEADER..length)?;
    Some((kind, body, datagram.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

/// `struct inet_diag_req_v2` with a filter.
fn request(kind: u16, flags: i32, family: i32, id: &[u8; ID], filter: &[u8]) -> Vec<u8> {
    let flags = u16::try_from(flags | libc::NLM_F_REQUEST).unwrap_or_default();
    let mut bytes = vec![0; 4];
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend([0; 8]); // Sequence number and port: answers are not mixed.
    bytes.extend([family, libc::IPPROTO_TCP, 0, 0].map(|byte| u8::try_from(byte).unwrap_or(0)));
    bytes.extend(CONNECTED.to_ne_bytes());
    bytes.extend(id);
    if !filter.is_empty() {
        let length = u16::try_from(4 + filter.len()).unwrap_or(u16::MAX);
        bytes.extend(length.to_ne_bytes());
        bytes.extend(BYTECODE.to_ne_bytes());
        bytes.extend(filter);
    }
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    bytes[..4].copy_from_slice(&length.to_ne_bytes());
    bytes
}

/// A program for the kernel that chooses what has one of `addresses` as its source.
///
/// Each instruction says how far to go on if it is so and if not. Whoever reaches the end is chosen,
/// whoever goes beyond is not.
fn any_of(addresses: &[IpAddr]) -> Vec<u8> {
    const OPERATION: usize = 4;
    let condition = |address: &IpAddr| {
        let (family, octets) = match address {
            IpAddr::V4(ip) => (libc::AF_INET, ip.octets().to_vec()),
            IpAddr::V6(ip) => (libc::AF_INET6, ip.octets().to_vec()),
        };
        let prefix_len = u8::try_from(octets.len() * 8).unwrap_or_default();
        let any_port = (-1_i32).to_ne_bytes();
        let mut bytes = vec![u8::try_from(family).unwrap_or_default(), prefix_len, 0, 0];
        bytes.extend(any_port);
        bytes.extend(octets);
        bytes
    };
    let operation = |code: u8, yes: usize, no: usize| {
        let mut bytes = vec![code, u8::try_from(yes).unwrap_or_default()];
        bytes.extend(u16::try_from(no).unwrap_or_default().to_ne_bytes());
        bytes
    };
    // From the last to the first, for a jump leads to the end.
    let mut program = Vec::new();
    for address in addresses.iter().rev() {
        let condition = condition(address);
        let length = OPERATION + condition.len();
        let mut this = operation(SOURCE_IS, length, length + OPERATION);
        this.extend(condition);
        if !program.is_empty() {
            this.extend(operation(JUMP, OPERATION, OPERATION + program.len()));
        }
        this.extend(program);
        program = this;
    }
    program
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `ss` compiles `src 10.0.0.1 or src 10.0.0.2`.
    #[test]
    fn a_filter_chooses_any_of_its_addresses() {
        let addresses = ["10.0.0.1", "10.0.0.2"].map(|text| text.parse().unwrap());
        let expected = [
            [7, 16, 20, 0, 2, 32, 0, 0, 255, 255, 255, 255, 10, 0, 0, 1].as_slice(),
            &[1, 4, 20, 0],
            &[7, 16, 20, 0, 2, 32, 0, 0, 255, 255, 255, 255, 10, 0, 0, 2],
        ];
        assert_eq!(any_of(&addresses), expected.concat());
        assert!(any_of(&[]).is_empty());
    }

    #[test]
    fn what_is_cut_off_is_no_message() {
        let done = request(3, 0, 0, &[0; ID], &[]);
        assert_eq!(
            message(&done).map(|(kind, body, rest)| (kind, body.len(), rest.len())),
            Some((3, 56, 0))
        );
        for length in 0..done.len() {
            assert_eq!(message(&done[..length]), None, "{length}");
        }
        assert_eq!(message(&[0; 16]), None);
    }
}
