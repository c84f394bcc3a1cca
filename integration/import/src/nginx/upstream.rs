//! `upstream`: a group of servers.

use vocabulary::{Endpoint, Name};

use crate::draft::{Draft, Got, Server};
use crate::report::{Kind, Report};
use crate::source::{Mistake, Statement, Word};
use crate::values::number;

/// A group of servers.
pub(super) struct Upstream {
    pub(super) name: String,
    pub(super) block: Statement,
    pub(super) balance: Option<Got<&'static str>>,
    pub(super) servers: Vec<Server>,
    /// A server that is imported uses it.
    pub(super) used: bool,
}

impl Upstream {
    /// Reads an `upstream` block.
    pub(super) fn read(block: &Statement, report: &mut Report) -> Option<Self> {
        let name = report.argument(block)?.text.clone();
        let how = "nginx learns from clients' connections that a server is down; here each is checked every second";
        report.different(block, how);
        let mut upstream =
            Self { name, block: block.clone(), balance: None, servers: vec![], used: false };
        for line in block.inner() {
            upstream.line(line, report);
        }
        Some(upstream)
    }

    fn line(&mut self, line: &Statement, report: &mut Report) {
        match line.name() {
            "server" => self.server(line, report),
            "least_conn" => {
                self.balance = Some(Got::from(line.place(), "least_conn"));
                report.translated(line);
            }
            "hash" if matches!(line.text(1), "$remote_addr" | "$binary_remote_addr") => {
                self.balance = Some(Got::from(line.place(), "source"));
                report.different(line, "clients are spread over the servers in another order");
            }
            "hash" => report.unsupported(line, "a client is known by its address only"),
            "random" => {
                self.balance = Some(Got::from(line.place(), "least_conn"));
                report.different(line, "the server with the fewest connections is taken");
            }
            "zone" => report.ignored(line, "all workers share what they know"),
            "resolver" | "resolver_timeout" => {
                report.ignored(line, "names are looked up as the system does it")
            }
            "include" => report.translated(line),
            _ => report.whole(line, Kind::NotSupported, super::UNKNOWN),
        }
    }

    fn server(&mut self, line: &Statement, report: &mut Report) {
        let Some(word) = report.argument(line) else { return };
        report.translated(line);
        let address = target(word, line, report);
        // Its options are read even so.
        let nowhere = || Endpoint::Name { host: String::new(), port: 0 };
        let mut server = Server::new(line.place(), address.clone().unwrap_or_else(nowhere));
        let mut left_out = false;
        for option in line.words.iter().skip(2) {
            left_out |= self::option(option, line, &mut server, report);
        }
        let (Some(address), false) = (address, left_out) else { return };
        // What is too long to be a name is cut to one.
        if Name::try_from(word.text.as_str()).is_err() {
            server.name = Some(Draft::name(&word.text, &[]));
        }
        if self.servers.iter().any(|server| server.address == address) {
            return report.ignored(line, "it is a server of this group already");
        }
        self.servers.push(server);
    }
}

/// The address of a server; says what is wrong with it where there is none.
pub(super) fn target(word: &Word, line: &Statement, report: &mut Report) -> Option<Endpoint> {
    if let Ok(address) = Endpoint::try_from(word.text.as_str()) {
        if let Endpoint::Name { .. } = address {
            let how = "its name is looked up every 10 s, and stands for one address at a time";
            report.different(line, how);
        }
        return Some(address);
    }
    if word.text.starts_with("unix:") {
        report.unsupported(line, "a Unix socket cannot be a server");
    } else if word.text.contains('$') {
        report.unsupported(
            line,
            "a route leads to a server or an upstream, not to what a variable says",
        );
    } else {
        report.mistake(Mistake::value(line, word, "must be IP:PORT or NAME:PORT"));
    }
    None
}

/// Reads an option of a server; returns whether the server is left out for it.
fn option(word: &Word, line: &Statement, server: &mut Server, report: &mut Report) -> bool {
    let (name, value) = word.text.split_once('=').unwrap_or((word.text.as_str(), ""));
    let mut count = |limits: std::ops::RangeInclusive<u32>| match number(value, &limits) {
        Ok(number) => Some(number),
        Err(must) => {
            let title = format!("`{name}` is {value:?}, but {must}");
            report.mistake(Mistake::at(&word.place, title, ""));
            None
        }
    };
    match name {
        "weight" => server.weight = count(1..=256).filter(|weight| *weight != 1),
        "backup" => server.backup = true,
        "down" => {
            report.different(line, "it is down, and left out");
            return true;
        }
        "max_fails" | "fail_timeout" => {
            report.different(
                line,
                format!(
                    "`{name}`: three failed checks in a row make a server down, two good ones up"
                ),
            );
        }
        "max_conns" if value == "0" => {}
        "max_conns" => {
            server.max_connections = count(1..=1_000_000);
            report.different(line, "`max_conns`: further connections wait");
        }
        "slow_start" => {
            report.different(
                line,
                "`slow_start`: a server that comes up takes its full share at once",
            );
        }
        "resolve" => report.ignored(line, "`resolve`: it is always done"),
        _ => report.unsupported(line, format!("`{name}` is not known to `vipd import`")),
    }
    false
}
