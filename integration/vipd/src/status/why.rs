//! `vipd why`: why a router is what it is, and how it came to that, with the evidence.

use std::fmt::{self, Write};

use vocabulary::{TrackerHealth, Usability};
use vrrp::election::StateName;
use vrrpd::status::{Change, Evidence, LastHeard, RefusedRoute, RouterStatus, StaleStatus};

use super::text::ago;

/// Explains one router for people.
#[must_use]
pub fn why(router: &RouterStatus) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    write(router, &mut text).ok();
    text
}

fn write(router: &RouterStatus, out: &mut String) -> fmt::Result {
    writeln!(out, "{}: {} for {}", router.id, router.state, ago(router.since_ms))?;
    writeln!(out, "  {}", stance(router))?;
    let (configured, effective) = (router.priority, router.effective_priority);
    if configured != effective {
        writeln!(out, "  priority {configured} became {effective}: {}", trackers(router))?;
    }
    for RefusedRoute { route, error } in &router.refused_routes {
        writeln!(out, "  cannot have the {route}: {error}")?;
    }
    for StaleStatus { address, interface } in &router.stale {
        writeln!(
            out,
            "  {address} is here on {interface} as well, though this node is not Active"
        )?;
    }
    for (reason, count) in &router.discarded {
        writeln!(out, "  discarded {count} adverts for the reason {reason:?}")?;
    }
    for change in &router.history {
        writeln!(out, "  {} ago: {}", ago(change.ago_ms), changed(change))?;
    }
    Ok(())
}

/// Why the state lasts.
fn stance(router: &RouterStatus) -> String {
    match router.state {
        StateName::Initialize if router.source.is_none() => {
            format!("takes no part: {} is down or has no address of this family", router.interface)
        }
        StateName::Initialize => format!("takes no part yet: waits for {}", trackers(router)),
        StateName::Active => {
            let priority = router.effective_priority;
            format!("stays Active: nobody advertises more than our {priority}")
        }
        StateName::Releasing => "resigned, and serves until a peer has taken over".to_owned(),
        StateName::Backup => backup(router),
    }
}

fn backup(router: &RouterStatus) -> String {
    let Some(active) = router.active else {
        return "stays Backup: listens until its first down interval is over".to_owned();
    };
    let (peer, theirs, ours) = (active.address, active.priority, router.effective_priority);
    let stays = format!("stays Backup: {peer} advertises {theirs}");
    if theirs > ours {
        return format!("{stays} > {ours}");
    }
    if theirs == ours {
        return format!("{stays}, our priority, and was there first");
    }
    match router.preempt_delay_ms {
        None => format!("{stays} < {ours}, and `preempt = false`"),
        Some(delay) => format!("{stays} < {ours}: takes over after {} of that", ago(delay)),
    }
}

fn trackers(router: &RouterStatus) -> String {
    let bad = |health: &&TrackerHealth| health.state != Usability::Usable;
    let tell =
        |TrackerHealth { tracker, usable, total, state, reason }: &TrackerHealth| match reason {
            Some(reason) => format!("{tracker} ({state}, {reason})"),
            None => format!("{tracker} ({state}, {usable} of {total} usable)"),
        };
    let told: Vec<String> = router.trackers.iter().filter(bad).map(tell).collect();
    if told.is_empty() { "what it tracks".to_owned() } else { told.join(", ") }
}

/// A change of state in words, with its evidence.
pub(crate) fn changed(change: &Change) -> String {
    let Change { from, to, cause, evidence, .. } = change;
    let what = match (from, to) {
        (_, StateName::Active) => "took over",
        (StateName::Active | StateName::Releasing, StateName::Backup) => "yielded",
        (_, StateName::Backup) => "became Backup",
        (_, StateName::Releasing) => "resigned",
        (_, StateName::Initialize) => "left",
    };
    format!("{what}: {cause}{}", Told(evidence))
}

/// Evidence, as what follows a cause.
struct Told<'a>(&'a Evidence);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Evidence { priority, heard, lag_us } = self.0;
        if let Some(LastHeard { address, priority, ago_us }) = heard {
            write!(f, "; last from {address} priority {priority}, {} ms before", millis(*ago_us))?;
        }
        write!(f, "; our priority {priority}")?;
        if let Some(lag) = lag_us {
            write!(f, ", our lag {} ms", millis(*lag))?;
        }
        Ok(())
    }
}

