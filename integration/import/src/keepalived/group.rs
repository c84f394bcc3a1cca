//! `vrrp_sync_group`.

use std::mem;

use super::globals::Globals;
use super::script::Scripts;
use super::{command, router};
use crate::Import;
use crate::draft::{Draft, Got, Router};
use crate::report::{Kind, Report};
use crate::source::Statement;

/// Brings the members of one group together, with what the group tracks and runs.
pub(super) fn import(
    block: &Statement,
    globals: &Globals,
    scripts: &mut Scripts,
    import: &mut Import,
) {
    let members = members(block);
    if members.len() > 1 {
        import.report.translated(block);
    } else {
        import.report.ignored(block, "a group of one needs no keeping together");
    }
    let mut routers = mem::take(&mut import.draft.routers);
    let of_group = |router: &&mut Router| members.contains(&router.name.as_str());
    let name = Draft::name(block.text(1), &[]);
    let mut found: Vec<&mut Router> = routers.iter_mut().filter(of_group).collect();
    for router in found.iter_mut().filter(|_| members.len() > 1) {
        router.sync_group = Some(Got::from(block.place(), name.clone()));
    }
    for line in block.inner() {
        keyword(line, &mut found, globals, scripts, import);
    }
    import.draft.routers = routers;
}

fn members(block: &Statement) -> Vec<&str> {
    let lists = block.inner().iter().filter(|line| line.name() == "group");
    let words = lists.flat_map(|list| list.inner().iter().flat_map(|line| &line.words));
    words.map(|word| word.text.as_str()).collect()
}

fn keyword(
    line: &Statement,
    members: &mut [&mut Router],
    globals: &Globals,
    scripts: &mut Scripts,
    import: &mut Import,
) {
    let report = &mut import.report;
    match line.name() {
        "group" => {
            report.translated(line);
            line.inner().iter().for_each(|member| report.translated(member));
        }
        "global_tracking" | "sync_group_tracking_weight" => {
            report.ignored(line, "what one member tracks counts for all");
        }
        "smtp_alert" => report.unsupported(line, "no mail is sent"),
        name if name.starts_with("notify") => notify(line, members, globals, report),
        "track_script" | "track_process" | "track_file" => {
            members.iter_mut().for_each(|router| scripts.track(line, router, import));
        }
        "track_interface" => {
            members
                .iter_mut()
                .for_each(|member| router::track_interface(line, member, scripts, import));
        }
        _ => report.whole(line, Kind::NotSupported, super::UNKNOWN),
    }
}

/// Members change state together, so one of them runs the group's hook.
fn notify(line: &Statement, members: &mut [&mut Router], globals: &Globals, report: &mut Report) {
    let key = command::key(line.name());
    let free = |router: &&mut &mut Router| {
        key.is_none_or(|key| router.hooks.iter().all(|(known, _)| *known != key))
    };
    let Some(member) = members.iter_mut().find(free) else {
        return report.unsupported(line, "each member has a hook of its own for this event");
    };
    let told = if key == Some("notify") { ", and tells its own name" } else { "" };
    report.different(line, format!("members change state together: {} runs it{told}", member.name));
    command::notify(line, globals.script_user.as_deref(), member, report);
}
