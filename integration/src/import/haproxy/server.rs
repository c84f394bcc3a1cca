//! `server` lines and the `default-server` options they inherit.

use std::net::SocketAddr;
use std::time::Duration;

use super::bind::{Address, address};
use super::settings::time;
use crate::import::draft::{Draft, Server};
use crate::import::report::Report;
use crate::import::source::{Mistake, Statement, Word};

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
    pub(super) rise: Option<u32>,
    pub(super) fall: Option<u32>,
    pub(super) weight: Option<u32>,
    pub(super) ends_sessions: bool,
    backup: bool,
    disabled: bool,
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
const IGNORED: [(&str, &str); 11] = [
    ("id", "names are enough"),
    ("cookie", "it is for HTTP only"),
    ("resolvers", "servers are addresses"),
    ("resolve-prefer", "servers are addresses"),
    ("resolve-opts", "servers are addresses"),
    ("resolve-net", "servers are addresses"),
    ("init-addr", "servers are addresses"),
    ("minconn", "there is no queue"),
    ("maxqueue", "there is no queue"),
    ("pool-max-conn", "it is for HTTP only"),
    ("on-marked-up", "a server that comes up gets new connections"),
];

/// Options with a value that are done otherwise.
const DIFFERENT: [(&str, &str); 4] = [
    ("maxconn", "there is no limit of connections to a server, and no queue"),
    ("slowstart", "a server that comes up takes its full share at once"),
    ("fastinter", "the interval is the same in every state"),
    ("downinter", "the interval is the same in every state"),
];

/// Options with a value that have no counterpart.
const UNSUPPORTED: [&str; 20] = [
    "source",
    "track",
    "observe",
    "error-limit",
    "on-error",
    "addr",
    "agent-addr",
    "agent-port",
    "agent-inter",
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
    "tcp-ut",
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
        "send-proxy" | "send-proxy-v2" | "send-proxy-v2-ssl" | "send-proxy-v2-ssl-cn" => {
            report.unsupported(line, "servers are not told the client's address (`send-proxy`)");
        }
        "check-send-proxy" | "check-via-socks4" | "agent-check" => {
            report.unsupported(line, format!("a check has no `{word}`"));
        }
        _ => match FLAGS.iter().find(|(known, _)| *known == word) {
            Some((_, why)) => report.ignored(line, format!("`{word}`: {why}")),
            None => return false,
        },
    }
    true
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
    match name {
        "inter" => match time(&value.text) {
            Some(time) => options.interval = Some(time),
            None => wrong("a time"),
        },
        "rise" | "fall" | "weight" => match value.text.parse::<u32>() {
            Ok(number) if name == "rise" => options.rise = Some(number),
            Ok(number) if name == "fall" => options.fall = Some(number),
            Ok(number) => options.weight = Some(number),
            Err(_) => wrong("a whole number"),
        },
        "port" => match value.text.parse() {
            Ok(port) => options.check_port = Some(port),
            Err(_) => wrong("a port"),
        },
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
        (Address::Port(address), _) => Some(address),
        (Address::Ip(ip), Some(port)) => Some(SocketAddr::new(ip, port)),
        (Address::Ip(_), None) => {
            report.unsupported(
                line,
                "without a port of its own it has that of the connection; write one",
            );
            None
        }
        (Address::Name(name), _) => {
            report
                .unsupported(line, format!("names are not looked up: write the address of {name}"));
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
    if own.backup {
        report.unsupported(line, "there are no backup servers: it is left out");
        return None;
    }
    if own.disabled {
        report.different(line, "it is disabled, and left out");
        return None;
    }
    let server = Server { from: line.place().clone(), name: Some(name.text.clone()), address };
    Some(Parsed { server, options: own, line: line.clone() })
}

/// Makes names and addresses differ, and says what follows from the options of all.
pub(super) fn together(servers: Vec<Parsed>, report: &mut Report) -> Vec<Parsed> {
    let mut kept: Vec<Parsed> = Vec::new();
    for mut parsed in servers {
        if kept.iter().any(|other| other.server.address == parsed.server.address) {
            report.ignored(&parsed.line, "its address is a server of this backend already");
            continue;
        }
        let taken: Vec<&str> =
            kept.iter().filter_map(|other| other.server.name.as_deref()).collect();
        let wanted = parsed.server.name.take().unwrap_or_default();
        let name = Draft::name(&wanted, &taken);
        if name != wanted {
            report.different(&parsed.line, format!("names differ here: it is called {name}"));
        }
        parsed.server.name = Some(name);
        kept.push(parsed);
    }
    let weight = |parsed: &Parsed| parsed.options.weight.unwrap_or(1);
    if kept.iter().any(|parsed| weight(parsed) != weight(&kept[0])) {
        for parsed in &kept {
            report.unsupported(&parsed.line, "all servers of a proxy have the same weight");
        }
    }
    kept
}
