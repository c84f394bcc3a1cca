//! `server` lines and the `default-server` options they inherit.

use std::net::SocketAddr;

use vocabulary::Endpoint;

use super::bind::{Address, address};
use super::options::{self, Options};
use crate::draft::Server;
use crate::report::Report;
use crate::source::{Mistake, Statement, Word};

/// A server that can be imported.
#[derive(Clone, Debug)]
pub(super) struct Parsed {
    pub(super) server: Server,
    pub(super) options: Options,
    pub(super) line: Statement,
}

/// Reads `server NAME ADDRESS[:PORT] [OPTIONS]` and `server-template PREFIX COUNT NAME[:PORT] [OPTIONS]`;
/// `port` is the one that is listened on, if it is one.
pub(super) fn server(
    line: &Statement,
    inherited: &Options,
    port: Option<u16>,
    report: &mut Report,
) -> Option<Parsed> {
    let (name, count, target, rest) = match (line.name(), line.args()) {
        ("server-template", [name, count, target, rest @ ..]) => {
            (name, slots(line, count, report)?, target, rest)
        }
        ("server", [name, target, rest @ ..]) => (name, 1, target, rest),
        (keyword, _) => {
            let title = format!("`{keyword}` has a name and an address");
            report.mistake(Mistake::at(line.place(), title, ""));
            return None;
        }
    };
    report.translated(line);
    let mut own = inherited.clone();
    options::read(line, rest, &mut own, report);
    let address = match (address(&target.text), port) {
        (Address::Port(address), _) => Some(Endpoint::Address(address)),
        (Address::Ip(ip), Some(port)) => Some(SocketAddr::new(ip, port).into()),
        (Address::Name(host, Some(port)), _) | (Address::Name(host, None), Some(port)) => {
            named(&host, port, (line, target), report)
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
        max_addresses: matches!(address, Endpoint::Name { .. }).then_some(count),
        track: own.track.clone().map(|target| (line.clone(), target)),
        ..Server::new(line.place(), address)
    };
    Some(Parsed { server, options: own, line: line.clone() })
}

/// How many servers a template stands for: `5` or `1-5`.
fn slots(line: &Statement, count: &Word, report: &mut Report) -> Option<u32> {
    let number = |text: &str| text.parse::<u32>().ok();
    let slots = match count.text.split_once('-') {
        None => number(&count.text),
        Some((first, last)) => {
            number(first).zip(number(last)).and_then(|(first, last)| (last + 1).checked_sub(first))
        }
    };
    match slots {
        Some(slots @ 1..=256) => Some(slots),
        Some(257..) => {
            report.different(line, "it is 256 servers at most");
            Some(256)
        }
        Some(0) | None => {
            report.mistake(Mistake::value(line, count, "must be a number of servers, or a range"));
            None
        }
    }
}

/// A server that has to be looked up.
fn named(
    host: &str,
    port: u16,
    (line, target): (&Statement, &Word),
    report: &mut Report,
) -> Option<Endpoint> {
    if host.starts_with('_') {
        report.unsupported(line, "SRV records are not looked up: name the host and its port");
        return None;
    }
    match Endpoint::try_from(format!("{host}:{port}")) {
        Ok(endpoint) => {
            let how = match line.name() {
                "server-template" => {
                    "its name is looked up every 10 s, as the system does it; its servers are called by their addresses"
                }
                _ => "its name is looked up every 10 s, not at the start only",
            };
            report.different(line, how);
            Some(endpoint)
        }
        Err(must) => {
            report.mistake(Mistake::value(line, target, &must.to_string()));
            None
        }
    }
}
