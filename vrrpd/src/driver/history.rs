//! What a router remembers of its changes of state, with the evidence, and tells its followers.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use vocabulary::{Priority, RouterId};

use crate::occurrence::{Discarded, Occurrence, Occurrences, RouterContested, StateChange};
use crate::status::Change;
use vrrp::election::Transition;
use vrrp::router::{Contested, Evidence};
use vrrp::wire::Discard;

/// Changes of state that are remembered.
const CHANGES: usize = 32;

/// A router's history.
#[derive(Debug)]
pub(super) struct History {
    router: RouterId,
    changes: VecDeque<Remembered>,
    since: Instant,
    count: u64,
    contests: u64,
    occurrences: Occurrences,
}

#[derive(Debug)]
struct Remembered {
    at: Instant,
    number: u64,
    transition: Transition,
    evidence: Evidence,
}

impl History {
    pub(super) fn new(router: RouterId, occurrences: Occurrences, now: Instant) -> Self {
        Self { router, changes: VecDeque::new(), since: now, count: 0, contests: 0, occurrences }
    }

    /// How many changes there were.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The last one.
    pub(super) fn last(&self) -> Option<Transition> {
        self.changes.front().map(|change| change.transition)
    }

    /// Since when the state is what it is, in milliseconds.
    pub(super) fn since_ms(&self, now: Instant) -> u64 {
        millis(now.duration_since(self.since))
    }

    /// Remembers a change and tells it.
    pub(super) fn changed(&mut self, transition: Transition, evidence: Evidence, now: Instant) {
        self.since = now;
        self.count += 1;
        let change = Remembered { at: now, number: self.count, transition, evidence };
        self.occurrences.tell(|| {
            let router = self.router.clone();
            Occurrence::State(StateChange { router, change: change.tell(now) })
        });
        self.changes.truncate(CHANGES - 1);
        self.changes.push_front(change);
    }

    /// Tells who was Active at the same time.
    pub(super) fn contested(&mut self, contested: Contested, our_priority: Priority) {
        self.contests += u64::from(!contested.yielded);
        self.occurrences.tell(|| {
            let router = self.router.clone();
            Occurrence::Contested(RouterContested { router, our_priority, contested })
        });
    }

    /// How often another router was Active at the same time.
    pub(super) fn contests(&self) -> u64 {
        self.contests
    }

    /// Tells a discard that is logged as well.
    pub(super) fn discarded(&self, discard: Discard, from: Option<IpAddr>, times: u64) {
        self.occurrences.tell(|| {
            let (reason, why) = (discard.reason().to_owned(), discard.to_string());
            let router = self.router.clone();
            Occurrence::Discard(Discarded { router, from, reason, why, times })
        });
    }

    /// The last changes, latest first.
    pub(super) fn latest_first(&self, now: Instant) -> Vec<Change> {
        self.changes.iter().map(|change| change.tell(now)).collect()
    }
}

impl Remembered {
    fn tell(&self, now: Instant) -> Change {
        let Transition { from, to, cause } = self.transition;
        Change {
            number: self.number,
            from,
            to,
            reason: cause.reason().to_owned(),
            cause: cause.to_string(),
            evidence: self.evidence,
            ago_ms: millis(now.duration_since(self.at)),
        }
    }
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use vocabulary::{Family, Name};

    use super::*;
    use crate::status::Change;
    use vrrp::election::{Cause, StateName};

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a start for the virtual clock")]
    fn the_last_32_changes_are_kept_and_each_is_told_once() {
        let start = Instant::now();
        let router = RouterId { name: Name::try_from("api").unwrap(), family: Family::Ipv4 };
        let occurrences = Occurrences::default();
        let mut follower = occurrences.follow();
        let mut record = History::new(router, occurrences, start);
        let evidence = Evidence { priority: Priority::DEFAULT, heard: None, lag_us: None };
        let (from, to) = (StateName::Initialize, StateName::Backup);
        for millis in 1..=40 {
            let at = start + Duration::from_millis(millis);
            record.changed(Transition { from, to, cause: Cause::Started }, evidence, at);
        }
        let now = start + Duration::from_millis(50);
        let history = record.latest_first(now);
        let numbers: Vec<u64> = history.iter().map(|change| change.number).collect();
        assert_eq!(numbers, (9..=40).rev().collect::<Vec<u64>>());
        let Change { ago_ms, cause, reason, .. } = &history[0];
        assert_eq!(
            (*ago_ms, cause.as_str(), reason.as_str()),
            (10, "ready to take part", "started")
        );
        assert_eq!((record.count(), record.since_ms(now)), (40, 10));
        for number in 1..=40 {
            let occurrence = follower.try_recv().unwrap();
            let Occurrence::State(told) = &*occurrence else { panic!("{number}") };
            assert_eq!((told.change.number, told.change.ago_ms), (number, 0));
        }
    }
}
