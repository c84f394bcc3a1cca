//! `server`: a listening address and where its connections go.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use vocabulary::Endpoint;

use super::choice::Choice;
use super::follow;
use super::upstream::{Upstream, target};
use crate::Import;
use crate::draft::{Got, Program, Proxy, Server};
use crate::report::{Kind, Report};
use crate::source::{Mistake, Statement, Word};
use crate::values::spoken;

const ENDED: &str = "connections to a server that is found down stay with it, as nginx leaves them; without `on_down = \"keep\"` they are reset, and their clients come to another server at once";

/// nginx's `proxy_connect_timeout`.
const CONNECT: Duration = Duration::from_secs(60);
/// nginx's `proxy_timeout`.
const IDLE: Duration = Duration::from_secs(600);
const LEAST: Duration = Duration::from_millis(10);
const DAY: Duration = Duration::from_secs(86_400);

const LOG: &str = "messages go to standard error, and a line for each connection to standard output, for the journal, unless `log_format` is \"off\"";
const BUFFERS: &str = "buffers and the like have fixed sizes";

/// What `stream` hands down to its servers.
#[derive(Clone, Default)]
pub(super) struct Settings {
    connect: Option<Got<Duration>>,
    idle: Option<Got<Duration>>,
    send_proxy: Option<Got<&'static str>>,
    source: Option<Got<IpAddr>>,
    /// `preread_timeout`.
    pub(super) hello: Option<Got<Duration>>,
    /// `ssl_preread`, and whether it is on.
    pub(super) preread: Option<(Statement, bool)>,
}

/// What servers refer to by a name.
#[derive(Default)]
pub(super) struct Named {
    pub(super) upstreams: BTreeMap<String, Upstream>,
    pub(super) choices: BTreeMap<String, Choice>,
}

/// Directives that need no more than a word, by their beginning.
const KNOWN: [(&str, Kind, &str); 18] = [
    ("proxy_ssl", Kind::NotSupported, "TLS is passed through, not begun here"),
    ("preread_buffer", Kind::Ignored, BUFFERS),
    ("ssl", Kind::NotSupported, "TLS is passed through, not ended here"),
    (
        "proxy_bind",
        Kind::NotSupported,
        "connections to servers come from the address the kernel chooses",
    ),
    ("proxy_buffer", Kind::Ignored, BUFFERS),
    ("proxy_half_close", Kind::Ignored, "a half-closed connection is always kept"),
    ("proxy_socket_keepalive", Kind::Ignored, "the kernel always asks silent peers"),
    (
        "proxy_next_upstream",
        Kind::Different,
        "each server is tried once, all within `connect_timeout`",
    ),
    ("proxy_requests", Kind::Ignored, "it is for UDP"),
    ("proxy_responses", Kind::Ignored, "it is for UDP"),
    ("proxy_upload_rate", Kind::NotSupported, "the rate of bytes is not limited"),
    ("proxy_download_rate", Kind::NotSupported, "the rate of bytes is not limited"),
    ("tcp_nodelay", Kind::Ignored, "it is always on"),
    ("access_log", Kind::Different, LOG),
    ("error_log", Kind::Ignored, LOG),
    ("log_format", Kind::Ignored, LOG),
    ("resolver", Kind::Ignored, "names are looked up as the system does it"),
    ("variables_hash_", Kind::Ignored, BUFFERS),
];

