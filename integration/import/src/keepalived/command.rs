//! Commands that keepalived runs: a quoted string with arguments, a user and a group after it.

use crate::draft::{Got, Router};
use crate::report::Report;
use crate::source::{Statement, Word};

/// keepalived runs scripts as `keepalived_script` where there is such a user, and else as root.
const AS_ROOT: &str =
    "it runs as root, as under keepalived where there is no user `keepalived_script`";

/// What finds a program without a path, as keepalived does.
const ENV: &str = "/usr/bin/env";

/// The program and its arguments in `text`. Variables and pipes mean nothing there, nor to keepalived.
pub(super) fn command(text: &str) -> Option<Vec<String>> {
    let mut words = shlex::split(text)?;
    if !words.first()?.starts_with('/') {
        words.insert(0, ENV.to_owned());
    }
    Some(words)
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
    let Some(command) = command(&given.text) else {
        return report.unsupported(line, "its quotes do not match");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_split_as_keepalived_splits_them() {
        let words = |text| command(text).map(|words| words.join("|"));
        assert_eq!(words("/etc/x.sh a 'b c'"), Some("/etc/x.sh|a|b c".to_owned()));
        assert_eq!(words("killall -0 x"), Some("/usr/bin/env|killall|-0|x".to_owned()));
        assert_eq!(words("/etc/x.sh 'a"), None);
        assert_eq!(words(""), None);
    }
}
