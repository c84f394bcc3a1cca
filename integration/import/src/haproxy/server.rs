//! `server` lines and the `default-server` options they inherit.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use vocabulary::Endpoint;

use super::bind::{Address, address};
use super::settings::time;
use crate::draft::Server;
use crate::report::Report;
use crate::source::{Mistake, Statement, Word};

/// What options a server has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) check: bool,
    pub(super) check_ssl: bool,
    pub(super) verify_none: bool,
    pub(super) ca: Option<String>,
    pub(super) check_sni: Option<String>,
    pub(super) check_port: Option<u16>,
    pub(super) interval: Option<Duration>,
    pub(super) fast_interval: Option<Duration>,
    pub(super) down_interval: Option<Duration>,
    pub(super) slow_start: Option<Duration>,
    pub(super) user_timeout: Option<Duration>,
    pub(super) rise: Option<u32>,
    pub(super) fall: Option<u32>,
    observe: bool,
    error_limit: Option<u32>,
    /// The version of the PROXY header that it is sent.
    pub(super) send_proxy: Option<&'static str>,
    weight: Option<u32>,
    source: Option<IpAddr>,
    max_connections: Option<u32>,
    pub(super) ends_sessions: bool,
    pub(super) agent: bool,
    pub(super) agent_port: Option<u16>,
    pub(super) agent_interval: Option<Duration>,
    /// `[BACKEND/]SERVER`.
    pub(super) track: Option<String>,
    backup: bool,
    disabled: bool,
}

impl Options {
    /// Failed connections that count as a failed check: HAProxy's default is 10.
    pub(super) fn error_limit(&self) -> Option<u32> {
        self.observe.then(|| self.error_limit.unwrap_or(10))
    }
}

/// A server that can be imported.
#[derive(Clone, Debug)]
pub(super) struct Parsed {
    pub(super) server: Server,
    pub(super) options: Options,
    pub(super) line: Statement,
}

/// Options without a value that leave no trace.
const FLAGS: [(&str, &str); 8] = [
    ("enabled", "it is what a server is anyway"),
    ("non-stick", "nothing is kept"),
    ("no-verifyhost", "names in certificates are compared only where a check asks for it"),
    ("tfo", "it only spares time"),
    ("no-backup", "it is what a server is anyway"),
    ("no-check-ssl", "it is what a check is anyway"),
    ("no-ssl", "it is what a server is anyway"),
    ("allow-0rtt", "it only spares time"),
];

/// Options with a value that leave no trace.
const IGNORED: [(&str, &str); 10] = [
    ("id", "names are enough"),
    ("cookie", "it is for HTTP only"),
    ("resolvers", "names are looked up as the system does it"),
    ("resolve-prefer", "names are looked up as the system does it"),
    ("resolve-opts", "names are looked up as the system does it"),
    ("resolve-net", "names are looked up as the system does it"),
    ("init-addr", "a server is down until its name is found"),
    ("maxqueue", "1024 connections may wait for the servers of a proxy"),
    ("pool-max-conn", "it is for HTTP only"),
    ("on-marked-up", "a server that comes up gets new connections"),
];

/// Options with a value that are done otherwise.
const DIFFERENT: [(&str, &str); 1] = [("minconn", "the limit does not depend on the load")];

/// Options with a value that have no counterpart.
const UNSUPPORTED: [&str; 12] = [
    "addr",
    "agent-addr",
    "agent-send",
    "redir",
    "namespace",
    "crt",
    "sni",
    "alpn",
    "proto",
    "check-proto",
    "check-alpn",
    "socks4",
];

/// Reads options in `words` into `options`.
pub(super) fn options(
    line: &Statement,
    words: &[Word],
    options: &mut Options,
    report: &mut Report,
) {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if !flag(&word.text, line, options, report) {
            valued(word, words.next(), line, options, report);
        }
    }
}