impl Settings {
    /// Reads a directive that may stand in `stream` as well as in `server`.
    pub(super) fn read(&mut self, line: &Statement, report: &mut Report) {
        match line.name() {
            "proxy_timeout" => self.idle = limited(line, DAY, report),
            "proxy_connect_timeout" => self.connect = limited(line, CONNECT, report),
            "preread_timeout" => self.hello = limited(line, CONNECT, report),
            "ssl_preread" => {
                self.preread = Some((line.clone(), line.text(1) == "on"));
                report.translated(line);
            }
            "include" => report.translated(line),
            // One word more would make it another directive.
            "proxy_protocol" => {
                let on = line.text(1) == "on";
                self.send_proxy = on.then(|| Got::from(line.place(), "v1"));
                report.translated(line);
            }
            "proxy_bind" if line.words.len() == 2 && line.text(1).parse::<IpAddr>().is_ok() => {
                self.source = report.ip(line);
                report.translated(line);
            }
            "proxy_ssl" if line.text(1) == "off" => report.translated(line),
            "allow" | "deny" | "limit_conn" | "limit_conn_zone" | "return" | "set"
            | "js_access" => {
                report.whole(line, Kind::NotSupported, "connections are not told apart");
            }
            name => match KNOWN.iter().find(|(known, ..)| name.starts_with(known)) {
                Some((_, kind, why)) => report.whole(line, *kind, *why),
                None => report.whole(line, Kind::NotSupported, super::UNKNOWN),
            },
        }
    }
}

fn limited(line: &Statement, most: Duration, report: &mut Report) -> Option<Got<Duration>> {
    let must = "must be a time such as 10m or 1s";
    let given = report.parsed(line, |text| time(text).ok_or(must))?;
    let value = given.value.clamp(LEAST, most);
    report.translated(line);
    if value != given.value {
        report.different(line, format!("it is {}", spoken(value)));
    }
    Some(Got { value, from: given.from })
}

/// A time as nginx writes it: seconds unless it has units.
fn time(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(end);
        let number: u64 = number.parse().ok()?;
        let units = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
        let unit = units.iter().find(|(unit, _)| after.starts_with(unit));
        let (length, milliseconds) = match unit {
            Some((unit, milliseconds)) => (unit.len(), *milliseconds),
            None if after.is_empty() => (0, 1000),
            None => return None,
        };
        total = total.checked_add(Duration::from_millis(number.checked_mul(milliseconds)?))?;
        rest = &after[length..];
    }
    (!text.is_empty()).then_some(total)
}

/// Imports one `server`.
pub(super) fn import(
    block: &Statement,
    inherited: &Settings,
    named: &mut Named,
    import: &mut Import,
) {
    let report = &mut import.report;
    report.translated(block);
    let mut settings = inherited.clone();
    let (mut listen, mut pass) = (Vec::new(), None);
    for line in block.inner() {
        match line.name() {
            "listen" => listen.extend(self::listen(line, report)),
            "proxy_pass" => pass = Some(line),
            _ => settings.read(line, report),
        }
    }
    let Some((line, word)) = pass.and_then(|line| Some((line, report.argument(line)?))) else {
        let why = "it has no `proxy_pass`";
        return report.whole(block, Kind::NotSupported, why);
    };
    report.translated(line);
    if listen.is_empty() {
        return report.unsupported(block, "none of its listen addresses can be imported");
    }
    if named.choices.contains_key(&word.text) {
        return follow::import(block, line, word, &settings, listen, named, import);
    }
    if let Some((line, _)) = &settings.preread {
        report.ignored(line, "no route asks for a name");
    }
    let origin = vec![Got::from(block.place(), "server".to_owned())];
    let name = import.draft.tracked_name(&word.text);
    // nginx asks no server by itself, and leaves connections where they are.
    let on_down = Some(Got::added("keep"));
    let mut proxy = Proxy { listen, on_down, ..Proxy::new(Program::Nginx, origin, name) };
    report.lint(ENDED);
    if serve(line, word, &settings, &mut named.upstreams, &mut proxy, report) {
        import.draft.proxies.push(proxy);
    }
}

