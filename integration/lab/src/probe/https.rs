//! HTTPS as the lab's client speaks it, and what can become of a request.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, pem};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::host::Host;
use crate::probe::{ProbeError, http};

/// Where the client's requests go, and whom it trusts there.
#[derive(Clone)]
pub struct Endpoint {
    address: SocketAddr,
    tls: TlsConnector,
}

/// Why an authority cannot be trusted.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// Its certificate cannot be read.
    #[error("read {path}")]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// It is no authority's certificate.
    #[error("trust {path}")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls::Error,
    },
}

/// What went wrong with a request or a connection, as the client sees it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The address answered that nobody listens (ECONNREFUSED).
    #[error("refused")]
    Refused,
    /// The connection was reset (ECONNRESET, or EPIPE for what is sent after it).
    #[error("reset")]
    Reset,
    /// The connection was closed before the answer was there.
    #[error("closed")]
    Closed,
    /// There is no way to the address (EHOSTUNREACH, ENETUNREACH).
    #[error("unreachable")]
    Unreachable,
    /// No answer within the client's patience.
    #[error("no answer in time")]
    Timeout,
    /// An answer other than 200.
    #[error("answered {0}")]
    Status(u16),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// A connection with its TLS session, ready for requests.
pub(crate) struct Session {
    stream: TlsStream<TcpStream>,
    host: String,
}

impl Endpoint {
    /// The service at `address`, whose certificate the authority in the PEM file `ca` has signed for
    /// that address.
    ///
    /// # Errors
    /// The authority's certificate is of no use.
    pub fn new(address: SocketAddr, ca: &Path) -> Result<Self, TrustError> {
        let trust = |source| TrustError::Certificate { path: ca.to_owned(), source };
        let authority = CertificateDer::from_pem_file(ca)
            .map_err(|source| TrustError::Pem { path: ca.to_owned(), source })?;
        let mut roots = RootCertStore::empty();
        roots.add(authority).map_err(trust)?;
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(trust)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        // Each connection stands for a client of its own.
        config.resumption = Resumption::disabled();
        Ok(Self { address, tls: TlsConnector::from(Arc::new(config)) })
    }

    /// Where requests go.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Makes one request on a new connection from `client` and waits for its answer: the name of the
    /// backend, or what went wrong.
    ///
    /// # Errors
    /// There is no runtime for it: nothing that the service has to do with.
    pub fn get(
        &self,
        client: &Host,
        patience: Duration,
    ) -> Result<Result<String, Failure>, ProbeError> {
        let done = client.run(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            Ok(runtime.block_on(self.request(patience)))
        })?;
        done.map_err(ProbeError::open("a runtime", client))
    }

    /// One request on a new connection, within `patience`.
    pub(crate) async fn request(&self, patience: Duration) -> Result<String, Failure> {
        let request = async { self.connect().await?.exchange(true).await };
        timeout(patience, request).await.unwrap_or(Err(Failure::Timeout))
    }

    /// Connects, TLS included.
    pub(crate) async fn connect(&self) -> Result<Session, Failure> {
        let stream = TcpStream::connect(self.address).await.map_err(|e| Failure::of(&e))?;
        stream.set_nodelay(true).map_err(|e| Failure::of(&e))?;
        let name = ServerName::from(self.address.ip());
        let stream = self.tls.connect(name, stream).await.map_err(|e| Failure::of(&e))?;
        Ok(Session { stream, host: self.address.to_string() })
    }
}

impl Session {
    /// Asks for `/`, the last time on this connection if `close`, and reads the whole answer: the name
    /// of the backend.
    pub(crate) async fn exchange(&mut self, close: bool) -> Result<String, Failure> {
        let request = http::request(&self.host, close);
        self.stream.write_all(request.as_bytes()).await.map_err(|e| Failure::of(&e))?;
        self.stream.flush().await.map_err(|e| Failure::of(&e))?;
        let mut bytes = Vec::new();
        loop {
            match http::answer(&bytes) {
                Ok(Some(http::Answer { status: 200, body })) => return Ok(body),
                Ok(Some(answer)) => return Err(Failure::Status(answer.status)),
                Ok(None) => {}
                Err(error) => return Err(Failure::Other(error.to_string())),
            }
            match self.stream.read_buf(&mut bytes).await {
                Ok(0) => return Err(Failure::Closed),
                Ok(_) => {}
                Err(error) => return Err(Failure::of(&error)),
            }
        }
    }

    /// Waits for the end of a connection on which nothing is asked. May be left off at any time.
    pub(crate) async fn end(&mut self) -> Failure {
        match self.stream.read(&mut [0; 1]).await {
            Ok(0) => Failure::Closed,
            Ok(_) => Failure::Other("an answer that nobody asked for".to_owned()),
            Err(error) => Failure::of(&error),
        }
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Endpoint({})", self.address)
    }
}

impl Failure {
    /// What an error means to the client: the kernel's answer, or what TLS has against it.
    fn of(error: &io::Error) -> Self {
        Self::of_kind(error.kind()).unwrap_or_else(|| Self::Other(error.to_string()))
    }

    fn of_kind(kind: ErrorKind) -> Option<Self> {
        // `ErrorKind` grows with the language.
        #[expect(clippy::wildcard_enum_match_arm, reason = "an enum that others extend")]
        match kind {
            ErrorKind::ConnectionRefused => Some(Self::Refused),
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted => {
                Some(Self::Reset)
            }
            ErrorKind::UnexpectedEof => Some(Self::Closed),
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => Some(Self::Unreachable),
            // The kernel's own patience: the SYN or the data was never acknowledged.
            ErrorKind::TimedOut => Some(Self::Timeout),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_the_kernels_answers() {
        for (errno, expected) in [
            (111, Failure::Refused),
            (104, Failure::Reset),
            (32, Failure::Reset),
            (113, Failure::Unreachable),
            (101, Failure::Unreachable),
            (110, Failure::Timeout),
        ] {
            let error = io::Error::from_raw_os_error(errno);
            assert_eq!(Failure::of(&error), expected, "{errno}");
        }
        let eof = io::Error::new(ErrorKind::UnexpectedEof, "no close_notify");
        assert_eq!(Failure::of(&eof), Failure::Closed);
        assert_eq!(Failure::of(&io::Error::other("odd")), Failure::Other("odd".to_owned()));
    }
}
