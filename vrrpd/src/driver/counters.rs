//! What a router counts, and how often it speaks of it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use vrrp::wire::Discard;

/// A sender's reason that keeps coming is logged this often, with how many came.
const LOG_PAUSE: Duration = Duration::from_secs(60);

/// Senders that a reason is logged for within that time: whoever forges sources fills no log.
const SENDERS: usize = 8;

/// Lines of one reason are at least this far apart, whatever routers and senders they are about.
const LINE_PAUSE: Duration = Duration::from_secs(1);

/// When the log took its last line of each reason, of all routers together.
#[derive(Debug, Default)]
pub(super) struct Lines {
    last: BTreeMap<&'static str, Instant>,
}

/// Packets discarded, by reason.
#[derive(Debug, Default)]
pub(super) struct Discards {
    by_reason: BTreeMap<&'static str, Tally>,
}

#[derive(Debug, Default)]
struct Tally {
    count: u64,
    logged: u64,
    told: Told,
}

/// Whose doing was logged of late.
#[derive(Debug, Default)]
pub(super) struct Told {
    senders: Vec<(Option<IpAddr>, Instant)>,
}

impl Discards {
    /// Counts one.
    pub(super) fn count(&mut self, discard: Discard) {
        self.by_reason.entry(discard.reason()).or_default().count += 1;
    }

    /// Counts one; returns how many came since the last that was logged, if this one is to be logged.
    pub(super) fn count_and_tell(
        &mut self,
        discard: Discard,
        sender: Option<IpAddr>,
        lines: &mut Lines,
        now: Instant,
    ) -> Option<u64> {
        let tally = self.by_reason.entry(discard.reason()).or_default();
        tally.count += 1;
        if !tally.told.is_due(discard.reason(), sender, lines, now) {
            return None;
        }
        let since = tally.count - tally.logged;
        tally.logged = tally.count;
        Some(since)
    }

    /// Every reason that came, and how often.
    pub(super) fn totals(&self) -> BTreeMap<String, u64> {
        self.by_reason.iter().map(|(reason, tally)| ((*reason).to_owned(), tally.count)).collect()
    }
}

impl Told {
    /// Whether to log what this sender did, for this reason; if so, it counts as logged. Who has to wait for
    /// another's line is told with a later packet.
    pub(super) fn is_due(
        &mut self,
        reason: &'static str,
        sender: Option<IpAddr>,
        lines: &mut Lines,
        now: Instant,
    ) -> bool {
        self.senders.retain(|(_, logged)| now < *logged + LOG_PAUSE);
        let known = self.senders.iter().any(|(told, _)| *told == sender);
        if known || self.senders.len() >= SENDERS || !lines.take(reason, now) {
            return false;
        }
        self.senders.push((sender, now));
        true
    }
}

impl Lines {
    fn take(&mut self, reason: &'static str, now: Instant) -> bool {
        let free = self.last.get(reason).is_none_or(|last| now >= *last + LINE_PAUSE);
        if free {
            self.last.insert(reason, now);
        }
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([10, 0, 0, last]))
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a start for the virtual clock")]
    fn a_flood_is_counted_and_logged_once_a_minute() {
        let start = Instant::now();
        let (mut discards, mut lines) = (Discards::default(), Lines::default());
        let mut count = |discard, at| discards.count_and_tell(discard, sender(1), &mut lines, at);
        assert_eq!(count(Discard::Hops(64), start), Some(1));
        for millis in 1..1000 {
            let now = start + Duration::from_millis(millis);
            assert_eq!(count(Discard::Hops(64), now), None);
        }
        assert_eq!(count(Discard::Own, start), Some(1));
        let later = start + Duration::from_secs(60);
        assert_eq!(count(Discard::Hops(63), later), Some(1000));
        discards.count(Discard::Own);
        let totals = BTreeMap::from([("hops".to_owned(), 1001), ("own".to_owned(), 2)]);
        assert_eq!(discards.totals(), totals);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a start for the virtual clock")]
    fn each_sender_is_logged_and_a_crowd_of_forged_ones_is_not() {
        let start = Instant::now();
        let (mut discards, mut lines) = (Discards::default(), Lines::default());
        let mut told = |last, seconds| {
            let now = start + Duration::from_secs(seconds);
            discards.count_and_tell(Discard::Password, sender(last), &mut lines, now).is_some()
        };
        assert!(told(1, 0));
        assert!(!told(2, 0), "one line a second");
        assert!(told(2, 1), "another sender is worth another line");
        let crowd = (3..60).filter(|seconds| (0..=255).any(|last| told(last, *seconds)));
        assert_eq!(crowd.count(), 6, "eight in all");
        assert!(told(200, 60));
    }

    /// Routers and senders may be as many as they like.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "a start for the virtual clock")]
    fn a_reason_has_one_line_a_second_for_all_routers() {
        let start = Instant::now();
        let mut lines = Lines::default();
        let mut routers: Vec<Discards> = (0..100).map(|_| Discards::default()).collect();
        let mut told = |reason: Discard, millis| {
            let now = start + Duration::from_millis(millis);
            let senders = (0..=255).map(sender);
            let routers = routers.iter_mut();
            routers
                .flat_map(|router| {
                    senders
                        .clone()
                        .map(|s| router.count_and_tell(reason, s, &mut lines, now))
                        .collect::<Vec<_>>()
                })
                .flatten()
                .count()
        };
        assert_eq!(told(Discard::Hops(64), 0), 1);
        assert_eq!(told(Discard::Password, 0), 1, "another reason");
        assert_eq!(told(Discard::Hops(64), 999), 0);
        assert_eq!(told(Discard::Hops(1), 1_000), 1);
    }
}
