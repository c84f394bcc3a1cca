//! TLS for checks: what is demanded of a server's certificate.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore, SignatureScheme};
use shared::Endpoint;
use shared::config::{ClientCertificate, Verify};

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
    Unfit { path: PathBuf, source: rustls::Error },
    /// The check's own certificate or key cannot be read, or is not PEM.
    #[error("read the check's own {path}: {source}")]
    ReadOwn { path: PathBuf, source: rustls::pki_types::pem::Error },
    /// They do not fit together.
    #[error("show the certificate in {path}: {source}")]
    UnfitOwn { path: PathBuf, source: rustls::Error },
    /// The name cannot stand in a certificate.
    #[error("{name:?} is no server name")]
    Name { name: String },
    /// The library's own defaults do not fit together.
    #[error("set up TLS: {0}")]
    Setup(#[from] rustls::Error),
}

/// How a check speaks TLS.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    pub(crate) config: Arc<ClientConfig>,
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
                let config = builder.with_root_certificates(authorities(ca)?);
                let name = server_name.as_ref().map(|name| {
                    ServerName::try_from(name.clone())
                        .map_err(|_| TlsError::Name { name: name.clone() })
                });
                Ok(Self { config: showing(config, own)?, name: name.transpose()? })
            }
        }
    }

    /// The name that the certificate of the server at `endpoint`, now at `address`, must bear.
    pub(crate) fn name(&self, endpoint: &Endpoint, address: SocketAddr) -> ServerName<'static> {
        let own = match endpoint {
            Endpoint::Name { host, .. } => ServerName::try_from(host.clone()).ok(),
            Endpoint::Address(_) => None,
        };
        let name = self.name.clone().or(own);
        name.unwrap_or_else(|| ServerName::IpAddress(address.ip().into()))
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

/// Takes any certificate, as `verify = false` says.
#[derive(Debug)]
struct Anything(Arc<CryptoProvider>);

impl ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
