//! nginx: every `server` of a `stream` becomes a proxy with the servers of its upstream.

mod choice;
mod follow;
mod http;
mod proxy;
mod read;
mod upstream;

use std::sync::Arc;

use self::choice::Choice;
use self::proxy::{Named, Settings};
use self::upstream::Upstream;
use super::report::Kind;
use super::source::{Source, Statement};
use super::{Files, Import};

/// What is said of a directive that is in no table.
const UNKNOWN: &str = "this directive is not known to `vipd import`";

/// Directives outside `stream`, by their beginning.
const OUTSIDE: [(&str, &str); 12] = [
    ("user", "lbproxy runs as nobody"),
    ("worker_", "one worker runs for each processor"),
    ("pid", "systemd keeps track of vipd"),
    ("error_log", "messages go to standard error, for the journal"),
    ("load_module", "there are no modules"),
    ("events", "how events are waited for is decided here"),
    ("daemon", "systemd starts vipd"),
    ("master_process", "systemd starts vipd"),
    ("pcre_jit", "there are no regular expressions"),
    ("timer_resolution", "how events are waited for is decided here"),
    ("lock_file", "none is needed"),
    ("env", "servers are addresses"),
];

/// Imports one file and what it includes.
pub(super) fn import(source: &Arc<Source>, files: &dyn Files, import: &mut Import) {
    let statements = match read::read(source, files) {
        Ok(statements) => statements,
        Err(mistake) => return import.report.mistake(mistake),
    };
    let framed = statements.iter().any(|found| matches!(found.name(), "stream" | "http"));
    if !framed && statements.iter().any(|found| found.name() == "server") {
        // What `stream { include … }` takes in.
        return stream(&statements, import);
    }
    for statement in &statements {
        let report = &mut import.report;
        match statement.name() {
            "stream" => {
                report.translated(statement);
                stream(statement.inner(), import);
            }
            "http" => http::read(statement, &mut import.draft.metrics, report),
            "mail" => {
                let why = "only `stream` is imported: vipd balances TCP";
                report.whole(statement, Kind::NotSupported, why);
            }
            "include" => report.translated(statement),
            name => match OUTSIDE.iter().find(|(known, _)| name.starts_with(known)) {
                Some((_, why)) => report.whole(statement, Kind::Ignored, *why),
                None => report.whole(statement, Kind::NotSupported, UNKNOWN),
            },
        }
    }
}

fn stream(statements: &[Statement], import: &mut Import) {
    let mut inherited = Settings::default();
    let mut named = Named::default();
    let mut servers = Vec::new();
    for statement in statements {
        let report = &mut import.report;
        match statement.name() {
            "upstream" => {
                if let Some(upstream) = Upstream::read(statement, report) {
                    named.upstreams.insert(upstream.name.clone(), upstream);
                }
            }
            "server" => servers.push(statement),
            "include" => report.translated(statement),
            "map" | "geo" | "split_clients" => {
                if let Some(choice) = Choice::read(statement, report) {
                    named.choices.insert(choice.variable.clone(), choice);
                }
            }
            _ => inherited.read(statement, report),
        }
    }
    for server in servers {
        proxy::import(server, &inherited, &mut named, import);
    }
    let upstreams = named.upstreams.values().filter(|upstream| !upstream.used);
    let choices = named.choices.values().filter(|choice| !choice.used);
    for block in
        upstreams.map(|upstream| &upstream.block).chain(choices.map(|choice| &choice.block))
    {
        import.report.whole(block, Kind::Ignored, "no server that is imported uses it");
    }
}
