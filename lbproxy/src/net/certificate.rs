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
    /// The DNS names and addresses that it is valid for (subject alternative names), in their order; the
    /// first 256.
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

/// Why a certificate is not valid at `now`, as people tell times; none if it is.
#[must_use]
pub fn out_of_time(begins: SystemTime, expires: SystemTime, now: SystemTime) -> Option<String> {
    match (begins.duration_since(now), now.duration_since(expires)) {
        (Ok(left), _) if !left.is_zero() => {
            Some(format!("valid from {}, in {}", moment(begins, now), span(left)))
        }
        (_, Ok(past)) => Some(format!("expired at {}, {} ago", moment(expires, now), span(past))),
        _ => None,
    }
}

/// A moment, with its day unless that is today's.
fn moment(time: SystemTime, now: SystemTime) -> String {
    let [text, today] = [time, now].map(|t| humantime::format_rfc3339_seconds(t).to_string());
    let [day, today] = [&text, &today].map(|text| text.get(..10).unwrap_or_default());
    let clock = text.get(11..16).unwrap_or_default();
    if day == today { format!("{clock} UTC") } else { format!("{day} {clock} UTC") }
}

/// How long, in one unit.
fn span(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3_600 => format!("{} min", seconds / 60),
        seconds @ 3_600..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
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

    #[test]
    fn times_are_told_as_people_do() {
        // 2026-11-30 12:03:00.
        let now = 1_796_040_180;
        let at = |seconds: u64| UNIX_EPOCH + Duration::from_secs(seconds);
        let never = now + 100_000_000;
        for (begins, expires, expected) in [
            (now, never, None),
            (now - 1, now + 1, None),
            (now + 7_200, never, Some("valid from 14:03 UTC, in 2 h")),
            (now + 59, never, Some("valid from 12:03 UTC, in 59 s")),
            (now + 72_000, never, Some("valid from 2026-12-01 08:03 UTC, in 20 h")),
            (now + 864_000, never, Some("valid from 2026-12-10 12:03 UTC, in 10 days")),
            (0, now - 300, Some("expired at 11:58 UTC, 5 min ago")),
            (0, now, Some("expired at 12:03 UTC, 0 s ago")),
        ] {
            let found = out_of_time(at(begins), at(expires), at(now));
            assert_eq!(found.as_deref(), expected, "{begins} {expires}");
        }
    }
}
