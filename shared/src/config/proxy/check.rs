//! From a `[[proxy]]` table to a proxy.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;

use super::{
    Balance, CheckConfig, CheckKind, HttpCheck, Limits, ProxyConfig, ServerConfig, Verify,
};
use crate::Name;
use crate::config::check::{Check, count_in, duration_in, endpoint, word};
use crate::config::problem::Span;
use crate::config::raw::{RawCheck, RawProxy, RawServer};

const LISTEN_HELP: &str = "the address may be one that is not on this node yet; for all addresses use \"0.0.0.0:PORT\" or \"[::]:PORT\"";
const SERVERS_HELP: &str = "such as servers = [\"192.168.1.1:6443\", \"192.168.1.3:6443\"]";

/// Checks one table; none where something is wrong.
pub(in crate::config) fn proxy(
    raw: &Spanned<RawProxy>,
    check: &mut Check<'_>,
) -> Option<ProxyConfig> {
    let (table, raw) = (raw.span(), raw.get_ref());
    let name = check.required(
        &table,
        "name",
        &raw.name,
        "any word; logs, commands and `track` use it",
        |text| Name::try_from(text.as_str()),
    );
    let listen = listen(raw, &table, check);
    let balance = check.optional(
        "balance",
        &raw.balance,
        "",
        Balance::RoundRobin,
        word(&[
            ("round_robin", Balance::RoundRobin),
            ("least_conn", Balance::LeastConn),
            ("source", Balance::Source),
            ("first", Balance::First),
        ]),
    );
    let servers = servers(raw, &table, check);
    let limits = limits(raw, check);
    let probe = match &raw.check {
        Some(given) => server_check(given, check),
        None => server_check(&Spanned::new(table, RawCheck::default()), check),
    };
    Some(ProxyConfig {
        name: name?,
        listen,
        balance: balance?,
        servers,
        check: probe?,
        limits: limits?,
    })
}

fn listen(raw: &RawProxy, table: &Span, check: &mut Check<'_>) -> Vec<SocketAddr> {
    match &raw.listen {
        None => check.missing(table, "listen", "such as listen = [\"192.168.1.100:6443\"]"),
        Some(list) if list.get_ref().is_empty() => {
            check.problems.error(list.span(), "`listen` is empty", LISTEN_HELP)
        }
        Some(_) => {}
    }
    check
        .each("listen", &raw.listen, LISTEN_HELP, endpoint)
        .into_iter()
        .map(Spanned::into_inner)
        .collect()
}

fn servers(raw: &RawProxy, table: &Span, check: &mut Check<'_>) -> Vec<ServerConfig> {
    match &raw.servers {
        None if raw.server.is_empty() => check.missing(table, "servers", SERVERS_HELP),
        Some(list) if list.get_ref().is_empty() && raw.server.is_empty() => {
            check.problems.error(list.span(), "`servers` is empty", SERVERS_HELP);
        }
        _ => {}
    }
    let listed =
        check.each("servers", &raw.servers, SERVERS_HELP, |text| endpoint(text).and_then(unnamed));
    let mut servers: Vec<Spanned<ServerConfig>> = listed;
    servers.extend(raw.server.iter().filter_map(|raw| {
        let server = server(raw, check)?;
        Some(Spanned::new(raw.span(), server))
    }));
    for (position, server) in servers.iter().enumerate() {
        let same = |earlier: &&Spanned<ServerConfig>| {
            let (earlier, server) = (earlier.get_ref(), server.get_ref());
            earlier.address == server.address || earlier.name == server.name
        };
        if let Some(earlier) = servers[..position].iter().find(same) {
            let title = format!("{} is a server of this proxy already", earlier.get_ref().name);
            check.problems.error(server.span(), title, "names and addresses must differ");
        }
    }
    servers.into_iter().map(Spanned::into_inner).collect()
}

fn unnamed(address: SocketAddr) -> Result<ServerConfig, String> {
    let name = Name::try_from(address.to_string().as_str()).map_err(|error| error.to_string())?;
    Ok(ServerConfig { name, address })
}

fn server(raw: &Spanned<RawServer>, check: &mut Check<'_>) -> Option<ServerConfig> {
    let (table, raw) = (raw.span(), raw.get_ref());
    let help = "such as address = \"192.168.1.1:6443\"";
    let address = check.required(&table, "address", &raw.address, help, |text| endpoint(text));
    let named =
        check.optional("name", &raw.name, "", None, |text| Name::try_from(text.as_str()).map(Some));
    let server = unnamed(address?).ok()?;
    Some(ServerConfig { name: named?.unwrap_or(server.name), ..server })
}

