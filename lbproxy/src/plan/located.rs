//! Where a server is: its address, or the one that its name has at this moment.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use process::blocking;
use process::throttle::{SharedThrottle, Throttle};
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{info, warn};
use vocabulary::Endpoint;

use crate::clock;

/// From one successful look-up of a name to the next.
const FRESH: Duration = Duration::from_secs(10);

/// The same while the name has no address.
const AGAIN: Duration = Duration::from_secs(1);

/// What is known of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Lookup {
    Pending,
    Found(SocketAddr),
    /// Never found so far; why, in words.
    Failed(String),
}

/// A server's endpoint, and its address at this moment.
#[derive(Debug)]
pub(crate) struct Located {
    endpoint: Endpoint,
    /// The address must be of the same family.
    source: Option<IpAddr>,
    found: watch::Sender<Lookup>,
    log: SharedThrottle,
}

impl Located {
    /// Where `endpoint` is, for connections from `source`.
    pub(crate) fn new(endpoint: Endpoint, source: Option<IpAddr>) -> Self {
        let known = match &endpoint {
            Endpoint::Address(address) => Lookup::Found(*address),
            Endpoint::Name { .. } => Lookup::Pending,
        };
        let log = SharedThrottle::new(Throttle::changes());
        Self { endpoint, source, found: watch::Sender::new(known), log }
    }

    /// As the configuration has it.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The address at this moment.
    ///
    /// # Errors
    /// The name has none.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        if let Endpoint::Address(address) = &self.endpoint {
            return Ok(*address);
        }
        match &*self.found.borrow() {
            Lookup::Found(address) => Ok(*address),
            Lookup::Failed(why) => Err(io::Error::new(io::ErrorKind::NotFound, why.clone())),
            Lookup::Pending => Err(io::Error::new(io::ErrorKind::NotFound, "not looked up yet")),
        }
    }

    /// What tells this server from others for good, on every node alike: its address, or one that is
    /// made of its name.
    pub(crate) fn key(&self) -> SocketAddr {
        match &self.endpoint {
            Endpoint::Address(address) => *address,
            Endpoint::Name { host, port } => {
                let step = |hash: u64, byte: u8| {
                    (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
                };
                let hash = host.bytes().fold(0xcbf2_9ce4_8422_2325, step);
                SocketAddr::new(Ipv6Addr::from(u128::from(hash)).into(), *port)
            }
        }
    }

    /// Ready when the first look-up has ended.
    pub(crate) async fn looked_up(&self) {
        // The sender is here as well, so it cannot be gone.
        drop(self.found.subscribe().wait_for(|found| *found != Lookup::Pending).await);
    }

    /// Looks the name up again and again; an address never ends. Stops: by abort.
    pub(crate) async fn refresh(&self) -> Infallible {
        let Endpoint::Name { host, port } = &self.endpoint else {
            return std::future::pending().await;
        };
        loop {
            let asked = (host.clone(), *port);
            let resolve = move || {
                let (host, port) = asked;
                (host.as_str(), port).to_socket_addrs().map(Iterator::collect)
            };
            let answer = blocking::run("look-up", resolve).await.flatten();
            self.learn(answer.map_err(|error| error.to_string()));
            let known = matches!(*self.found.borrow(), Lookup::Found(_));
            sleep(if known { FRESH } else { AGAIN }).await;
        }
    }

    /// Takes an answer over. What was found once stays while the name cannot be looked up.
    fn learn(&self, answer: Result<Vec<SocketAddr>, String>) {
        let fits = |found: &SocketAddr| self.source.is_none_or(|s| s.is_ipv4() == found.is_ipv4());
        let answer = answer.map(|all| all.into_iter().filter(fits).collect::<Vec<_>>());
        self.found.send_if_modified(|known| {
            let next = match (&answer, &*known) {
                (Ok(all), Lookup::Found(address)) if all.contains(address) => return false,
                (Ok(all), _) if !all.is_empty() => Lookup::Found(all[0]),
                (_, Lookup::Found(_)) => return false,
                (Ok(_), _) => Lookup::Failed(format!("{} has no address", self.endpoint)),
                (Err(error), _) => Lookup::Failed(format!("look up {}: {error}", self.endpoint)),
            };
            if next == *known {
                return false;
            }
            if let Some(times) = self.log.take(clock::now()) {
                let (name, left_out) = (&self.endpoint, (times > 1).then(|| times - 1));
                match &next {
                    Lookup::Found(address) => {
                        info!(%name, %address, left_out, "looked up the name")
                    }
                    Lookup::Failed(error) => {
                        warn!(%name, error, left_out, "cannot look the name up")
                    }
                    Lookup::Pending => {}
                }
            }
            *known = next;
            true
        });
    }
}

impl fmt::Display for Located {
    /// The address, if there is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address() {
            Ok(address) => address.fmt(f),
            Err(_) => self.endpoint.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_name_keeps_its_address_while_that_is_among_the_answers() {
        let endpoint = Endpoint::try_from("cp1.example:6443").unwrap();
        let located = Located::new(endpoint, Some([10, 0, 0, 9].into()));
        assert_eq!(located.address().unwrap_err().to_string(), "not looked up yet");
        located.learn(Err("no such host".to_owned()));
        let failed = located.address().unwrap_err().to_string();
        assert_eq!(failed, "look up cp1.example:6443: no such host");
        assert_eq!(located.to_string(), "cp1.example:6443");
        let [one, two] = ["10.0.0.1:6443", "10.0.0.2:6443"].map(address);
        // Connections from an IPv4 address go to one.
        located.learn(Ok(vec![address("[fd00::1]:6443"), one, two]));
        assert_eq!(located.to_string(), "10.0.0.1:6443");
        located.learn(Ok(vec![two, one]));
        assert_eq!(located.address().unwrap(), one);
        for useless in [Ok(vec![]), Err("timed out".to_owned())] {
            located.learn(useless);
            assert_eq!(located.address().unwrap(), one);
        }
        located.learn(Ok(vec![two]));
        assert_eq!(located.address().unwrap(), two);
    }

    #[test]
    fn the_key_of_a_name_never_changes() {
        let key = |text: &str| Located::new(Endpoint::try_from(text).unwrap(), None).key();
        assert_eq!(key("10.0.0.1:80"), address("10.0.0.1:80"));
        // FNV-1a of "a", from its specification.
        assert_eq!(key("a:80"), address("[::af63:dc4c:8601:ec8c]:80"));
    }
}
