//! HTTPS as the lab's client speaks it, and what can become of a request.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::Fuse;
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper::header::{CONNECTION, HOST, HeaderValue};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, pem};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::lab::host::Host;
use crate::lab::probe::ProbeError;

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

/// What moves the bytes of a connection; it must be polled for requests to be answered.
pub(crate) type Transport = Connection<TokioIo<TlsStream<TcpStream>>, Empty<Bytes>>;

/// A connection with its TLS session, ready for requests.
pub(crate) type Session = (SendRequest<Empty<Bytes>>, Transport);

/// Whether the server may keep the connection after its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    Keep,
    Close,
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
        let request = async {
            let (mut sender, connection) = self.connect().await?;
            self.exchange(&mut sender, pin!(connection.fuse()), After::Close).await
        };
        tokio::time::timeout(patience, request).await.unwrap_or(Err(Failure::Timeout))
    }

    /// Connects, TLS included.
    pub(crate) async fn connect(&self) -> Result<Session, Failure> {
        let stream = TcpStream::connect(self.address).await.map_err(|e| Failure::of(&e))?;
        stream.set_nodelay(true).map_err(|e| Failure::of(&e))?;
        let name = ServerName::from(self.address.ip());
        let stream = self.tls.connect(name, stream).await.map_err(|e| Failure::of(&e))?;
        http1::handshake(TokioIo::new(stream)).await.map_err(|e| Failure::of(&e))
    }

    /// Asks for `/` on a connection and reads the whole answer.
    pub(crate) async fn exchange(
        &self,
        sender: &mut SendRequest<Empty<Bytes>>,
        connection: Pin<&mut Fuse<Transport>>,
        after: After,
    ) -> Result<String, Failure> {
        let mut ask = pin!(self.ask(sender, after));
        tokio::select! {
            biased;
            answer = &mut ask => answer,
            // The request knows of the end as well, and often better why.
            end = connection => match (ask.await, end) {
                (Err(Failure::Closed | Failure::Other(_)), Err(error)) => Err(Failure::of(&error)),
                (answer, _) => answer,
            }
        }
    }

    async fn ask(
        &self,
        sender: &mut SendRequest<Empty<Bytes>>,
        after: After,
    ) -> Result<String, Failure> {
        let mut request = Request::new(Empty::new());
        let host = HeaderValue::from_str(&self.address.to_string());
        let host = host.map_err(|e| Failure::Other(e.to_string()))?;
        request.headers_mut().insert(HOST, host);
        if after == After::Close {
            request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let response = sender.send_request(request).await.map_err(|e| Failure::of(&e))?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(|e| Failure::of(&e))?;
        if status == StatusCode::OK {
            Ok(String::from_utf8_lossy(&body.to_bytes()).into_owned())
        } else {
            Err(Failure::Status(status.as_u16()))
        }
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Endpoint({})", self.address)
    }
}

impl Failure {
    /// What an error means to the client: the kernel's answer, wherever it hides in the chain.
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Self {
        let http = error.downcast_ref::<hyper::Error>();
        let ended = |error: &hyper::Error| {
            error.is_incomplete_message() || error.is_canceled() || error.is_closed()
        };
        match Self::of_kernel(error) {
            Some(failure) => failure,
            None if http.is_some_and(ended) => Self::Closed,
            None => Self::Other(error.to_string()),
        }
    }

    fn of_kernel(error: &(dyn Error + 'static)) -> Option<Self> {
        let io = error.downcast_ref::<io::Error>();
        let inner = io.and_then(io::Error::get_ref);
        io.and_then(|io| Self::of_kind(io.kind()))
            // An `io::Error` that wraps another error leaves it out of the chain of sources.
            .or_else(|| Self::of_kernel(inner?))
            .or_else(|| Self::of_kernel(error.source()?))
    }

    /// What the end of a connection means that was to go on.
    pub(crate) fn of_end(end: hyper::Result<()>) -> Self {
        end.map_or_else(|error| Self::of(&error), |()| Self::Closed)
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
            let wrapped = io::Error::other(io::Error::from_raw_os_error(errno));
            assert_eq!(Failure::of(&wrapped), expected, "{errno}, wrapped");
        }
        let eof = io::Error::new(ErrorKind::UnexpectedEof, "no close_notify");
        assert_eq!(Failure::of(&eof), Failure::Closed);
        assert_eq!(Failure::of(&io::Error::other("odd")), Failure::Other("odd".to_owned()));
    }
}
