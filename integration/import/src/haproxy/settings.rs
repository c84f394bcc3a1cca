//! What `defaults` hand down: everything that a section may say or leave to them.

use std::time::Duration;

use super::options::{self, Options};
use super::time::time;
use crate::draft::Got;
use crate::report::{Kind, Report};
use crate::source::{Mistake, Place, Statement};

const HTTP: &str = "it is for HTTP only";
const LOG: &str = "messages go to standard error, and a line for each connection to standard output, for the journal";
const PLENTY: &str = "connections are limited by the number of open files only";

/// What becomes of waiting for a connection's first bytes.
pub(super) const LOOKS: &str =
    "the first bytes of a connection are waited for where a route asks for a name, and only there";

/// The longest a connection may be silent, in both senses.
const IDLE_LIMIT: Duration = Duration::from_secs(86_400);
/// The longest that connecting may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(60);
const LEAST: Duration = Duration::from_millis(10);

/// The settings of a section.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    /// `mode http`; HAProxy's default is TCP.
    pub(super) http: bool,
    pub(super) connect: Option<Got<Duration>>,
    pub(super) client: Option<Got<Duration>>,
    pub(super) server: Option<Got<Duration>>,
    pub(super) tunnel: Option<Got<Duration>>,
    pub(super) client_fin: Option<Got<Duration>>,
    pub(super) server_fin: Option<Got<Duration>>,
    pub(super) check: Option<Got<Duration>>,
    pub(super) queue: Option<Got<Duration>>,
    pub(super) balance: Option<Got<&'static str>>,
    /// `option tcplog` or `log-format`.
    pub(super) tcplog: Option<Place>,
    /// `option allbackups`: all backup servers serve, not the first alone.
    pub(super) all_backups: bool,
    /// `option dontlognull`.
    pub(super) dontlognull: Option<Place>,
    /// `maxconn`.
    pub(super) max_connections: Option<Got<u32>>,
    /// `option logasap`.
    pub(super) logasap: Option<Place>,
    /// `tcp-ut` of a `bind`.
    pub(super) user_timeout: Option<Got<Duration>>,
    /// `default-server`.
    pub(super) servers: Options,
    /// `option …chk`, `http-check` and `tcp-check`, in order.
    pub(super) checks: Vec<Statement>,
}

/// Keywords that need no more than a word, by their beginning; options without `option`.
const KNOWN: [(&str, Kind, &str); 56] = [
    ("log", Kind::Different, LOG),
    ("tcplog", Kind::Different, LOG),
    ("httplog", Kind::Ignored, HTTP),
    (
        "dontlog",
        Kind::Ignored,
        "a connection that was served has a line in the log, or none has (`log_format = \"off\"`)",
    ),
    (
        "logasap",
        Kind::Different,
        "a connection has a line when it has lasted a second, and another when it has ended",
    ),
    ("socket-stats", Kind::Ignored, "every proxy is in the status"),
    ("contstats", Kind::Ignored, "the status is always fresh"),
    ("redispatch", Kind::Ignored, "another server is always tried"),
    ("retries", Kind::Different, "each server is tried once, the next after it"),
    ("fullconn", Kind::Different, PLENTY),
    ("backlog", Kind::Ignored, "the kernel's queue has a fixed size"),
    ("rate-limit", Kind::NotSupported, "the rate of connections is not limited"),
    ("tcpka", Kind::Ignored, "the kernel always asks silent peers"),
    ("clitcpka", Kind::Ignored, "the kernel always asks silent peers"),
    ("srvtcpka", Kind::Ignored, "the kernel always asks silent peers"),
    ("splice-", Kind::Ignored, "how bytes are copied is decided here"),
    ("nolinger", Kind::Ignored, "connections are closed in order"),
    ("tcp-smart-", Kind::Ignored, "how connections are set up is decided here"),
    ("abortonclose", Kind::Ignored, HTTP),
    ("independent-streams", Kind::Ignored, "one idle time holds for both sides"),
    ("persist", Kind::Ignored, HTTP),
    ("transparent", Kind::NotSupported, "connections go to the servers only"),
    ("forwardfor", Kind::Ignored, HTTP),
    ("originalto", Kind::Ignored, HTTP),
    ("http-check", Kind::Ignored, HTTP),
    ("http", Kind::Ignored, HTTP),
    ("accept-invalid-http", Kind::Ignored, HTTP),
    ("prefer-last-server", Kind::Ignored, HTTP),
    ("errorfile", Kind::Ignored, HTTP),
    ("errorloc", Kind::Ignored, HTTP),
    ("monitor", Kind::NotSupported, "there is no page for monitoring; `vipd status` tells"),
    ("cookie", Kind::Ignored, HTTP),
    ("appsession", Kind::Ignored, HTTP),
    ("capture", Kind::Ignored, HTTP),
    ("compression", Kind::Ignored, HTTP),
    ("reqadd", Kind::Ignored, HTTP),
    ("rspadd", Kind::Ignored, HTTP),
    ("redirect", Kind::Ignored, HTTP),
    ("unique-id", Kind::Ignored, HTTP),
    ("hash-type", Kind::Different, "clients are spread over the servers in another order"),
    (
        "hash-balance-factor",
        Kind::Different,
        "clients are spread over the servers in another order",
    ),
    ("stats", Kind::Different, "`vipd status` shows the proxies and their servers"),
    (
        "stick",
        Kind::NotSupported,
        "which server a client had is not kept; `balance = \"source\"` is the nearest",
    ),
    ("dispatch", Kind::NotSupported, "write a server for it"),
    (
        "source",
        Kind::NotSupported,
        "connections to servers come from the address the kernel chooses",
    ),
    ("email-alert", Kind::NotSupported, "no mail is sent"),
    ("external-check", Kind::NotSupported, "no program is run to check a server"),
    ("acl", Kind::NotSupported, "connections are not told apart"),
    ("use-server", Kind::NotSupported, "connections are not told apart"),
    ("filter", Kind::NotSupported, "there are no filters"),
    ("id", Kind::Ignored, "names are enough"),
    ("description", Kind::Ignored, "it is a comment"),
    ("load-server-state", Kind::Ignored, "servers are checked at once"),
    ("server-state-file", Kind::Ignored, "servers are checked at once"),
    ("bind-process", Kind::Ignored, "one worker runs for each processor"),
    ("nbthread", Kind::Ignored, "one worker runs for each processor"),
];

