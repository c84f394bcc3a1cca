//! Where a server is: its address, and the name that it was found by.

use std::fmt;
use std::io;
use std::net::{Ipv6Addr, SocketAddr};

use vocabulary::Endpoint;

/// A server's endpoint as the file has it, and its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Located {
    endpoint: Endpoint,
    /// None: the name has none, or was not looked up yet.
    address: Option<SocketAddr>,
}

impl Located {
    /// What is known without a look-up.
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        let address = match &endpoint {
            Endpoint::Address(address) => Some(*address),
            Endpoint::Name { .. } => None,
        };
        Self { endpoint, address }
    }

    /// One that the name has.
    pub(crate) fn found(endpoint: Endpoint, address: SocketAddr) -> Self {
        Self { endpoint, address: Some(address) }
    }

    /// As the configuration has it.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The address.
    ///
    /// # Errors
    /// The name has none.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        let none = || io::Error::new(io::ErrorKind::NotFound, "its name has no address");
        self.address.ok_or_else(none)
    }

    /// Whether it is known where it is.
    pub(crate) fn is_known(&self) -> bool {
        self.address.is_some()
    }

    /// What tells this server from others for good, on every node alike: its address, or, where it is the
    /// only one of a name (`sole`), one that is made of that.
    pub(crate) fn key(&self, sole: bool) -> SocketAddr {
        match (&self.endpoint, self.address) {
            (Endpoint::Name { .. }, Some(address)) if !sole => address,
            (Endpoint::Address(address), _) => *address,
            (Endpoint::Name { host, port }, _) => {
                let step = |hash: u64, byte: u8| {
                    (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
                };
                let hash = host.bytes().fold(0xcbf2_9ce4_8422_2325, step);
                SocketAddr::new(Ipv6Addr::from(u128::from(hash)).into(), *port)
            }
        }
    }
}

impl fmt::Display for Located {
    /// The address, if there is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Some(address) => address.fmt(f),
            None => self.endpoint.fmt(f),
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
    fn a_name_without_an_address_is_nowhere() {
        let endpoint = Endpoint::try_from("cp1.example:6443").unwrap();
        let nowhere = Located::new(endpoint.clone());
        assert_eq!(nowhere.address().unwrap_err().to_string(), "its name has no address");
        assert_eq!((nowhere.to_string().as_str(), nowhere.is_known()), ("cp1.example:6443", false));
        let found = Located::found(endpoint, address("10.0.0.1:6443"));
        assert_eq!(found.to_string(), "10.0.0.1:6443");
        assert_eq!(found.endpoint().to_string(), "cp1.example:6443");
    }

    #[test]
    fn the_key_of_a_server_never_changes() {
        let key = |text: &str| Located::new(Endpoint::try_from(text).unwrap()).key(true);
        assert_eq!(key("10.0.0.1:80"), address("10.0.0.1:80"));
        // FNV-1a of "a", from its specification.
        assert_eq!(key("a:80"), address("[::af63:dc4c:8601:ec8c]:80"));
        let found = Located::found(Endpoint::try_from("a:80").unwrap(), address("10.0.0.1:80"));
        assert_eq!(found.key(true), address("[::af63:dc4c:8601:ec8c]:80"), "wherever it moves");
        assert_eq!(found.key(false), address("10.0.0.1:80"));
    }
}
