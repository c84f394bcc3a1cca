//! From `check = { … }` to a check.

use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;
use std::time::Duration;

use super::track;
use super::{AgentConfig, CheckConfig, CheckKind, ClientCertificate, HttpCheck, Statuses, Verify};
use crate::check::{Check, count_in, duration_in};
use crate::code::Code;
use crate::fault::Fault;
use crate::problem::Span;
use crate::raw::{RawAgent, RawCheck};
use crate::spanned::Spanned;

/// Checks one table; none where something is wrong.
pub(super) fn server_check(raw: &Spanned<RawCheck>, check: &mut Check<'_>) -> Option<CheckConfig> {
    let (table, raw) = (raw.span(), raw.get_ref());
    let kind = kind(raw, &table, check);
    let certificate = certificate(raw, &table, check);
    let port = check.optional("port", &raw.port, "default: the port that serves", None, |port| {
        count_in(1..=65_535)(port).map(|port| u16::try_from(port).ok().and_then(NonZeroU16::new))
    });
    let times = Duration::from_millis(10)..=Duration::from_secs(3600);
    let interval = check.optional(
        "interval",
        &raw.interval,
        "",
        Duration::from_secs(1),
        duration_in(times.clone()),
    );
    let default = interval.unwrap_or(*times.start());
    let mut pace = |key, raw| check.optional(key, raw, "", default, duration_in(times.clone()));
    let fast_interval = pace("fast_interval", &raw.fast_interval);
    let down_interval = pace("down_interval", &raw.down_interval);
    let error_limit = check.optional(
        "error_limit",
        &raw.error_limit,
        "0: failed connections of clients do not count",
        NonZeroU32::new(3),
        |count| count_in(0..=1000)(count).map(NonZeroU32::new),
    );
    let timeout = check.optional("timeout", &raw.timeout, "", default, duration_in(times.clone()));
    let whole = timeout.unwrap_or(default);
    let help = "connecting is part of the check: give that more time with `timeout`";
    let within = duration_in(*times.start()..=whole);
    let connect_timeout =
        check.optional("connect_timeout", &raw.connect_timeout, help, whole, within);
    let rise = check.optional("rise", &raw.rise, "", 2, count_in(1..=100));
    let fall = check.optional("fall", &raw.fall, "", 3, count_in(1..=100));
    Some(CheckConfig {
        kind: kind?,
        port: port?,
        certificate,
        interval: interval?,
        fast_interval: fast_interval?,
        down_interval: down_interval?,
        error_limit: error_limit?,
        timeout: timeout?,
        connect_timeout: connect_timeout?,
        rise: rise?,
        fall: fall?,
    })
}

/// Checks the table of an agent; none where something is wrong.
pub(super) fn agent(raw: &Spanned<RawAgent>, check: &mut Check<'_>) -> Option<AgentConfig> {
    let (table, raw) = (raw.span(), raw.get_ref());
    let help = "such as agent = { port = 9707 }";
    let port = check.required(&table, "port", &raw.port, help, |port| {
        count_in(1..=65_535)(port).map(|port| u16::try_from(port).ok().and_then(NonZeroU16::new))
    });
    let times = Duration::from_millis(10)..=Duration::from_secs(3600);
    let two = Duration::from_secs(2);
    let interval = check.optional("interval", &raw.interval, "", two, duration_in(times.clone()));
    let timeout =
        check.optional("timeout", &raw.timeout, "", interval.unwrap_or(two), duration_in(times));
    Some(AgentConfig { port: port??, interval: interval?, timeout: timeout? })
}

fn kind(raw: &RawCheck, table: &Span, check: &mut Check<'_>) -> Option<CheckKind> {
    let wanted = |flag: &Option<Spanned<bool>>| flag.as_ref().is_some_and(|flag| *flag.get_ref());
    let chosen = [wanted(&raw.tcp), wanted(&raw.tls), raw.http.is_some(), raw.https.is_some()];
    if raw.track.is_some() {
        track::alone(raw, check);
        return Some(CheckKind::Tcp);
    }
    if chosen.iter().filter(|chosen| **chosen).count() > 1 {
        let title = "a check does one of `tcp`, `tls`, `http` and `https`";
        check.problems.tell(
            Code::CheckNotOne,
            table.clone(),
            title,
            "keep the last of them that fits: it proves the most",
        );
        return None;
    }
    let [_, tls, http, https] = chosen;
    let (key, asked) = if https { ("https", &raw.https) } else { ("http", &raw.http) };
    let path =
        check.optional(key, asked, "such as \"/readyz\"", String::new(), |path| http_path(path));
    let status = check.optional("expect", &raw.expect, "", ok(), |given| statuses(&given.0));
    unneeded(raw, tls || https, http || https, check);
    let http_check = Some(HttpCheck {
        path: path?,
        expect: status?,
        expect_body: raw.expect_body.as_ref().map(|body| body.get_ref().clone()),
        token_file: raw.token_file.as_ref().map(|path| PathBuf::from(path.get_ref())),
    });
    match (tls, http, https) {
        (true, ..) => Some(CheckKind::Tls(verify(raw, table, check)?)),
        (_, true, _) => Some(CheckKind::Http(http_check?)),
        (_, _, true) => Some(CheckKind::Https(http_check?, verify(raw, table, check)?)),
        _ => Some(CheckKind::Tcp),
    }
}

