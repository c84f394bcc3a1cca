//! `server` lines and the `default-server` options they inherit.

use std::net::SocketAddr;

use vocabulary::Endpoint;

use super::bind::{Address, address};
use super::options::{self, Options};
use crate::draft::Server;
use crate::report::Report;
use crate::source::{Mistake, Statement};

/// A server that can be imported.
#[derive(Clone, Debug)]
pub(super) struct Parsed {
    pub(super) server: Server,
    pub(super) options: Options,
    pub(super) line: Statement,
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
    options::read(line, rest, &mut own, report);
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
