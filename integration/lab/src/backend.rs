//! A small HTTPS server that stands for a backend, such as a Kubernetes API server.
//!
//! It runs as a process of its own, so that what kills it is a real `kill -9` and what freezes it a
//! real SIGSTOP.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// How long to wait before the next connection when one could not be accepted, as when there are no
/// descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// Why a backend does not serve.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// The certificate or its key cannot be read.
    #[error("read {path}")]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// The certificate and the key do not go together.
    #[error("use the certificate {path}")]
    Certificate {
        /// The certificate's file.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls::Error,
    },
    /// The kernel would not end it with its parent.
    #[error("ask to be killed at the parent's death")]
    Death(#[source] io::Error),
    /// The address cannot be listened on.
    #[error("listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The kernel's answer.
        source: io::Error,
    },
}

/// Serves HTTPS until the process ends, at the latest with the thread that started it: `/readyz` and
/// `/healthz` say "ok", `/` says `name`, all else is not found. Connections are kept alive for as long
/// as the client likes.
///
/// # Errors
/// It could not begin to serve.
pub fn serve(
    listen: SocketAddr,
    certificate: &Path,
    key: &Path,
    name: &str,
) -> Result<Infallible, BackendError> {
    // It has nothing to do without the lab that started it.
    set_pdeathsig(Signal::SIGKILL).map_err(|errno| BackendError::Death(errno.into()))?;
    let tls = TlsAcceptor::from(Arc::new(tls(certificate, key)?));
    let listening = |source| BackendError::Listen { address: listen, source };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(listening)?;
    let name = Bytes::copy_from_slice(name.as_bytes());
    runtime.block_on(async {
        let listener = TcpListener::bind(listen).await.map_err(listening)?;
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    tokio::spawn(converse(tls.clone(), stream, name.clone()));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    })
}

fn tls(certificate: &Path, key: &Path) -> Result<ServerConfig, BackendError> {
    let pem = |path: &Path| {
        let path = path.to_owned();
        |source| BackendError::Pem { path, source }
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(pem(certificate))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(pem(key))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private))
        .map_err(|source| BackendError::Certificate { path: certificate.to_owned(), source })?;
    // The lab's clients make a new session for each connection; tickets would be made in vain.
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// One connection. How it ends is the client's business: there is nobody to tell.
async fn converse(tls: TlsAcceptor, stream: TcpStream, name: Bytes) {
    // A small answer must not wait for the client's next acknowledgement.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let Ok(stream) = tls.accept(stream).await else { return };
    let answer = service_fn(|request| {
        let name = name.clone();
        async move { Ok::<_, Infallible>(answer(&request, name)) }
    });
    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await);
}

fn answer(request: &Request<Incoming>, name: Bytes) -> Response<Full<Bytes>> {
    let (status, body) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => (StatusCode::OK, name),
        (&Method::GET, "/readyz" | "/healthz") => (StatusCode::OK, Bytes::from_static(b"ok")),
        _ => (StatusCode::NOT_FOUND, Bytes::from_static(b"not found")),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response
}
