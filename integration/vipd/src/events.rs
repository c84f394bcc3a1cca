//! `vipd events`: what happened, and what happens, a line each.

use std::io::{self, BufRead, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use vocabulary::Priority;
use vrrp::router::Contested;
use vrrpd::occurrence::{Discarded, Occurrence, RouterContested, Standing, StateChange};
use vrrpd::status::RouterStatus;

use crate::clock::wall;
use crate::console::request::{Answer, Request};
use crate::status::{self, StatusError, changed};

/// How the lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Words,
    /// An object a line, with `time` and `type` in each.
    Json,
}

/// Why the events ended.
#[derive(Debug, thiserror::Error)]
pub enum EventsError {
    /// `vrrpd` does not answer.
    #[error(transparent)]
    Ask(#[from] StatusError),
    /// The connection broke, or nobody reads what is written.
    #[error("pass the events on")]
    Pass(#[from] io::Error),
    /// A line is of another release.
    #[error("an event is not understood; is vrrpd of another release?")]
    Line(#[from] serde_json::Error),
}

#[derive(Serialize)]
struct Stamped<'a> {
    time: String,
    #[serde(flatten)]
    occurrence: &'a Occurrence,
}

/// Writes the changes of state that `vrrpd` remembers, the oldest first.
///
/// # Errors
/// `vrrpd` does not answer, or nobody reads.
pub fn past(runtime_dir: &Path, form: Form, out: &mut impl Write) -> Result<(), EventsError> {
    let status = status::vrrpd(runtime_dir)?;
    let now = wall();
    for told in remembered(&status.routers) {
        let at = now.checked_sub(Duration::from_millis(told.change.ago_ms)).unwrap_or(now);
        write(&Occurrence::State(told), at, form, out)?;
    }
    Ok(())
}

/// Writes how every router stands and then what happens, until `vrrpd` ends.
///
/// # Errors
/// `vrrpd` does not answer, or nobody reads.
pub fn follow(runtime_dir: &Path, form: Form, out: &mut impl Write) -> Result<(), EventsError> {
    let reader = status::connect(runtime_dir, &Request::Events)?;
    // Nothing may happen for a long time.
    reader.get_ref().set_read_timeout(None)?;
    for line in reader.lines() {
        let line = line?;
        match serde_json::from_str(&line) {
            Ok(Answer::<()>::Refused(words)) => return Err(StatusError::Refused(words).into()),
            Ok(Answer::Silent(words)) => return Err(StatusError::Silent(words).into()),
            Ok(Answer::Answer(())) | Err(_) => {}
        }
        write(&serde_json::from_str(&line)?, wall(), form, out)?;
    }
    Ok(())
}

fn remembered(routers: &[RouterStatus]) -> Vec<StateChange> {
    let of = |router: &RouterStatus| {
        let id = router.id.clone();
        let told = move |change| StateChange { router: id.clone(), change };
        router.history.clone().into_iter().map(told)
    };
    let mut all: Vec<StateChange> = routers.iter().flat_map(of).collect();
    // Of one moment, a router's own changes keep their order.
    all.sort_by_key(|told| (std::cmp::Reverse(told.change.ago_ms), told.change.number));
    all
}

fn write(
    occurrence: &Occurrence,
    at: SystemTime,
    form: Form,
    out: &mut impl Write,
) -> Result<(), EventsError> {
    let time = humantime::format_rfc3339_millis(at).to_string();
    match form {
        Form::Words => writeln!(out, "{time}  {}", words(occurrence))?,
        Form::Json => {
            writeln!(out, "{}", serde_json::to_string(&Stamped { time, occurrence })?)?;
        }
    }
    // Whoever follows wants it now, also through a pipe.
    Ok(out.flush()?)
}

fn words(occurrence: &Occurrence) -> String {
    match occurrence {
        Occurrence::Stands(Standing { router, state, priority, fault, .. }) => {
            let fault = if *fault { "; its interface is down or has no address" } else { "" };
            format!("{router}: is {state} with priority {priority}{fault}")
        }
        Occurrence::State(StateChange { router, change }) => {
            format!("{router}: {} → {}: {}", change.from, change.to, changed(change))
        }
        Occurrence::Health(health) => {
            let (tracker, state) = (&health.tracker, health.state);
            format!("{tracker}: {state}, {} of {} usable", health.usable, health.total)
        }
        Occurrence::Discard(Discarded { router, from, why, times, .. }) => {
            let from = from.map_or_else(|| "?".to_owned(), |from| from.to_string());
            format!("{router}: discarded an advert from {from}, {times} of its kind: {why}")
        }
        Occurrence::Contested(RouterContested { router, our_priority, contested }) => {
            format!("{router}: {}", contest(contested, *our_priority))
        }
        Occurrence::Missed { count } => {
            format!("read too slowly: {count} events were missed, and no more will come")
        }
        Occurrence::Ended => "vrrpd ended".to_owned(),
    }
}

/// Who was Active as well.
pub(crate) fn contest(contested: &Contested, ours: Priority) -> String {
    let Contested { by, priority, adverts, yielded } = contested;
    if *yielded {
        format!(
            "{by} was Active as well with priority {priority}, and has yielded to our {ours}; adverts heard: {adverts}"
        )
    } else {
        format!("{by} is Active as well with priority {priority}, and is to yield to our {ours}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str, form: Form) -> String {
        let mut out = Vec::new();
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_800_000_000_123);
        write(&serde_json::from_str(line).unwrap(), at, form, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_line_has_its_time() {
        let health =
            r#"{"type":"health","tracker":"apiserver","usable":0,"total":3,"state":"unusable"}"#;
        assert_eq!(
            told(health, Form::Words),
            "2027-01-15T08:00:00.123Z  apiserver: unusable, 0 of 3 usable\n"
        );
        assert_eq!(
            told(health, Form::Json),
            "{\"time\":\"2027-01-15T08:00:00.123Z\",\"type\":\"health\",\"tracker\":\"apiserver\",\"usable\":0,\"total\":3,\"state\":\"unusable\"}\n"
        );
        let missed = told(r#"{"type":"missed","count":6}"#, Form::Words);
        assert!(missed.ends_with("read too slowly: 6 events were missed, and no more will come\n"));
    }

    #[test]
    fn who_was_active_as_well_is_told() {
        let line = |yielded| {
            format!(
                r#"{{"type":"contested","router":{{"name":"api","family":"ipv4"}},"our_priority":150,"by":"10.0.0.12","priority":100,"adverts":2,"yielded":{yielded}}}"#
            )
        };
        let at = "2027-01-15T08:00:00.123Z  api (IPv4)";
        assert_eq!(
            told(&line(false), Form::Words),
            format!(
                "{at}: 10.0.0.12 is Active as well with priority 100, and is to yield to our 150\n"
            )
        );
        assert_eq!(
            told(&line(true), Form::Words),
            format!(
                "{at}: 10.0.0.12 was Active as well with priority 100, and has yielded to our 150; adverts heard: 2\n"
            )
        );
    }

    #[test]
    fn the_past_is_told_in_its_order() {
        let status = |name: &str, changes: &[(u64, u64)]| -> RouterStatus {
            let change = |(number, ago_ms): &(u64, u64)| {
                serde_json::json!({"number": number, "from": "backup", "to": "active",
                    "reason": "silence", "cause": "", "ago_ms": ago_ms,
                    "evidence": {"priority": 100, "heard": null, "lag_us": null}})
            };
            let history: Vec<_> = changes.iter().map(change).collect();
            serde_json::from_value(serde_json::json!({"id": {"name": name, "family": "ipv4"},
                "interface": "eth0", "vrid": 51, "version": 3, "state": "backup", "since_ms": 0,
                "transitions": 3, "priority": 100, "effective_priority": 100,
                "preempt_delay_ms": 0, "advert_interval": 10, "source": null,
                "addresses": [], "active": null, "trackers": [], "sent": 0, "send_errors": 0,
                "received": 9, "discarded": {}, "history": history}))
            .unwrap()
        };
        let routers = [status("a", &[(3, 5), (2, 10), (1, 10)]), status("b", &[(1, 7)])];
        let order: Vec<String> = remembered(&routers)
            .iter()
            .map(|told| format!("{}{}", told.router.name, told.change.number))
            .collect();
        assert_eq!(order, ["a1", "a2", "b1", "a3"]);
    }
}