/// Microseconds as milliseconds with one decimal, cut off.
fn millis(micros: u64) -> String {
    format!("{}.{}", micros / 1000, micros / 100 % 10)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ROUTER: &str = r#"{"id":{"name":"api","family":"ipv4"},"interface":"eth0","vrid":51,
        "version":3,"state":"backup","since_ms":61000,"transitions":3,"priority":100,
        "effective_priority":100,"preempt_delay_ms":0,"advert_interval":10,
        "source":"10.0.0.12","addresses":[],"active":null,"trackers":[],"sent":0,"send_errors":0,
        "received":9,"discarded":{},"history":[]}"#;

    /// The router with some of its fields replaced.
    fn router(other: serde_json::Value) -> RouterStatus {
        let mut value: serde_json::Value = serde_json::from_str(ROUTER).unwrap();
        let fields = value.as_object_mut().unwrap();
        other.as_object().unwrap().iter().for_each(|(key, value)| {
            assert!(fields.insert(key.clone(), value.clone()).is_some(), "{key}");
        });
        serde_json::from_value(value).unwrap()
    }

    fn follows(priority: u8) -> serde_json::Value {
        json!({"address": "10.0.0.11", "priority": priority, "interval": 10})
    }

    #[test]
    fn each_stance_has_its_reason() {
        let trackers = json!([
            {"tracker": "apiserver", "usable": 0, "total": 3, "state": "unknown"},
            {"tracker": "uplink", "usable": 1, "total": 1, "state": "usable"}
        ]);
        for (expected, other) in [
            ("stays Backup: 10.0.0.11 advertises 150 > 100", json!({"active": follows(150)})),
            (
                "stays Backup: 10.0.0.11 advertises 100, our priority, and was there first",
                json!({"active": follows(100)}),
            ),
            (
                "stays Backup: 10.0.0.11 advertises 50 < 100, and `preempt = false`",
                json!({"active": follows(50), "preempt_delay_ms": null}),
            ),
            (
                "stays Backup: 10.0.0.11 advertises 50 < 100: takes over after 5m of that",
                json!({"active": follows(50), "preempt_delay_ms": 300_000}),
            ),
            ("stays Backup: listens until its first down interval is over", json!({})),
            (
                "takes no part: eth0 is down or has no address of this family",
                json!({"state": "initialize", "source": null}),
            ),
            (
                "takes no part yet: waits for apiserver (unknown, 0 of 3 usable)",
                json!({"state": "initialize", "trackers": trackers}),
            ),
            ("stays Active: nobody advertises more than our 100", json!({"state": "active"})),
        ] {
            assert_eq!(stance(&router(other)), expected);
        }
    }

    #[test]
    fn changes_come_with_their_evidence() {
        let router = router(json!({
            "effective_priority": 1,
            "trackers": [{"tracker": "apiserver", "usable": 0, "total": 3, "state": "unusable"}],
            "discarded": {"hops": 12},
            "history": [
                {"number": 2, "from": "active", "to": "backup", "reason": "outranked", "ago_ms": 61000,
                 "cause": "10.0.0.11 advertises 150, above our 100",
                 "evidence": {"priority": 100, "heard": null, "lag_us": null}},
                {"number": 1, "from": "backup", "to": "active", "reason": "silence", "ago_ms": 90000,
                 "cause": "no advert from 10.0.0.11 for 361.0 ms",
                 "evidence": {"priority": 100, "lag_us": 250,
                    "heard": {"address": "10.0.0.11", "priority": 150, "ago_us": 361_049}}}
            ]
        }));
        let expected = "\
api (IPv4): Backup for 1m 1s
  stays Backup: listens until its first down interval is over
  priority 100 became 1: apiserver (unusable, 0 of 3 usable)
  discarded 12 adverts for the reason \"hops\"
  1m 1s ago: yielded: 10.0.0.11 advertises 150, above our 100; our priority 100
  1m 30s ago: took over: no advert from 10.0.0.11 for 361.0 ms; last from 10.0.0.11 \
priority 150, 361.0 ms before; our priority 100, our lag 0.2 ms
";
        assert_eq!(why(&router), expected);
    }
}
