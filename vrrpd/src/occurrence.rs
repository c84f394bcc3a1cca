//! What happens, told to whoever follows: changes of state and of health, and
//! discards of a new kind.
//!
//! ```text
//! advert thread, daemon ─► Occurrences (a ring) ─► one follower each: hooks, `vipd events`
//! ```
//! Whoever tells never waits. A follower that falls behind by the whole ring is told how much it missed,
//! as its last line.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;
use vocabulary::{Priority, RouterId, TrackerHealth};

use crate::status::Change;
use vrrp::election::StateName;
use vrrp::router::Contested;

/// Occurrences that may wait for the slowest follower: a failover of 255 routers with both families
/// makes two changes each, so that one may be a whole failover behind.
const RING: usize = 1024;

/// One thing that happened, a line for each follower.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Occurrence {
    /// How a router stands, told of each when somebody starts to follow.
    Stands(Standing),
    /// A router's state changed.
    State(StateChange),
    /// The health of what is tracked changed.
    Health(TrackerHealth),
    /// A router discarded adverts of a kind that had not come for a minute.
    Discard(Discarded),
    /// Another router was Active while this one was, or is no more.
    Contested(RouterContested),
    /// The follower was too slow: the last line it is sent.
    Missed {
        /// How many it was not told.
        count: u64,
    },
    /// The daemon ended: the last line of all.
    Ended,
}

/// How a router stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Which router.
    pub router: RouterId,
    /// The number of its last change of state; 0 before the first.
    pub number: u64,
    /// Its state.
    pub state: StateName,
    /// Its effective priority.
    pub priority: Priority,
    /// Its interface is down or has no address of its family.
    pub fault: bool,
}

/// A router's state changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateChange {
    /// Which router.
    pub router: RouterId,
    /// From what to what, and why.
    #[serde(flatten)]
    pub change: Change,
}

/// Another router was Active while this one was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouterContested {
    /// Which router.
    pub router: RouterId,
    /// Our effective priority.
    pub our_priority: Priority,
    /// By whom, and whether it has yielded.
    #[serde(flatten)]
    pub contested: Contested,
}

/// A router discarded adverts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discarded {
    /// Which router.
    pub router: RouterId,
    /// Who sent the latest.
    pub from: Option<IpAddr>,
    /// The reason as a word, as the counters have it.
    pub reason: String,
    /// The reason in a sentence.
    pub why: String,
    /// How many came since the last that was told.
    pub times: u64,
}

/// Where occurrences are told, and followed.
#[derive(Clone, Debug)]
pub struct Occurrences {
    ring: broadcast::Sender<Arc<Occurrence>>,
}

impl Default for Occurrences {
    fn default() -> Self {
        Self { ring: broadcast::Sender::new(RING) }
    }
}

impl Occurrences {
    /// Tells every follower. Where nobody follows, the occurrence is not even made.
    pub fn tell(&self, occurrence: impl FnOnce() -> Occurrence) {
        if self.ring.receiver_count() > 0 {
            // The last follower may have left this very moment.
            self.ring.send(Arc::new(occurrence())).ok();
        }
    }

    /// Follows from now on.
    #[must_use]
    pub fn follow(&self) -> broadcast::Receiver<Arc<Occurrence>> {
        self.ring.subscribe()
    }

    /// Returns once nobody follows any more.
    pub async fn nobody_follows(&self) {
        self.ring.closed().await;
    }
}

#[cfg(test)]
mod tests {
    use vocabulary::{Family, Name};

    use super::*;
    use crate::status::{Evidence, LastHeard};

    /// Scripts read these lines: a change here is a change for them.
    #[test]
    fn lines_look_like_this() {
        let router = || RouterId { name: Name::try_from("k8s-api").unwrap(), family: Family::Ipv4 };
        let priority = |number: u8| Priority::try_from(number).unwrap();
        let heard = LastHeard {
            address: "10.0.0.11".parse().unwrap(),
            priority: priority(150),
            ago_us: 361_000,
        };
        let change = Change {
            number: 2,
            from: StateName::Backup,
            to: StateName::Active,
            reason: "silence".to_owned(),
            cause: "no advert from 10.0.0.11 for 361.0 ms".to_owned(),
            evidence: Evidence { priority: priority(100), heard: Some(heard), lag_us: Some(200) },
            ago_ms: 0,
        };
        let change = Occurrence::State(StateChange { router: router(), change });
        let discard = Occurrence::Discard(Discarded {
            router: router(),
            from: None,
            reason: "hops".to_owned(),
            why: "TTL 64 instead of 255: it crossed a router".to_owned(),
            times: 7,
        });
        let contested = Occurrence::Contested(RouterContested {
            router: router(),
            our_priority: priority(150),
            contested: Contested {
                by: "10.0.0.12".parse().unwrap(),
                priority: priority(100),
                adverts: 2,
                yielded: true,
            },
        });
        for (occurrence, expected) in [
            (
                contested,
                r#"{"type":"contested","router":{"name":"k8s-api","family":"ipv4"},"our_priority":150,"by":"10.0.0.12","priority":100,"adverts":2,"yielded":true}"#,
            ),
            (
                change,
                r#"{"type":"state","router":{"name":"k8s-api","family":"ipv4"},"number":2,"from":"backup","to":"active","reason":"silence","cause":"no advert from 10.0.0.11 for 361.0 ms","evidence":{"priority":100,"heard":{"address":"10.0.0.11","priority":150,"ago_us":361000},"lag_us":200},"ago_ms":0}"#,
            ),
            (
                discard,
                r#"{"type":"discard","router":{"name":"k8s-api","family":"ipv4"},"from":null,"reason":"hops","why":"TTL 64 instead of 255: it crossed a router","times":7}"#,
            ),
            (Occurrence::Missed { count: 3 }, r#"{"type":"missed","count":3}"#),
            (Occurrence::Ended, r#"{"type":"ended"}"#),
        ] {
            let line = serde_json::to_string(&occurrence).unwrap();
            assert_eq!(line, expected);
            assert_eq!(serde_json::from_str::<Occurrence>(&line).unwrap(), occurrence);
        }
    }

    #[tokio::test]
    async fn nothing_is_made_for_nobody_and_a_slow_follower_learns_what_it_missed() {
        let occurrences = Occurrences::default();
        occurrences.tell(|| panic!("nobody follows"));
        let mut follower = occurrences.follow();
        for _ in 0..RING + 5 {
            occurrences.tell(|| Occurrence::Ended);
        }
        let missed = follower.recv().await.unwrap_err();
        assert_eq!(missed, broadcast::error::RecvError::Lagged(5));
        drop(follower);
        occurrences.nobody_follows().await;
    }
}
