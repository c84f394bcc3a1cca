//! From the keys of a `[[track]]` table with `script` to a script.

use std::num::NonZeroU32;
use std::time::Duration;

use super::ScriptConfig;
use crate::check::{Check, count_in, duration_in, word};
use crate::code::Code;
use crate::command::{command, user};
use crate::raw::{Given, RawTracker};
use crate::spanned::Spanned;

const DEFAULT_INTERVAL: Duration = Duration::from_secs(1);

/// Below, starting programs costs more than it tells.
const SHORTEST: Duration = Duration::from_millis(100);

const LONGEST: Duration = Duration::from_secs(3600);

/// Reads the script of a table that has one.
pub(super) fn script(raw: &RawTracker, check: &mut Check<'_>) -> Option<ScriptConfig> {
    let user = user("user", &raw.user, None, check);
    let command = command("script", &raw.script, user.as_ref(), true, check);
    let limits = SHORTEST..=LONGEST;
    let help = "the time from one start to the next";
    let interval =
        check.optional("interval", &raw.interval, help, DEFAULT_INTERVAL, duration_in(limits));
    let help = "a script that runs longer is killed; while one runs, no other is started";
    let default = interval.unwrap_or(LONGEST);
    let timeout =
        check.optional("timeout", &raw.timeout, help, default, duration_in(SHORTEST..=LONGEST));
    let rise = count("rise", &raw.rise, check);
    let fall = count("fall", &raw.fall, check);
    let states = word(&[("usable", Some(true)), ("unusable", Some(false))]);
    let help = "left out, the first result is waited for";
    let initially = check.optional("initially", &raw.initially, help, None, states);
    Some(ScriptConfig {
        command: command?,
        user: user?,
        interval: interval?,
        timeout: timeout?,
        rise: rise?,
        fall: fall?,
        initially: initially?,
    })
}

fn count(key: &str, raw: &Given<i64>, check: &mut Check<'_>) -> Option<NonZeroU32> {
    let help = "results in a row that change the state";
    let count = check.optional(key, raw, help, 1, count_in(1..=1000))?;
    NonZeroU32::new(count)
}

/// Finds fault with the keys of what is asked again and again.
pub(super) fn has_none(raw: &RawTracker, check: &mut Check<'_>) {
    let given = [
        ("interval", raw.interval.as_ref().map(Spanned::span)),
        ("timeout", raw.timeout.as_ref().map(Spanned::span)),
        ("rise", raw.rise.as_ref().map(Spanned::span)),
        ("fall", raw.fall.as_ref().map(Spanned::span)),
    ];
    for (key, span) in given {
        if let Some(span) = span {
            let title = format!("`{key}` needs `script` or `gateway`");
            check.problems.tell(Code::NotOfTracker, span, title, "remove it");
        }
    }
    is_none(raw, check);
}

/// Finds fault with the keys that only a script has.
pub(super) fn is_none(raw: &RawTracker, check: &mut Check<'_>) {
    let given = [
        ("user", raw.user.as_ref().map(Spanned::span)),
        ("initially", raw.initially.as_ref().map(Spanned::span)),
    ];
    for (key, span) in given {
        if let Some(span) = span {
            check.problems.tell(
                Code::NotOfTracker,
                span,
                format!("`{key}` needs `script`"),
                "remove it",
            );
        }
    }
}
