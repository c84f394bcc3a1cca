//! A throw-away certificate authority, and one server certificate that it signed.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// The DNS name that the server certificate is valid for, besides its addresses.
pub const SERVER_NAME: &str = "service.lab";

/// Where a lab's certificates are, as PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificates {
    /// The authority's certificate: what clients and health checks trust.
    pub ca: PathBuf,
    /// The server's certificate.
    pub certificate: PathBuf,
    /// The server's private key.
    pub key: PathBuf,
}

/// Why there are no certificates.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// They could not be made.
    #[error("make the lab's certificates")]
    Make(#[from] rcgen::Error),
    /// They could not be written.
    #[error("write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl Certificates {
    /// Makes an authority and a server certificate for [`SERVER_NAME`] and these addresses (those of
    /// the service and those of its backends), and writes them into `directory`. Both are valid at
    /// any time, whatever the machine's clock says.
    ///
    /// # Errors
    /// No randomness, or the files cannot be written.
    pub fn write(directory: &Path, addresses: &[IpAddr]) -> Result<Self, CertificateError> {
        let ca_key = KeyPair::generate()?;
        let mut ca = CertificateParams::default();
        ca.distinguished_name.push(DnType::CommonName, "lab authority");
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ca_certificate = ca.self_signed(&ca_key)?;

        let key = KeyPair::generate()?;
        let mut names = vec![SERVER_NAME.to_owned()];
        names.extend(addresses.iter().map(IpAddr::to_string));
        let mut server = CertificateParams::new(names)?;
        server.distinguished_name.push(DnType::CommonName, SERVER_NAME);
        server.use_authority_key_identifier_extension = true;
        server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = server.signed_by(&key, &Issuer::new(ca, ca_key))?;

        Ok(Self {
            ca: write(directory.join("ca.pem"), &ca_certificate.pem())?,
            certificate: write(directory.join("server.pem"), &certificate.pem())?,
            key: write(directory.join("server-key.pem"), &key.serialize_pem())?,
        })
    }
}

fn write(path: PathBuf, content: &str) -> Result<PathBuf, CertificateError> {
    match fs::write(&path, content) {
        Ok(()) => Ok(path),
        Err(source) => Err(CertificateError::Write { path, source }),
    }
}