fn limits(raw: &RawProxy, check: &mut Check<'_>) -> Option<Limits> {
    const fn up_to(seconds: u64) -> std::ops::RangeInclusive<Duration> {
        Duration::from_millis(10)..=Duration::from_secs(seconds)
    }
    let [day, minute] = [86_400, 60];
    let connect = check.optional(
        "connect_timeout",
        &raw.connect_timeout,
        "",
        Duration::from_secs(3),
        duration_in(up_to(minute)),
    );
    let idle = check.optional(
        "idle_timeout",
        &raw.idle_timeout,
        "",
        Duration::from_secs(600),
        duration_in(up_to(day)),
    );
    let half_closed = check.optional(
        "half_closed_timeout",
        &raw.half_closed_timeout,
        "",
        Duration::from_secs(10),
        duration_in(up_to(day)),
    );
    let user = check.optional(
        "user_timeout",
        &raw.user_timeout,
        "",
        Duration::from_secs(30),
        duration_in(up_to(day)),
    );
    Some(Limits { connect: connect?, idle: idle?, half_closed: half_closed?, user: user? })
}

fn server_check(raw: &Spanned<RawCheck>, check: &mut Check<'_>) -> Option<CheckConfig> {
    let (table, raw) = (raw.span(), raw.get_ref());
    let kind = kind(raw, &table, check);
    let times = Duration::from_millis(10)..=Duration::from_secs(3600);
    let interval = check.optional(
        "interval",
        &raw.interval,
        "",
        Duration::from_secs(1),
        duration_in(times.clone()),
    );
    let timeout = check.optional(
        "timeout",
        &raw.timeout,
        "",
        interval.unwrap_or(*times.start()),
        duration_in(times),
    );
    let rise = check.optional("rise", &raw.rise, "", 2, count_in(1..=100));
    let fall = check.optional("fall", &raw.fall, "", 3, count_in(1..=100));
    Some(CheckConfig {
        kind: kind?,
        interval: interval?,
        timeout: timeout?,
        rise: rise?,
        fall: fall?,
    })
}

fn kind(raw: &RawCheck, table: &Span, check: &mut Check<'_>) -> Option<CheckKind> {
    let wanted = |flag: &Option<Spanned<bool>>| flag.as_ref().is_some_and(|flag| *flag.get_ref());
    let chosen = [wanted(&raw.tcp), wanted(&raw.tls), raw.http.is_some(), raw.https.is_some()];
    if chosen.iter().filter(|chosen| **chosen).count() > 1 {
        let title = "a check does one of `tcp`, `tls`, `http` and `https`";
        check.problems.error(
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
    let status = check.optional("expect", &raw.expect, "", 200, count_in(100..=599));
    unneeded(raw, tls || https, http || https, check);
    let http_check = Some(HttpCheck { path: path?, expect: u16::try_from(status?).ok()? });
    match (tls, http, https) {
        (true, ..) => Some(CheckKind::Tls(verify(raw, table, check)?)),
        (_, true, _) => Some(CheckKind::Http(http_check?)),
        (_, _, true) => Some(CheckKind::Https(http_check?, verify(raw, table, check)?)),
        _ => Some(CheckKind::Tcp),
    }
}

fn http_path(path: &str) -> Result<String, &'static str> {
    let clean = path.bytes().all(|byte| byte.is_ascii_graphic());
    if path.starts_with('/') && clean {
        Ok(path.to_owned())
    } else {
        Err("must be a path that begins with /")
    }
}

/// Points at keys that the chosen kind of check does not use.
fn unneeded(raw: &RawCheck, tls: bool, http: bool, check: &mut Check<'_>) {
    let tls_keys = [
        ("ca", raw.ca.as_ref().map(Spanned::span)),
        ("server_name", raw.server_name.as_ref().map(Spanned::span)),
        ("verify", raw.verify.as_ref().map(Spanned::span)),
    ];
    for (key, span) in tls_keys {
        if let (false, Some(span)) = (tls, span) {
            check.problems.error(span, format!("`{key}` needs a check with `https` or `tls`"), "");
        }
    }
    if let (false, Some(expect)) = (http, &raw.expect) {
        check.problems.error(expect.span(), "`expect` needs a check with `https` or `http`", "");
    }
}

fn verify(raw: &RawCheck, table: &Span, check: &mut Check<'_>) -> Option<Verify> {
    let verify = raw.verify.as_ref().is_none_or(|verify| *verify.get_ref());
    match (verify, &raw.ca) {
        (false, Some(ca)) => {
            check.problems.error(
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
