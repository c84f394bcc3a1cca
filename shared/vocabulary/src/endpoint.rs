//! Where a server listens.

use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// An address and a port, or a name that is looked up while the proxy runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Endpoint {
    /// `IP:PORT`.
    Address(SocketAddr),
    /// `NAME:PORT`.
    Name {
        /// A name of DNS or of `/etc/hosts`.
        host: String,
        /// The port, not 0.
        port: u16,
    },
}

/// A text that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be IP:PORT or NAME:PORT, such as \"192.168.1.1:6443\", \"[2001:db8::1]:6443\" or \"cp1.example.com:6443\""
)]
pub struct EndpointError;

impl Endpoint {
    /// The address without the port, or the name.
    #[must_use]
    pub fn host(&self) -> String {
        match self {
            Self::Address(address) => address.ip().to_string(),
            Self::Name { host, .. } => host.clone(),
        }
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        match self {
            Self::Address(address) => address.port(),
            Self::Name { port, .. } => *port,
        }
    }
}

impl TryFrom<&str> for Endpoint {
    type Error = EndpointError;

    fn try_from(text: &str) -> Result<Self, EndpointError> {
        let endpoint = match text.parse() {
            Ok(address) => Self::Address(address),
            Err(_) => {
                let (host, port) = text.rsplit_once(':').ok_or(EndpointError)?;
                let port = port.parse().map_err(|_| EndpointError)?;
                Self::Name { host: host.to_owned(), port }
            }
        };
        let named = match &endpoint {
            Self::Address(_) => true,
            Self::Name { host, .. } => is_name(host),
        };
        if named && endpoint.port() != 0 { Ok(endpoint) } else { Err(EndpointError) }
    }
}

/// RFC 1123 §2.1, and `_`, which container networks use. What ends in a number would be an address.
fn is_name(host: &str) -> bool {
    let label = |label: &str| {
        let clean = label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        (1..=63).contains(&label.len()) && clean && !label.starts_with('-') && !label.ends_with('-')
    };
    let last = host.rsplit('.').next().unwrap_or_default();
    host.len() <= 253 && host.split('.').all(label) && !last.chars().all(|c| c.is_ascii_digit())
}

impl TryFrom<String> for Endpoint {
    type Error = EndpointError;

    fn try_from(text: String) -> Result<Self, EndpointError> {
        Self::try_from(text.as_str())
    }
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> Self {
        endpoint.to_string()
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self::Address(address)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names() {
        for text in ["10.0.0.1:80", "[2001:db8::1]:6443"] {
            assert_eq!(Endpoint::try_from(text), Ok(Endpoint::Address(text.parse().unwrap())));
        }
        for text in ["cp1:6443", "web_bar:443", "a-1.example.com:65535"] {
            let named = Endpoint::try_from(text).unwrap();
            assert!(matches!(named, Endpoint::Name { .. }), "{text}");
            assert_eq!(named.to_string(), text);
        }
        for wrong in [
            "192.168.1.1",
            "192.168.1.1:0",
            "192.168.1.300:80",
            "*:6443",
            "a:0",
            "a",
            ":80",
            "a..b:1",
            "-a:1",
            "a b:1",
            "10.0.0.1:70000",
        ] {
            assert_eq!(Endpoint::try_from(wrong), Err(EndpointError), "{wrong}");
        }
    }
}
