//! TLS for checks: what is demanded of a server's certificate.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use config::{ClientCertificate, Files, Verify};
use rustls::client::danger::ServerCertVerifier;
use rustls::client::{WantsClientCert, WebPkiServerVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, ConfigBuilder, Error, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use vocabulary::Endpoint;

use super::verifier::{Anything, Vouched};
use crate::net::certificate::out_of_time;

/// The authorities of a check cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// The file cannot be read.
    #[error("read {path}: {words}")]
    Unreadable { path: PathBuf, words: String },
    /// It is not PEM.
    #[error("read the authorities in {path}: {source}")]
    Read { path: PathBuf, source: rustls::pki_types::pem::Error },
    /// There is none in it.
    #[error("{path} holds no certificate")]
    Empty { path: PathBuf },
    /// One of them is no authority.
    #[error("use the authorities in {path}: {source}")]
    Unfit { path: PathBuf, source: Error },
    /// The check's own certificate or key is not PEM.
    #[error("read the check's own {path}: {source}")]
    ReadOwn { path: PathBuf, source: rustls::pki_types::pem::Error },
    /// They do not fit together.
    #[error("show the certificate in {path}: {source}")]
    UnfitOwn { path: PathBuf, source: Error },
    /// The name cannot stand in a certificate.
    #[error("{name:?} is no server name")]
    Name { name: String },
    /// The library's own defaults do not fit together.
    #[error("set up TLS: {0}")]
    Setup(#[from] Error),
}

/// Why a chain is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    /// There is nobody to vouch for it.
    #[error("{0}")]
    NoAuthority(String),
    /// None of the authorities signed it.
    #[error("none of the authorities signed it")]
    Stranger,
    /// Something else.
    #[error("{0}")]
    Other(String),
}

/// How a check speaks TLS.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    config: Arc<ClientConfig>,
    /// The name that must be borne; none: the server's address.
    name: Option<ServerName<'static>>,
}

impl Tls {
    /// Takes the authorities, and what the check shows of itself, from `files`.
    ///
    /// # Errors
    /// They cannot be read or used.
    pub(crate) fn new(
        verify: &Verify,
        own: Option<&ClientCertificate>,
        files: &Files,
    ) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        match verify {
            Verify::Nothing => {
                let config = builder
                    .dangerous()
                    .with_custom_certificate_verifier(Arc::new(Anything(provider)));
                Ok(Self { config: showing(config, own, files)?, name: None })
            }
            Verify::Authority { ca, server_name } => {
                let verifier = WebPkiServerVerifier::builder_with_provider(
                    Arc::new(authorities(ca, files)?),
                    provider,
                )
                .build()
                .map_err(|error| Error::General(error.to_string()))?;
                let config = builder
                    .dangerous()
                    .with_custom_certificate_verifier(Arc::new(Vouched(verifier)));
                let name = server_name.as_ref().map(|name| {
                    ServerName::try_from(name.clone())
                        .map_err(|_| TlsError::Name { name: name.clone() })
                });
                Ok(Self { config: showing(config, own, files)?, name: name.transpose()? })
            }
        }
    }

    /// One that takes any certificate, and shows `own`: to look at what a server has.
    ///
    /// # Errors
    /// Its own certificate cannot be read or used.
    pub(crate) fn lax(own: Option<&ClientCertificate>, files: &Files) -> Result<Self, TlsError> {
        Self::new(&Verify::Nothing, own, files)
    }

    /// Shakes hands with the server at `endpoint`, now at `address`.
    ///
    /// # Errors
    /// What ended the handshake.
    pub(crate) async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        endpoint: &Endpoint,
        address: SocketAddr,
        stream: S,
    ) -> io::Result<TlsStream<S>> {
        TlsConnector::from(Arc::clone(&self.config))
            .connect(self.name(endpoint, address), stream)
            .await
    }

    /// The name that the certificate of the server at `endpoint`, now at `address`, must bear.
    fn name(&self, endpoint: &Endpoint, address: SocketAddr) -> ServerName<'static> {
        let own = match endpoint {
            Endpoint::Name { host, .. } => ServerName::try_from(host.clone()).ok(),
            Endpoint::Address(_) => None,
        };
        let name = self.name.clone().or(own);
        name.unwrap_or_else(|| ServerName::IpAddress(address.ip().into()))
    }
}

