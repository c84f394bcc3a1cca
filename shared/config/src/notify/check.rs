//! From `[notify]` and the `notify…` keys of `[[vrrp]]` to hooks.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{FifoConfig, HooksConfig, NotifyConfig};
use crate::check::{Check, duration_in};
use crate::command::{absolute, command, user};
use crate::raw::{RawFile, RawRouter};
use vocabulary::Name;

/// Time enough to ask a cloud's API, and to notice that it does not answer.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// Reads who is told.
pub(crate) fn notify(file: &RawFile, check: &mut Check<'_>) -> NotifyConfig {
    let global = file.notify.as_ref().map(|table| table.get_ref());
    let user = global.and_then(|raw| user("user", &raw.user, None, check)).flatten();
    let path = global.and_then(|raw| {
        let help = "such as \"/run/vipd/notify.fifo\"";
        check.optional("fifo", &raw.fifo, help, None, |text| absolute(text).map(Some)).flatten()
    });
    let mut hooks = BTreeMap::new();
    for raw in file.vrrp.iter().map(|table| table.get_ref()) {
        let table = hooks_of(raw, user.as_ref(), check);
        // A missing or wrong name is reported where the router is read.
        let name = raw.name.as_ref().and_then(|name| Name::try_from(name.get_ref().as_str()).ok());
        if let (Some(name), Some(table)) = (name, table) {
            hooks.insert(name, table);
        }
    }
    NotifyConfig { hooks, fifo: path.map(|path| FifoConfig { path, user }) }
}

/// The hooks of one table, if it has any.
fn hooks_of(
    raw: &RawRouter,
    default: Option<&String>,
    check: &mut Check<'_>,
) -> Option<HooksConfig> {
    let user = user("notify_user", &raw.notify_user, default.cloned(), check);
    let limits = Duration::from_secs(1)..=Duration::from_secs(600);
    let timeout = check.optional(
        "notify_timeout",
        &raw.notify_timeout,
        "a hook that runs longer is killed",
        DEFAULT_TIMEOUT,
        duration_in(limits),
    );
    let [any, active, backup, fault, stop, contested] = [
        ("notify", &raw.notify),
        ("notify_active", &raw.notify_active),
        ("notify_backup", &raw.notify_backup),
        ("notify_fault", &raw.notify_fault),
        ("notify_stop", &raw.notify_stop),
        ("notify_contested", &raw.notify_contested),
    ]
    .map(|(key, list)| command(key, list, user.as_ref(), false, check));
    if [&any, &active, &backup, &fault, &stop, &contested].into_iter().all(Option::is_none) {
        return None;
    }
    let retry = raw.notify_retry.as_ref().is_none_or(|given| *given.get_ref());
    let (user, timeout) = (user?, timeout?);
    Some(HooksConfig { user, timeout, retry, any, active, backup, fault, stop, contested })
}
