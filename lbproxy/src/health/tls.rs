//! TLS for checks: what is demanded of a server's certificate.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use config::{ClientCertificate, Verify};
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

/// The authorities of a check cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// The file cannot be read, or is not PEM.
    #[error("read the authorities in {path}: {source}")]
    Read { path: PathBuf, source: rustls::pki_types::pem::Error },
    /// There is none in it.
    #[error("{path} holds no certificate")]
    Empty { path: PathBuf },
    /// One of them is no authority.
    #[error("use the authorities in {path}: {source}")]
    Unfit { path: PathBuf, source: Error },
    /// The check's own certificate or key cannot be read, or is not PEM.
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
    /// Reads the authorities.
    ///
    /// # Errors
    /// They cannot be read or used.
    pub(crate) fn new(verify: &Verify, own: Option<&ClientCertificate>) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        match verify {
            Verify::Nothing => {
                let config = builder
                    .dangerous()
                    .with_custom_certificate_verifier(Arc::new(Anything(provider)));
                Ok(Self { config: showing(config, own)?, name: None })
            }
            Verify::Authority { ca, server_name } => {
                let verifier = WebPkiServerVerifier::builder_with_provider(
                    Arc::new(authorities(ca)?),
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
                Ok(Self { config: showing(config, own)?, name: name.transpose()? })
            }
        }
    }

    /// One that takes any certificate, and shows `own`: to look at what a server has.
    ///
    /// # Errors
    /// Its own certificate cannot be read or used.
    pub(crate) fn lax(own: Option<&ClientCertificate>) -> Result<Self, TlsError> {
        Self::new(&Verify::Nothing, own)
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
    chain: &[CertificateDer<'_>],
    now: UnixTime,
) -> Result<(), Distrust> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = authorities(ca).map_err(|error| Distrust::NoAuthority(error.to_string()))?;
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

/// Adds what the check shows of itself.
fn showing(
    builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    own: Option<&ClientCertificate>,
) -> Result<Arc<ClientConfig>, TlsError> {
    let Some(ClientCertificate { cert, key }) = own else {
        return Ok(Arc::new(builder.with_no_client_auth()));
    };
    let read = |path: &Path, source| TlsError::ReadOwn { path: path.to_owned(), source };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect)
        .map_err(|source| read(cert, source))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|source| read(key, source))?;
    let config = builder.with_client_auth_cert(chain, private);
    let unfit = |source| TlsError::UnfitOwn { path: cert.clone(), source };
    config.map(Arc::new).map_err(unfit)
}

fn authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let of = || path.to_owned();
    let mut store = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(path)
        .map_err(|source| TlsError::Read { path: of(), source })?;
    for certificate in certificates {
        let certificate = certificate.map_err(|source| TlsError::Read { path: of(), source })?;
        store.add(certificate).map_err(|source| TlsError::Unfit { path: of(), source })?;
    }
    if store.is_empty() { Err(TlsError::Empty { path: of() }) } else { Ok(store) }
}