impl Settings {
    /// Reads a line that may stand in `defaults` as well as in a section.
    pub(super) fn read(&mut self, line: &Statement, report: &mut Report) {
        if line.name() == "no" {
            return self.without(line, report);
        }
        if is_check(line) {
            return self.checks.push(line.clone());
        }
        match (line.name(), line.text(1)) {
            ("option", "tcplog") | ("log-format", _) => self.tcplog = Some(line.place().clone()),
            ("option", "logasap") => self.logasap = Some(line.place().clone()),
            ("option", "dontlognull") => {
                self.dontlognull = Some(line.place().clone());
                return report.translated(line);
            }
            ("maxconn", _) => return self.maxconn(line, report),
            ("option", "allbackups") => {
                self.all_backups = true;
                return report.translated(line);
            }
            _ => {}
        }
        match (line.name(), line.text(1)) {
            ("mode", mode) => self.mode(mode, line, report),
            ("timeout", which) => self.timeout(which, line, report),
            ("clitimeout", _) => self.legacy("client", line, report),
            ("srvtimeout", _) => self.legacy("server", line, report),
            ("contimeout", _) => self.legacy("connect", line, report),
            ("balance", algorithm) => self.balance(algorithm, line, report),
            ("default-server", _) => {
                report.translated(line);
                options::read(line, line.args(), &mut self.servers, report);
            }
            ("tcp-request", _) => tcp_request(line, report),
            ("tcp-response", _) => report.ignored(line, "nothing of a connection is looked into"),
            ("option", option) => known(option, line, report),
            (name, _) => known(name, line, report),
        }
    }

    /// `no option NAME`, where it undoes what the defaults say.
    fn without(&mut self, line: &Statement, report: &mut Report) {
        let option = line.text(2);
        let checks = |known: &Statement| known.name() == "option" && known.text(1) == option;
        match option {
            "allbackups" => self.all_backups = false,
            "tcplog" => self.tcplog = None,
            "logasap" => self.logasap = None,
            "dontlognull" => self.dontlognull = None,
            _ if self.checks.iter().any(checks) => self.checks.retain(|known| !checks(known)),
            _ => return report.ignored(line, "what it switches off is not switched on here"),
        }
        report.translated(line);
    }

    /// Zero is no limit of its own.
    fn maxconn(&mut self, line: &Statement, report: &mut Report) {
        let Some(word) = report.argument(line) else { return };
        let Ok(count) = word.text.parse::<u32>() else {
            return report.mistake(Mistake::value(line, word, "must be a whole number"));
        };
        let limit = Some(count.min(1_000_000)).filter(|count| *count > 0);
        self.max_connections = limit.map(|count| Got::from(line.place(), count));
        report.translated(line);
    }

