//! keepalived.conf: instances become virtual routers, what they track becomes trackers, and IPVS
//! services become proxies.

mod address;
mod announce;
mod authentication;
mod command;
mod election;
mod expand;
mod fault;
mod globals;
mod group;
mod ipvs;
mod meaning;
mod peers;
mod read;
mod router;
mod routing;
mod script;
mod vmac;
mod words;

use std::sync::Arc;

use self::globals::Globals;
use self::read::Read;
use self::script::Scripts;
use super::report::Kind;
use super::source::{Source, Statement};
use super::{Files, Import};

/// What is said of the hooks of a server.
const SERVER_NOTIFY: &str = "no program is run when a server's state changes";

/// What is said of a line for a node of some name.
const ELSEWHERE: &str =
    "it is for a node of this name: say with `--config-id` which one this is for";

/// What is said of a keyword that is in no table.
const UNKNOWN: &str = "this keyword is not known to `vipd import`";

/// Imports one file and what it includes.
pub(super) fn import(
    source: &Arc<Source>,
    id: Option<&str>,
    files: &dyn Files,
    import: &mut Import,
) {
    let Read { statements, done, elsewhere, odd, .. } = match read::read(source, id, files) {
        Ok(read) => read,
        Err(mistake) => return import.report.mistake(mistake),
    };
    done.iter().for_each(|line| import.report.translated(line));
    odd.iter().for_each(|(brace, what)| import.report.different(brace, *what));
    for line in &elsewhere {
        match id {
            Some(id) => import.report.ignored(line, format!("it is not for {id}")),
            None => import.report.unsupported(line, ELSEWHERE),
        }
    }
    let named = |name: &'static str| statements.iter().filter(move |found| found.name() == name);
    let has_ipvs = named("virtual_server").next().is_some();
    let mut globals = Globals { mails: mails(&statements), has_ipvs, ..Globals::default() };
    for block in named("global_defs") {
        globals::read(block, &mut globals, &mut import.draft, &mut import.report);
    }
    // Services first: a script may watch one.
    let groups: Vec<&Statement> = named("virtual_server_group").collect();
    named("virtual_server").for_each(|block| ipvs::import(block, &groups, import));
    let mut scripts = Scripts::collect(&statements, globals.script_user.as_deref(), import);
    for block in named("vrrp_instance") {
        router::import(block, &globals, &mut scripts, import);
    }
    named("vrrp_sync_group").for_each(|block| group::import(block, &globals, &mut scripts, import));
    fault::look(&scripts.faults, &import.draft.routers, &mut import.report);
    scripts.report(&mut import.report);
    for statement in &statements {
        rest(statement, import);
    }
}

/// Whether anything makes keepalived send mail.
fn mails(statements: &[Statement]) -> bool {
    let asks = |found: &Statement| found.name().starts_with("smtp_alert");
    statements
        .iter()
        .any(|block| block.name() == "virtual_server" || block.inner().iter().any(asks))
}

/// What no other part reads.
fn rest(statement: &Statement, import: &mut Import) {
    let report = &mut import.report;
    match statement.name() {
        "vrrp_sync_group" => {}
        "global_defs" | "virtual_server" | "vrrp_instance" | "vrrp_script"
        | "vrrp_track_process" | "track_file" | "vrrp_track_file" => {}
        "static_ipaddress" | "static_routes" | "static_rules" | "static_track_group" => {
            let why = "fixed addresses and routes belong into the network's configuration";
            report.whole(statement, Kind::NotSupported, why);
        }
        "virtual_server_group" => {
            let why = "no service that is imported is at its addresses";
            if !report.knows(statement) {
                report.whole(statement, Kind::Ignored, why);
            }
        }
        "garp_group" => report.whole(statement, Kind::Different, router::ANNOUNCE),
        _ => report.whole(statement, Kind::NotSupported, UNKNOWN),
    }
}
