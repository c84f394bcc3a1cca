//! Commands that keepalived runs: a quoted string with arguments, a user and a group after it.

use super::words;
use crate::draft::{Got, Router};
use crate::report::Report;
use crate::source::{Statement, Word};

/// keepalived runs scripts as `keepalived_script` where there is such a user, and else as root.
const AS_ROOT: &str =
    "it runs as root, as under keepalived where there is no user `keepalived_script`";

/// What finds a program without a path, as keepalived does.
const ENV: &str = "/usr/bin/env";

/// What is said of a command that cannot be split.
pub(super) const UNMATCHED: &str = "its quotes do not match: keepalived runs nothing here";

/// The words of a command, as it is run. Variables and pipes mean nothing there, nor to keepalived.
pub(super) fn with_path(mut words: Vec<String>) -> Vec<String> {
    if words.first().is_some_and(|program| !program.starts_with('/')) {
        words.insert(0, ENV.to_owned());
    }
    words
}

/// The user that a script runs as: its own, that of `script_user`, or root.
pub(super) fn user(
    own: Option<&Word>,
    global: Option<&str>,
    line: &Statement,
    report: &mut Report,
) -> String {
    match (own, global) {
        (Some(own), _) => own.text.clone(),
        (None, Some(global)) => global.to_owned(),
        (None, None) => {
            report.different(line, AS_ROOT);
            "root".to_owned()
        }
    }
}

/// The key of the hook for keepalived's event.
pub(super) fn key(name: &str) -> Option<&'static str> {
    match name {
        "notify" => Some("notify"),
        "notify_master" => Some("notify_active"),
        "notify_backup" => Some("notify_backup"),
        "notify_fault" => Some("notify_fault"),
        "notify_stop" => Some("notify_stop"),
        _ => None,
    }
}

/// `notify_master "COMMAND" [USER [GROUP]]` and its like.
pub(super) fn notify(
    line: &Statement,
    global_user: Option<&str>,
    router: &mut Router,
    report: &mut Report,
) {
    let Some(key) = key(line.name()) else {
        return report.unsupported(line, "no hook belongs to this event");
    };
    let Some(given) = report.argument(line) else { return };
    let command = match words::split(&given.text) {
        Ok(command) if !command.is_empty() => with_path(command),
        _ => return report.unsupported(line, UNMATCHED),
    };
    if line.args().len() > 3 {
        return report
            .unsupported(line, "after the command, in quotes, there can be a user and a group");
    }
    if line.args().len() == 3 {
        report.different(line, "it runs with its user's own groups");
    }
    let user = user(line.args().get(1), global_user, line, report);
    match &router.notify_user {
        Some(known) if known.value != user => {
            let why = format!("the hooks of a router run as one user, and that is {}", known.value);
            return report.unsupported(line, why);
        }
        _ => router.notify_user = Some(Got::from(line.place(), user)),
    }
    report.translated(line);
    router.hooks.push((key, Got::from(line.place(), command)));
}
