//! Looks a name up again and again, as the system does it (`getaddrinfo`: `/etc/hosts`, DNS).
//!
//! A task for each name of a proxy. Owns: nothing between two look-ups. Stops: by abort.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::time::Duration;

use process::blocking;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::outcome::{CheckId, Report, Reported};
use super::registry::names::Found;

/// From one look-up to the next: `getaddrinfo` does not tell for how long an answer is good.
const FRESH: Duration = Duration::from_secs(10);

/// The same while the name has never had an address.
const AGAIN: Duration = Duration::from_secs(1);

/// Of an answer so many addresses are looked at.
const MOST: usize = 1024;

/// Looks one name up.
#[derive(Debug)]
pub(super) struct LookUp {
    pub(super) id: CheckId,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) reports: mpsc::Sender<Report>,
}

impl LookUp {
    /// Looks it up at once, and again and again.
    pub(super) async fn run(self) {
        let mut found = false;
        loop {
            let answer = look_up(&self.host, self.port).await;
            found |= answer.as_ref().is_ok_and(|all| !all.is_empty());
            let answer = answer.map_err(|error| error.to_string());
            let report = Report { id: self.id, what: Reported::LookedUp(answer) };
            if self.reports.send(report).await.is_err() {
                return;
            }
            sleep(if found { FRESH } else { AGAIN }).await;
        }
    }
}

/// The addresses of a name, in the order in which the system prefers them (RFC 6724).
///
/// # Errors
/// It has none, or nobody can be asked.
pub(super) async fn look_up(host: &str, port: u16) -> io::Result<Vec<Found>> {
    let asked = (host.to_owned(), port);
    let resolve = move || {
        let (host, port) = asked;
        (host.as_str(), port).to_socket_addrs().map(|all| all.take(MOST).collect::<Vec<_>>())
    };
    let answer = blocking::run("look-up", resolve).await.flatten()?;
    let found = |address: SocketAddr| Found { address, local: is_local(address.ip()) };
    Ok(answer.into_iter().map(found).collect())
}

/// Whether an address is one of this node's: to itself the kernel would talk from it. Nothing is sent.
fn is_local(ip: IpAddr) -> bool {
    let any: IpAddr = match ip {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let source = || {
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect((ip, 9))?;
        socket.local_addr()
    };
    ip.is_loopback() || source().is_ok_and(|source| source.ip() == ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_of_this_node_is_found_and_known_as_local() {
        let found = look_up("localhost", 80).await.unwrap();
        assert!(!found.is_empty() && found.iter().all(|one| one.local), "{found:?}");
        assert!(look_up("nowhere.invalid", 80).await.is_err());
        assert!(is_local("127.1.2.3".parse().unwrap()));
        assert!(!is_local("192.0.2.1".parse().unwrap()), "of a documentation network");
    }
}
