//! The PROXY protocol: who a connection comes from, told in front of its bytes, by whoever stands
//! before us and to whoever stands behind us.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use config::HeaderVersion;
use proxy_header::{Error, ParseConfig, ProxiedAddress, ProxyHeader};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What a trusted sender may take for its header: it sends it at once, so that a lost packet may be
/// repeated twice.
const PATIENCE: Duration = Duration::from_secs(3);

/// Bytes of a header at most: 107 in version 1, and in version 2 twice what the specification
/// promises to carry.
const LIMIT: usize = 1024;

/// Without what version 2 may carry beyond addresses: nobody here reads it.
const PARSE: ParseConfig = ParseConfig { include_tlvs: false, allow_v1: true, allow_v2: true };

/// The two ends of a client's connection, as the header tells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
}

/// Why a connection's header could not be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HeaderError {
    /// The connection begins with something else, or ended.
    #[error("no PROXY header")]
    Malformed,
    /// It took too long.
    #[error("no PROXY header in time")]
    Timeout,
}

/// Takes the header off a connection; none where it speaks for the sender itself (a health check).
///
/// # Errors
/// There is none, or it does not come.
pub(crate) async fn receive(stream: &TcpStream) -> Result<Option<Ends>, HeaderError> {
    match timeout(PATIENCE, take(stream)).await {
        Ok(Ok(ends)) => Ok(ends),
        Ok(Err(_)) => Err(HeaderError::Malformed),
        Err(_) => Err(HeaderError::Timeout),
    }
}

async fn take(stream: &TcpStream) -> io::Result<Option<Ends>> {
    let mut buffer = [0; LIMIT];
    let mut taken = 0;
    loop {
        // Looked at first: what follows the header is not ours to take.
        let seen = match stream.peek(&mut buffer[taken..]).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => taken + count,
        };
        let parsed = parse(&buffer[..seen]).map_err(|_| io::ErrorKind::InvalidData)?;
        let end = parsed.map_or(seen, |(_, length)| length);
        taken += stream.try_read(&mut buffer[taken..end])?;
        match parsed {
            Some((ends, _)) => return Ok(ends),
            None if taken == LIMIT => return Err(io::ErrorKind::InvalidData.into()),
            None => {}
        }
    }
}

/// What a header says and its length in bytes; none where more of it must come.
fn parse(bytes: &[u8]) -> Result<Option<(Option<Ends>, usize)>, Error> {
    match ProxyHeader::parse(bytes, PARSE) {
        Ok((header, length)) => {
            let ends = |ends: &ProxiedAddress| Ends {
                source: canonical(ends.source),
                destination: canonical(ends.destination),
            };
            Ok(Some((header.proxied_address().map(ends), length)))
        }
        Err(Error::BufferTooShort) => Ok(None),
        Err(error) => Err(error),
    }
}

/// An IPv4 client is one however it is written.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Sends a header in front of everything else; one for ourselves without `ends`.
///
/// # Errors
/// The connection broke.
pub(crate) async fn send(
    stream: &mut TcpStream,
    version: HeaderVersion,
    ends: Option<Ends>,
) -> io::Result<()> {
    stream.write_all(&encode(version, ends)).await
}

fn encode(version: HeaderVersion, ends: Option<Ends>) -> Vec<u8> {
    let header = match ends {
        Some(Ends { source, destination }) => {
            let (source, destination) = same_family(source, destination);
            ProxyHeader::with_address(ProxiedAddress::stream(source, destination))
        }
        None => ProxyHeader::with_local(),
    };
    let mut bytes = Vec::new();
    let encoded = match version {
        HeaderVersion::V1 => header.encode_v1(&mut bytes),
        HeaderVersion::V2 => header.encode_v2(&mut bytes),
    };
    debug_assert!(encoded.is_ok(), "both addresses are of one family: {encoded:?}");
    bytes
}

/// A header has room for one family: where they differ the IPv4 one is mapped.
fn same_family(source: SocketAddr, destination: SocketAddr) -> (SocketAddr, SocketAddr) {
    let mapped = |address: SocketAddr| match address.ip() {
        IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()),
        IpAddr::V6(ip) => SocketAddr::new(ip.into(), address.port()),
    };
    if source.is_ipv4() == destination.is_ipv4() {
        (source, destination)
    } else {
        (mapped(source), mapped(destination))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(source: &str, destination: &str) -> Ends {
        Ends { source: source.parse().unwrap(), destination: destination.parse().unwrap() }
    }

    #[test]
    fn version_1_in_both_families() {
        let v4 = encode(HeaderVersion::V1, Some(ends("192.0.2.1:50000", "192.0.2.100:6443")));
        assert_eq!(v4, b"PROXY TCP4 192.0.2.1 192.0.2.100 50000 6443\r\n");
        let v6 = encode(HeaderVersion::V1, Some(ends("[2001:db8::1]:50000", "[2001:db8::2]:6443")));
        assert_eq!(v6, b"PROXY TCP6 2001:db8::1 2001:db8::2 50000 6443\r\n");
        assert_eq!(encode(HeaderVersion::V1, None), b"PROXY UNKNOWN\r\n");
        let mixed = encode(HeaderVersion::V1, Some(ends("192.0.2.1:5", "[2001:db8::2]:6")));
        assert_eq!(mixed, b"PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 5 6\r\n");
    }

    #[test]
    fn version_2_byte_for_byte() {
        let bytes = encode(HeaderVersion::V2, Some(ends("192.0.2.1:50000", "192.0.2.100:6443")));
        let expected =
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x64\xc3\x50\x19\x2b";
        assert_eq!(bytes, expected);
        assert_eq!(encode(HeaderVersion::V2, None), b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0");
    }

    #[test]
    fn what_is_read_and_where_the_rest_begins() {
        let from = ends("192.0.2.1:50000", "192.0.2.100:6443");
        let v1 = b"PROXY TCP4 192.0.2.1 192.0.2.100 50000 6443\r\nGET /";
        assert_eq!(parse(v1).unwrap(), Some((Some(from), 45)));
        let mapped = b"PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.100 50000 6443\r\n";
        assert_eq!(parse(mapped).unwrap(), Some((Some(from), 59)));
        assert_eq!(parse(b"PROXY UNKNOWN ignored\r\nx").unwrap(), Some((None, 23)));
        let mut v2 = encode(HeaderVersion::V2, Some(from));
        v2.push(b'x');
        assert_eq!(parse(&v2).unwrap(), Some((Some(from), 28)));
        for length in 0..28 {
            assert_eq!(parse(&v2[..length]).unwrap(), None, "{length} bytes of it");
        }
    }

    #[test]
    fn what_is_no_header() {
        let mut endless = b"PROXY TCP4 ".to_vec();
        endless.resize(120, b'1');
        for bytes in [
            b"GET / HTTP/1.1\r\n\r\n".as_slice(),
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03",
            b"PROXY UDP4 192.0.2.1 192.0.2.100 50000 6443\r\n",
            b"PROXY TCP4 192.0.2.1 2001:db8::1 50000 6443\r\n",
            b"PROXY TCP4 192.0.2.1 192.0.2.100 70000 6443\r\n",
            b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x64\xc3\x50\x19\x2b",
            &endless,
        ] {
            assert!(parse(bytes).is_err(), "{:?}", String::from_utf8_lossy(bytes));
        }
    }
}