/// Reads an option without a value; returns whether it is one.
fn flag(word: &str, line: &Statement, options: &mut Options, report: &mut Report) -> bool {
    match word {
        "check" => options.check = true,
        "no-check" => options.check = false,
        "check-ssl" => options.check_ssl = true,
        "disabled" => options.disabled = true,
        "backup" => options.backup = true,
        "ssl" => report.unsupported(line, "TLS is passed through, not begun here"),
        "send-proxy" => options.send_proxy = Some("v1"),
        "send-proxy-v2" => options.send_proxy = Some("v2"),
        "no-send-proxy" | "no-send-proxy-v2" => options.send_proxy = None,
        "send-proxy-v2-ssl" | "send-proxy-v2-ssl-cn" => {
            report.unsupported(line, "the header says nothing of TLS: write `send-proxy-v2`");
        }
        "agent-check" => options.agent = true,
        "no-agent-check" => options.agent = false,
        "check-send-proxy" | "check-via-socks4" => {
            report.unsupported(line, format!("a check has no `{word}`"));
        }
        _ => match FLAGS.iter().find(|(known, _)| *known == word) {
            Some((_, why)) => report.ignored(line, format!("`{word}`: {why}")),
            None => return false,
        },
    }
    true
}

/// Reads an option with a value for which HAProxy asks its servers' hosts, or has them start slowly;
/// returns whether it is one, or what it must be.
fn agents(name: &str, value: &str, options: &mut Options) -> Option<Result<(), &'static str>> {
    Some(match name {
        "slowstart" => time(value).ok_or("a time").map(|time| {
            options.slow_start = Some(time).filter(|time| !time.is_zero());
        }),
        "tcp-ut" => time(value).ok_or("a time").map(|time| {
            options.user_timeout = Some(time).filter(|time| !time.is_zero());
        }),
        "agent-inter" => {
            time(value).ok_or("a time").map(|time| options.agent_interval = Some(time))
        }
        "agent-port" => {
            value.parse().map_err(|_| "a port").map(|port| options.agent_port = Some(port))
        }
        _ => return None,
    })
}

