//! A server's certificate, as far as it concerns people: for whom, until when, and by whom.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "of X.509's many kinds of names two concern us"
)]

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

/// Characters of a name at most, as DNS has it (RFC 1035 §2.3.4): whoever shows a certificate may
/// write into it what they like.
const NAME_LIMIT: usize = 255;

/// Names of it at most: a certificate of 64 KiB has room for thousands.
const NAMES_LIMIT: usize = 256;

/// What a certificate says of itself. Nobody need have vouched for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The DNS names and addresses that it is valid for (subject alternative names), in their order; the first 256.
    pub names: Vec<String>,
    /// Who signed it.
    pub issuer: String,
    /// Seconds of the Unix clock from which on it is valid.
    pub not_before: u64,
    /// Seconds of the Unix clock at which it expires.
    pub not_after: u64,
}

impl Certificate {
    /// Reads one (RFC 5280); none where it is none.
    #[must_use]
    pub fn read(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let names = certificate.subject_alternative_name().ok()?;
        let names = names.map(|names| names.value.general_names.iter().filter_map(name));
        let validity = certificate.validity();
        // Before 1970 is as good as then.
        let seconds = |time: i64| u64::try_from(time).unwrap_or(0);
        Some(Self {
            names: names.into_iter().flatten().take(NAMES_LIMIT).collect(),
            issuer: issuer(&certificate),
            not_before: seconds(validity.not_before.timestamp()),
            not_after: seconds(validity.not_after.timestamp()),
        })
    }

    /// Whether clients take it for `name`, an address or a DNS name (RFC 9525 §6.3: a leading `*.`
    /// stands for one label).
    #[must_use]
    pub fn is_valid_for(&self, name: &str) -> bool {
        if let Ok(address) = name.parse::<IpAddr>() {
            return self.names.iter().any(|valid| valid.parse() == Ok(address));
        }
        let name = name.trim_end_matches('.');
        let parent = name.split_once('.').map(|(_, parent)| parent);
        self.names.iter().any(|valid| match valid.strip_prefix("*.") {
            Some(suffix) => parent.is_some_and(|parent| parent.eq_ignore_ascii_case(suffix)),
            None => valid.eq_ignore_ascii_case(name),
        })
    }

    /// When it expires.
    #[must_use]
    pub fn expires(&self) -> SystemTime {
        time(self.not_after)
    }

    /// From when on it is valid.
    #[must_use]
    pub fn begins(&self) -> SystemTime {
        time(self.not_before)
    }
}

/// A time beyond what the clock can tell is as good as never.
fn time(seconds: u64) -> SystemTime {
    const LAST: u64 = 253_402_300_799;
    UNIX_EPOCH + Duration::from_secs(seconds.min(LAST))
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => {
            let plain = name.len() <= NAME_LIMIT && name.bytes().all(|b| b.is_ascii_graphic());
            plain.then(|| (*name).to_owned())
        }
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let v6 = || <[u8; 16]>::try_from(*bytes).map(IpAddr::from);
            v4.or_else(|_| v6()).ok().map(|ip| ip.to_string())
        }
        _ => None,
    }
}

/// The common name where there is one: people know it by that.
fn issuer(certificate: &X509Certificate<'_>) -> String {
    let issuer = certificate.issuer();
    let common = issuer.iter_common_name().find_map(|name| name.as_str().ok());
    let words = common.map_or_else(|| issuer.to_string(), str::to_owned);
    let clean = |character: char| if character.is_control() { ' ' } else { character };
    words.chars().map(clean).take(NAME_LIMIT).collect()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};

    use super::*;

    fn certificate(names: &[&str]) -> Certificate {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, "kubernetes");
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2027, 1, 1);
        Certificate::read(params.self_signed(&key).unwrap().der()).unwrap()
    }

    #[test]
    fn says_for_whom_until_when_and_by_whom() {
        let read = certificate(&["kubernetes.default.svc", "10.96.0.1", "fd77::1"]);
        assert_eq!(read.names, ["kubernetes.default.svc", "10.96.0.1", "fd77::1"]);
        assert_eq!(read.issuer, "kubernetes");
        // `date -u -d 2026-01-01 +%s`, and a year later.
        assert_eq!((read.not_before, read.not_after), (1_767_225_600, 1_798_761_600));
    }

    #[test]
    fn is_valid_for_what_it_names() {
        let read = certificate(&["api.example.com", "*.k8s.example.com", "10.96.0.1", "fd77::1"]);
        for (name, valid) in [
            ("10.96.0.1", true),
            ("10.96.0.10", false),
            ("fd77:0::1", true),
            ("API.example.com.", true),
            ("example.com", false),
            ("a.k8s.example.com", true),
            ("a.b.k8s.example.com", false),
            ("k8s.example.com", false),
            ("", false),
        ] {
            assert_eq!(read.is_valid_for(name), valid, "{name}");
        }
        assert!(!certificate(&[]).is_valid_for("10.96.0.1"));
    }

    #[test]
    fn what_is_none_is_not_read() {
        assert_eq!(Certificate::read(b""), None);
        assert_eq!(Certificate::read(&[0x30, 0x82, 0xff, 0xff]), None);
    }
}
