//! keepalived.conf: instances become virtual routers, what they track becomes trackers, and IPVS
//! services become proxies.

mod address;
mod announce;
mod command;
mod globals;
mod group;
mod ipvs;
mod read;
mod router;
mod routing;
mod script;
mod vmac;

use std::sync::Arc;

use self::globals::Globals;
use self::script::Scripts;
use super::report::Kind;
use super::source::{Source, Statement};
use super::{Files, Import};

/// What is said of the hooks of a group, and of a server.
const GROUP_NOTIFY: &str = "hooks belong to instances: write it there";
const SERVER_NOTIFY: &str = "no program is run when a server's state changes";

/// What is said of a keyword that is in no table.
const UNKNOWN: &str = "this keyword is not known to `vipd import`";

/// Imports one file and what it includes.
pub(super) fn import(source: &Arc<Source>, files: &dyn Files, import: &mut Import) {
    let statements = match read::read(source, files) {
        Ok(statements) => statements,
        Err(mistake) => return import.report.mistake(mistake),
    };
    let named = |name: &'static str| statements.iter().filter(move |found| found.name() == name);
    let mut globals = Globals::default();
    for block in named("global_defs") {
        globals::read(block, &mut globals, &mut import.draft, &mut import.report);
    }
    // Services first: a script may watch one.
    named("virtual_server").for_each(|block| ipvs::import(block, import));
    let mut scripts = Scripts::collect(&statements, globals.script_user.as_deref(), import);
    let groups = group::groups(&statements, &mut import.report);
    let has_ipvs = named("virtual_server").next().is_some();
    for block in named("vrrp_instance") {
        router::import(block, &globals, has_ipvs, &mut scripts, import);
    }
    for router in &mut import.draft.routers {
        router.sync_group = groups.get(&router.name).cloned();
    }
    scripts.report(&mut import.report);
    for statement in &statements {
        rest(statement, import);
    }
}

/// What no other part reads.
fn rest(statement: &Statement, import: &mut Import) {
    let report = &mut import.report;
    match statement.name() {
        "vrrp_sync_group" => {}
        "global_defs" | "virtual_server" | "vrrp_instance" | "vrrp_script"
        | "vrrp_track_process" | "track_file" | "vrrp_track_file" => {}
        name if name.starts_with('$') || name.starts_with("include") => {
            report.translated(statement)
        }
        name if name.starts_with('@') => {
            let why =
                format!("only a keepalived started with `--config-id {}` reads this", &name[1..]);
            report.whole(statement, Kind::NotSupported, why);
        }
        "static_ipaddress" | "static_routes" | "static_rules" | "static_track_group" => {
            let why = "fixed addresses and routes belong into the network's configuration";
            report.whole(statement, Kind::NotSupported, why);
        }
        "virtual_server_group" => {
            let why = "write its services as [[proxy]] tables";
            report.whole(statement, Kind::NotSupported, why);
        }
        "garp_group" => report.whole(statement, Kind::Different, router::ANNOUNCE),
        _ => report.whole(statement, Kind::NotSupported, UNKNOWN),
    }
}