    fn mode(&mut self, mode: &str, line: &Statement, report: &mut Report) {
        self.http = mode == "http";
        match mode {
            "tcp" => report.translated(line),
            "http" => report.ignored(line, "sections of mode tcp are imported"),
            _ => report.unsupported(line, "only TCP is balanced"),
        }
    }

    fn legacy(&mut self, which: &str, line: &Statement, report: &mut Report) {
        if let Some(time) = read_time(line, 1, report) {
            self.set(which, time, line, report);
        }
    }

    fn timeout(&mut self, which: &str, line: &Statement, report: &mut Report) {
        match which {
            "connect" | "client" | "server" | "tunnel" | "check" | "queue" | "client-fin"
            | "server-fin" => {
                if let Some(time) = read_time(line, 2, report) {
                    self.set(which, time, line, report);
                }
            }
            "http-request" | "http-keep-alive" | "tarpit" | "client-hs" => {
                report.ignored(line, HTTP)
            }
            _ => report.unsupported(line, "this timeout is not known to `vipd import`"),
        }
    }

    fn set(&mut self, which: &str, time: Duration, line: &Statement, report: &mut Report) {
        let field = match which {
            "connect" => &mut self.connect,
            "client" => &mut self.client,
            "server" => &mut self.server,
            "tunnel" => &mut self.tunnel,
            "queue" => &mut self.queue,
            "client-fin" => &mut self.client_fin,
            "server-fin" => &mut self.server_fin,
            _ => &mut self.check,
        };
        // Zero is no limit.
        if time.is_zero() {
            *field = None;
            return report.translated(line);
        }
        let most = if which == "connect" { CONNECT_LIMIT } else { IDLE_LIMIT };
        let value = time.clamp(LEAST, most);
        *field = Some(Got::from(line.place(), value));
        if which == "connect" {
            report.different(line, "it is for reaching any server, not for each attempt");
        }
        if value == time {
            report.translated(line);
        } else {
            report.different(line, format!("it is {} at most", crate::values::spoken(most)));
        }
    }

    fn balance(&mut self, algorithm: &str, line: &Statement, report: &mut Report) {
        let balance = match algorithm {
            "roundrobin" | "static-rr" => "round_robin",
            "leastconn" => "least_conn",
            "source" => "source",
            "first" => "first",
            "random" => "random",
            other => {
                let why = format!("there is no counterpart to {other:?}; servers take turns");
                return report.unsupported(line, why);
            }
        };
        self.balance = Some(Got::from(line.place(), balance));
        report.translated(line);
    }
}

/// Whether the line says how servers are checked.
pub(super) fn is_check(line: &Statement) -> bool {
    let option = line.text(1);
    match line.name() {
        "option" => option.ends_with("chk") || option.ends_with("-check"),
        name => name == "http-check" || name == "tcp-check",
    }
}

/// How long the name of a TLS client is waited for.
pub(super) fn delay(line: &Statement, report: &mut Report) -> Option<Got<Duration>> {
    let time = read_time(line, 2, report)?;
    let value = time.clamp(LEAST, CONNECT_LIMIT);
    report.translated(line);
    if value != time {
        report.different(line, format!("it is {}", crate::values::spoken(value)));
    }
    Some(Got::from(line.place(), value))
}

fn tcp_request(line: &Statement, report: &mut Report) {
    match (line.text(1), line.text(2)) {
        ("inspect-delay", _) | ("content", "accept") => report.ignored(line, LOOKS),
        _ => report.unsupported(line, "connections are not told apart"),
    }
}

fn known(keyword: &str, line: &Statement, report: &mut Report) {
    match KNOWN.iter().find(|(known, ..)| keyword.starts_with(known)) {
        Some((_, Kind::Ignored, why)) => report.ignored(line, *why),
        Some((_, Kind::Different, how)) => report.different(line, *how),
        Some((_, _, why)) => report.unsupported(line, *why),
        None => report.unsupported(line, "this keyword is not known to `vipd import`"),
    }
}

fn read_time(line: &Statement, index: usize, report: &mut Report) -> Option<Duration> {
    let Some(word) = line.words.get(index) else {
        report.mistake(Mistake::at(line.place(), "this timeout has no value", ""));
        return None;
    };
    let time = time(&word.text);
    if time.is_none() {
        let must = "must be a number, alone for milliseconds or with us, ms, s, m, h or d";
        report.mistake(Mistake::value(line, word, must));
    }
    time
}