/// Writes into a proxy which servers it has and how they are used; returns whether there are any.
pub(super) fn serve(
    line: &Statement,
    word: &Word,
    settings: &Settings,
    upstreams: &mut BTreeMap<String, Upstream>,
    proxy: &mut Proxy,
    report: &mut Report,
) -> bool {
    let Some((from, balance, mut servers)) = servers(line, word, upstreams, report) else {
        return false;
    };
    if let Some(source) = &settings.source {
        let fits = |server: &&mut Server| match &server.address {
            Endpoint::Address(address) => address.is_ipv4() == source.value.is_ipv4(),
            Endpoint::Name { .. } => true,
        };
        for server in servers.iter_mut().filter(fits) {
            server.source = Some(source.value);
        }
    }
    if servers.is_empty() {
        report.unsupported(line, "none of its servers can be imported");
        return false;
    }
    proxy.from.extend(from);
    (proxy.balance, proxy.servers) = (balance, servers);
    proxy.connect_timeout = Some(settings.connect.clone().unwrap_or(Got::added(CONNECT)));
    proxy.idle_timeout = Some(settings.idle.clone().unwrap_or(Got::added(IDLE)));
    proxy.send_proxy.clone_from(&settings.send_proxy);
    true
}

type Targets = (Option<Got<String>>, Option<Got<&'static str>>, Vec<Server>);

/// Where `proxy_pass` leads: an upstream, or one address.
fn servers(
    line: &Statement,
    word: &Word,
    upstreams: &mut BTreeMap<String, Upstream>,
    report: &mut Report,
) -> Option<Targets> {
    if let Some(upstream) = upstreams.get_mut(&word.text) {
        upstream.used = true;
        let from = Got::from(upstream.block.place(), upstream.block.shown());
        return Some((Some(from), upstream.balance.clone(), upstream.servers.clone()));
    }
    let address = target(word, line, report)?;
    report.different(line, "nginx does not check it; here it is checked every second");
    Some((None, None, vec![Server::new(line.place(), address)]))
}

/// `listen ADDRESS:PORT`, `listen PORT`, `listen [::]:PORT`, and options.
pub(super) fn listen(line: &Statement, report: &mut Report) -> Option<Got<SocketAddr>> {
    let word = report.argument(line)?;
    report.translated(line);
    let mut usable = true;
    for option in line.words.iter().skip(2) {
        let (name, value) = option.text.split_once('=').unwrap_or((option.text.as_str(), ""));
        match name {
            "udp" => {
                report.unsupported(line, "a proxy carries TCP, not UDP");
                usable = false;
            }
            "ssl" => report.unsupported(line, "TLS is passed through, not ended here"),
            "proxy_protocol" => {
                report.unsupported(line, "the client's address is not taken from it");
            }
            "ipv6only" if value == "off" => {
                report.different(
                    line,
                    "an IPv6 address takes IPv6 only: add the same port of 0.0.0.0",
                );
            }
            "bind" | "reuseport" | "so_keepalive" | "backlog" | "rcvbuf" | "sndbuf"
            | "ipv6only" | "fastopen" | "deferred" | "default_server" => {
                report.ignored(line, format!("`{name}`: sockets are set up alike"));
            }
            _ => report.unsupported(line, format!("`{name}` is not known to `vipd import`")),
        }
    }
    let text = word.text.strip_prefix("*:").unwrap_or(&word.text);
    let address = match text.parse::<u16>() {
        Ok(port) => Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)),
        Err(_) => text.parse().ok(),
    };
    match address.filter(|address| address.port() != 0) {
        Some(address) => usable.then(|| Got::from(line.place(), address)),
        None if text.starts_with("unix:") => {
            report.unsupported(line, "a Unix socket is not listened on");
            None
        }
        None => {
            report.mistake(Mistake::value(line, word, "must be IP:PORT or PORT"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_nginxs_units() {
        for (text, expected) in [
            ("10m", Some(Duration::from_secs(600))),
            ("60", Some(Duration::from_secs(60))),
            ("1m30s", Some(Duration::from_secs(90))),
            ("500ms", Some(Duration::from_millis(500))),
            ("", None),
            ("m", None),
            ("5x", None),
        ] {
            assert_eq!(time(text), expected, "{text}");
        }
    }
}