/// What is expected where nothing is said.
fn ok() -> Statuses {
    Statuses::new(vec![200..=200])
}

/// Each a status or a range of them.
fn statuses(given: &[String]) -> Result<Statuses, Fault> {
    let status = |text: &str| text.parse().ok().filter(|status| (100..=599).contains(status));
    let range = |text: &String| {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last): (u16, u16) = (status(first.trim())?, status(last.trim())?);
        (first <= last).then_some(first..=last)
    };
    let ranges: Option<Vec<_>> = given.iter().map(range).collect();
    let wrong = || Fault::new(Code::Number, "must be 100 to 599, or such as [\"200-399\", 401]");
    ranges.filter(|ranges| !ranges.is_empty()).map(Statuses::new).ok_or_else(wrong)
}

fn http_path(path: &str) -> Result<String, Fault> {
    let clean = path.bytes().all(|byte| byte.is_ascii_graphic());
    if path.starts_with('/') && clean {
        Ok(path.to_owned())
    } else {
        Err(Fault::new(Code::Path, "must be a path that begins with /"))
    }
}

/// Points at keys that the chosen kind of check does not use.
fn unneeded(raw: &RawCheck, tls: bool, http: bool, check: &mut Check<'_>) {
    let tls_keys = [
        ("ca", raw.ca.as_ref().map(Spanned::span)),
        ("server_name", raw.server_name.as_ref().map(Spanned::span)),
        ("verify", raw.verify.as_ref().map(Spanned::span)),
        ("cert", raw.cert.as_ref().map(Spanned::span)),
        ("key", raw.key.as_ref().map(Spanned::span)),
    ];
    for (key, span) in tls_keys {
        if let (false, Some(span)) = (tls, span) {
            check.problems.tell(
                Code::NotOfCheck,
                span,
                format!("`{key}` needs a check with `https` or `tls`"),
                "",
            );
        }
    }
    let http_keys = [
        ("expect", raw.expect.as_ref().map(Spanned::span)),
        ("expect_body", raw.expect_body.as_ref().map(Spanned::span)),
        ("token_file", raw.token_file.as_ref().map(Spanned::span)),
    ];
    for (key, span) in http_keys {
        if let (false, Some(span)) = (http, span) {
            check.problems.tell(
                Code::NotOfCheck,
                span,
                format!("`{key}` needs a check with `https` or `http`"),
                "",
            );
        }
    }
}

fn certificate(raw: &RawCheck, table: &Span, check: &mut Check<'_>) -> Option<ClientCertificate> {
    let help = "a certificate and its key belong together";
    match (&raw.cert, &raw.key) {
        (Some(cert), Some(key)) => Some(ClientCertificate {
            cert: PathBuf::from(cert.get_ref()),
            key: PathBuf::from(key.get_ref()),
        }),
        (Some(_), None) => {
            check.missing(table, "key", help);
            None
        }
        (None, Some(_)) => {
            check.missing(table, "cert", help);
            None
        }
        (None, None) => None,
    }
}

fn verify(raw: &RawCheck, table: &Span, check: &mut Check<'_>) -> Option<Verify> {
    let verify = raw.verify.as_ref().is_none_or(|verify| *verify.get_ref());
    match (verify, &raw.ca) {
        (false, Some(ca)) => {
            check.problems.tell(
                Code::Unverified,
                ca.span(),
                "`ca` has no meaning with `verify = false`",
                "remove one of the two",
            );
            None
        }
        (false, None) => Some(Verify::Nothing),
        (true, Some(ca)) => Some(Verify::Authority {
            ca: PathBuf::from(ca.get_ref()),
            server_name: raw.server_name.as_ref().map(|name| name.get_ref().clone()),
        }),
        (true, None) => {
            let help = "such as ca = \"/etc/kubernetes/pki/ca.crt\"; or `verify = false` to take any certificate";
            check.missing(table, "ca", help);
            None
        }
    }
}