fn valued(
    word: &Word,
    value: Option<&Word>,
    line: &Statement,
    options: &mut Options,
    report: &mut Report,
) {
    let name = word.text.as_str();
    let Some(value) = value else {
        return report.unsupported(line, format!("`{name}` is not known to `vipd import`"));
    };
    let mut wrong = |must: &str| {
        let title = format!("`{name}` is {:?}, but must be {must}", value.text);
        report.mistake(Mistake::at(&value.place, title, ""));
    };
    if let Some(read) = agents(name, &value.text, options) {
        return read.unwrap_or_else(&mut wrong);
    }
    match name {
        "inter" | "fastinter" | "downinter" => match time(&value.text) {
            Some(time) if name == "inter" => options.interval = Some(time),
            Some(time) if name == "fastinter" => options.fast_interval = Some(time),
            Some(time) => options.down_interval = Some(time),
            None => wrong("a time"),
        },
        "observe" if value.text == "layer4" => options.observe = true,
        "on-error" if value.text == "fail-check" => {}
        "on-error" => {
            let how =
                "`on-error`: too many errors count as one failed check, and the next comes at once";
            report.different(line, how);
        }
        "rise" | "fall" | "weight" | "maxconn" | "error-limit" => match value.text.parse::<u32>() {
            Ok(number) if name == "rise" => options.rise = Some(number),
            Ok(number) if name == "fall" => options.fall = Some(number),
            Ok(number) if name == "error-limit" => {
                options.error_limit = Some(number.clamp(1, 1000))
            }
            // Zero is no limit.
            Ok(number) if name == "maxconn" => {
                options.max_connections = Some(number.min(1_000_000)).filter(|limit| *limit != 0);
            }
            Ok(number @ 0..=256) => options.weight = Some(number).filter(|weight| *weight != 1),
            _ => wrong("a whole number, a weight at most 256"),
        },
        "source" => match value.text.parse() {
            Ok(ip) => options.source = Some(ip),
            Err(_) => report.unsupported(line, "`source` is one address, without a port"),
        },
        "port" => match value.text.parse() {
            Ok(port) => options.check_port = Some(port),
            Err(_) => wrong("a port"),
        },
        "track" => options.track = Some(value.text.clone()),
        "verify" => options.verify_none = value.text == "none",
        "ca-file" => options.ca = Some(value.text.clone()),
        "check-sni" => options.check_sni = Some(value.text.clone()),
        "on-marked-down" => options.ends_sessions = value.text == "shutdown-sessions",
        _ => {
            let find = |table: &[(&str, &'static str)]| {
                table.iter().find(|(known, _)| *known == name).map(|(_, words)| *words)
            };
            if let Some(why) = find(&IGNORED) {
                report.ignored(line, format!("`{name}`: {why}"));
            } else if let Some(how) = find(&DIFFERENT) {
                report.different(line, format!("`{name}`: {how}"));
            } else if UNSUPPORTED.contains(&name) {
                report.unsupported(line, format!("a server has no `{name}`"));
            } else {
                report.unsupported(line, format!("`{name}` is not known to `vipd import`"));
            }
        }
    }
}

/// Reads `server NAME ADDRESS[:PORT] [OPTIONS]`; `port` is the one that is listened on, if it is one.
pub(super) fn server(
    line: &Statement,
    inherited: &Options,
    port: Option<u16>,
    report: &mut Report,
) -> Option<Parsed> {
    let [name, target, rest @ ..] = line.args() else {
        let title = "`server` has a name and an address";
        report.mistake(Mistake::at(line.place(), title, ""));
        return None;
    };
    report.translated(line);
    let mut own = inherited.clone();
    options(line, rest, &mut own, report);
    let address = match (address(&target.text), port) {
        (Address::Port(address), _) => Some(Endpoint::Address(address)),
        (Address::Ip(ip), Some(port)) => Some(SocketAddr::new(ip, port).into()),
        (Address::Name(host, Some(port)), _) | (Address::Name(host, None), Some(port)) => {
            named(&host, port, line, report)
        }
        (Address::Ip(_) | Address::Name(_, None), None) => {
            report.unsupported(
                line,
                "without a port of its own it has that of the connection; write one",
            );
            None
        }
        (Address::Other(what), _) => {
            report.unsupported(line, format!("{what} cannot be a server"));
            None
        }
        (Address::Wrong, _) => {
            report.mistake(Mistake::value(line, target, "must be IP:PORT"));
            None
        }
    }?;
    if own.disabled {
        report.different(line, "it is disabled, and left out");
        return None;
    }
    let v4 = match &address {
        Endpoint::Address(address) => Some(address.is_ipv4()),
        Endpoint::Name { .. } => None,
    };
    if v4.is_some_and(|v4| own.source.is_some_and(|source| source.is_ipv4() != v4)) {
        report.unsupported(line, "`source` is of another family than the server");
        own.source = None;
    }
    let server = Server {
        name: Some(name.text.clone()),
        weight: own.weight,
        backup: own.backup,
        source: own.source,
        max_connections: own.max_connections,
        track: own.track.clone().map(|target| (line.clone(), target)),
        ..Server::new(line.place(), address)
    };
    Some(Parsed { server, options: own, line: line.clone() })
}

/// A server that has to be looked up.
fn named(host: &str, port: u16, line: &Statement, report: &mut Report) -> Option<Endpoint> {
    match Endpoint::try_from(format!("{host}:{port}")) {
        Ok(endpoint) => {
            let how = "its name is looked up every 10 s, not at the start only";
            report.different(line, how);
            Some(endpoint)
        }
        Err(must) => {
            report.mistake(Mistake::value(line, &line.words[2], &must.to_string()));
            None
        }
    }
}
