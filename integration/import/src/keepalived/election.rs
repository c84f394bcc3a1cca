//! `priority`, `advert_int` and `preempt`: who leads, and when.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::router::one_value;
use crate::draft::{Got, Router};
use crate::report::Report;
use crate::source::Statement;
use crate::values::{seconds, spoken};

/// What keepalived takes for `advert_int`, in seconds.
const INTERVALS: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(255);

/// The longest that an advert can say in version 3.
const LONGEST_V3: Duration = Duration::from_millis(40_950);

/// The longest whole number of seconds up to that.
const LONGEST: Duration = Duration::from_secs(40);

/// `priority`. A number that is none of 1 to 255 counts as the default.
pub(super) fn priority(statement: &Statement, router: &mut Router, report: &mut Report) {
    const MUST: &str = "must be 1 to 255";
    let Some(given) = report.parsed(statement, |text| text.parse::<i64>().map_err(|_| MUST)) else {
        return;
    };
    one_value(statement, report);
    let value = u8::try_from(given.value).ok().filter(|priority| *priority != 0);
    if value.is_none() {
        report.different(statement, "keepalived takes 100, for this is not 1 to 255");
    }
    router.priority = Some(Got { value: value.unwrap_or(100), from: given.from });
}

/// `state MASTER` without a priority is one of 255.
pub(super) fn of_its_state(block: &Statement, router: &mut Router, report: &mut Report) {
    let state = block.inner().iter().rfind(|line| line.name() == "state");
    if let (None, Some(state)) = (&router.priority, state)
        && state.text(1) == "MASTER"
        && !block.inner().iter().any(|line| line.name() == "priority")
    {
        report.different(state, "without `priority` keepalived takes 255 for it");
        router.priority = Some(Got::from(state.place(), 255));
    }
}

/// `advert_int`.
pub(super) fn advert_interval(statement: &Statement, router: &mut Router, report: &mut Report) {
    let Some(interval) = report.parsed(statement, seconds) else { return };
    if !INTERVALS.contains(&interval.value) {
        return report.different(statement, "keepalived takes 1 s, for this is not 0.01 to 255");
    }
    let whole = Duration::from_secs((interval.value + Duration::from_millis(500)).as_secs().max(1));
    let (value, how) = if router.version.value == 2 {
        (whole, format!("version 2 counts whole seconds: {}", spoken(whole)))
    } else {
        let value = interval.value.min(LONGEST_V3);
        (value, format!("version 3 says {} at most", spoken(LONGEST_V3)))
    };
    if value > LONGEST_V3 {
        return report
            .unsupported(statement, format!("adverts are at most {} apart", spoken(LONGEST)));
    }
    if value == interval.value {
        one_value(statement, report);
    } else {
        report.different(statement, how);
    }
    router.advert_interval = Some(Got { value, from: interval.from });
}

/// `preempt`, `nopreempt` and `preempt_delay`.
pub(super) fn preempt(
    statement: &Statement,
    block: &Statement,
    strict: bool,
    router: &mut Router,
    report: &mut Report,
) {
    let has = |name| block.inner().iter().any(|other| other.name() == name);
    let state = block.inner().iter().rfind(|other| other.name() == "state");
    let master = state.is_some_and(|state| state.text(1) == "MASTER");
    match statement.name() {
        "preempt" => report.translated(statement),
        name if master => {
            let why = format!("keepalived itself clears `{name}` beside `state MASTER`");
            report.ignored(statement, why);
        }
        "nopreempt" => {
            router.preempt = Some(Got::from(statement.place(), false));
            report.translated(statement);
        }
        _ if has("nopreempt") => report.ignored(statement, "it has no meaning with `nopreempt`"),
        name if strict => {
            let how = format!("keepalived's strict mode has no `{name}`, and so has this none");
            report.different(statement, how);
        }
        _ => {
            let Some(delay) = report.parsed(statement, seconds) else { return };
            one_value(statement, report);
            if delay.value > Duration::from_secs(1000) {
                let how = "keepalived does without, for this is not 0 to 1000";
                return report.different(statement, how);
            }
            router.preempt_delay = Some(delay);
        }
    }
}