/// What the server has shown: its own certificate first.
pub(crate) fn chain<S>(stream: &TlsStream<S>) -> &[CertificateDer<'static>] {
    stream.get_ref().1.peer_certificates().unwrap_or_default()
}

/// Whether an authority of `ca` vouches for a chain that was shown, for whatever name, at the time
/// `now`.
///
/// # Errors
/// It does not, or the authorities cannot be had.
pub(crate) fn vouched(
    ca: &Path,
    files: &Files,
    chain: &[CertificateDer<'_>],
    now: UnixTime,
) -> Result<(), Distrust> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = authorities(ca, files).map_err(|error| Distrust::NoAuthority(error.to_string()))?;
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    let verifier = verifier.map_err(|error| Distrust::NoAuthority(error.to_string()))?;
    let [leaf, others @ ..] = chain else { return Err(Distrust::Other("none".to_owned())) };
    // Names are judged after all else.
    let any = ServerName::IpAddress(IpAddr::from(Ipv4Addr::UNSPECIFIED).into());
    match verifier.verify_server_cert(leaf, others, &any, &[], now) {
        Ok(_) => Ok(()),
        Err(Error::InvalidCertificate(why)) => distrusts(why),
        Err(error) => Err(Distrust::Other(error.to_string())),
    }
}

/// Names and times aside: the doctor's calendar says more of these.
#[expect(clippy::wildcard_enum_match_arm, reason = "an enum that others extend")]
fn distrusts(why: CertificateError) -> Result<(), Distrust> {
    match why {
        CertificateError::NotValidForName
        | CertificateError::NotValidForNameContext { .. }
        | CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => Ok(()),
        CertificateError::UnknownIssuer | CertificateError::BadSignature => Err(Distrust::Stranger),
        _ => Err(Distrust::Other(Error::InvalidCertificate(why).to_string())),
    }
}

/// What ended a handshake; times as people tell them.
pub(super) fn handshake(error: &io::Error) -> String {
    let invalid = error.get_ref().and_then(|error| error.downcast_ref::<Error>());
    let at = |time: &UnixTime| UNIX_EPOCH + Duration::from_secs(time.as_secs());
    let words = match invalid {
        Some(Error::InvalidCertificate(CertificateError::NotValidYetContext {
            time,
            not_before,
        })) => out_of_time(at(not_before), at(not_before), at(time)),
        Some(Error::InvalidCertificate(CertificateError::ExpiredContext { time, not_after })) => {
            out_of_time(UNIX_EPOCH, at(not_after), at(time))
        }
        _ => None,
    };
    words.map_or_else(|| error.to_string(), |words| format!("the server's certificate: {words}"))
}

/// Adds what the check shows of itself.
fn showing(
    builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    own: Option<&ClientCertificate>,
    files: &Files,
) -> Result<Arc<ClientConfig>, TlsError> {
    let Some(ClientCertificate { cert, key }) = own else {
        return Ok(Arc::new(builder.with_no_client_auth()));
    };
    let read = |path: &Path, source| TlsError::ReadOwn { path: path.to_owned(), source };
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(text(cert, files)?.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|source| read(cert, source))?;
    let private = PrivateKeyDer::from_pem_slice(text(key, files)?.as_bytes())
        .map_err(|source| read(key, source))?;
    let config = builder.with_client_auth_cert(chain, private);
    let unfit = |source| TlsError::UnfitOwn { path: cert.clone(), source };
    config.map(Arc::new).map_err(unfit)
}

fn text<'a>(path: &Path, files: &'a Files) -> Result<&'a str, TlsError> {
    files.get(path).map_err(|words| TlsError::Unreadable { path: path.to_owned(), words })
}

fn authorities(path: &Path, files: &Files) -> Result<RootCertStore, TlsError> {
    let of = || path.to_owned();
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(text(path, files)?.as_bytes()) {
        let certificate = certificate.map_err(|source| TlsError::Read { path: of(), source })?;
        store.add(certificate).map_err(|source| TlsError::Unfit { path: of(), source })?;
    }
    if store.is_empty() { Err(TlsError::Empty { path: of() }) } else { Ok(store) }
}
