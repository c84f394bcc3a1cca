//! What a router counts, and what the log takes of it: a line for each sender, few for all together.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use process::recent::Recent;
use process::throttle::{MINUTE, Throttle};
use vrrp::wire::Discard;

/// Senders that a reason is logged for, each once a minute: whoever forges sources fills no log.
const SENDERS: usize = 8;

/// Lines of one reason are at least this far apart, whatever routers and senders they are about.
const LINE_PAUSE: Duration = Duration::from_secs(1);

/// Lines of all reasons together, a minute.
const LINES: u32 = 60;

/// What the log takes of each reason, of all routers together.
#[derive(Debug)]
pub(super) struct Lines {
    by_reason: BTreeMap<&'static str, Throttle>,
    all: Throttle,
}

/// Packets discarded, by reason.
#[derive(Debug, Default)]
pub(super) struct Discards {
    by_reason: BTreeMap<&'static str, Tally>,
}

#[derive(Debug, Default)]
struct Tally {
    count: u64,
    senders: Senders,
}

/// Whose doing was logged of late.
#[derive(Debug)]
pub(super) struct Senders(Recent<Option<IpAddr>, Throttle>);

impl Discards {
    /// Counts one.
    pub(super) fn count(&mut self, discard: Discard) {
        self.by_reason.entry(discard.reason()).or_default().count += 1;
    }

    /// Counts one; returns how many came from this sender since it was logged last, if this is to be logged.
    pub(super) fn count_and_log(
        &mut self,
        discard: Discard,
        sender: Option<IpAddr>,
        lines: &mut Lines,
        now: Instant,
    ) -> Option<u64> {
        let tally = self.by_reason.entry(discard.reason()).or_default();
        tally.count += 1;
        tally.senders.take(discard.reason(), sender, lines, now)
    }

    /// Every reason that came, and how often.
    pub(super) fn totals(&self) -> BTreeMap<String, u64> {
        self.by_reason.iter().map(|(reason, tally)| ((*reason).to_owned(), tally.count)).collect()
    }
}

impl Default for Senders {
    fn default() -> Self {
        Self(Recent::new(SENDERS, MINUTE))
    }
}

impl Senders {
    /// How often this sender did so since it was logged last, if it is to be logged. Who has to wait for
    /// another's line is told with a later packet.
    pub(super) fn take(
        &mut self,
        reason: &'static str,
        sender: Option<IpAddr>,
        lines: &mut Lines,
        now: Instant,
    ) -> Option<u64> {
        let own = self.0.get(sender, now, || Throttle::new(MINUTE))?;
        if own.is_open(now) && lines.take(reason, now) {
            return own.take(now);
        }
        own.skip();
        None
    }
}

impl Default for Lines {
    fn default() -> Self {
        Self { by_reason: BTreeMap::new(), all: Throttle::burst(LINES, MINUTE) }
    }
}

impl Lines {
    fn take(&mut self, reason: &'static str, now: Instant) -> bool {
        let own = self.by_reason.entry(reason).or_insert(Throttle::new(LINE_PAUSE));
        own.is_open(now) && self.all.take(now).is_some() && own.take(now).is_some()
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
        let mut count = |discard, at| discards.count_and_log(discard, sender(1), &mut lines, at);
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
            discards.count_and_log(Discard::Password, sender(last), &mut lines, now).is_some()
        };
        assert!(told(1, 0));
        assert!(!told(2, 0), "one line a second");
        assert!(told(2, 1), "another sender is worth another line");
        let crowd = (3..60).filter(|seconds| (0..=255).any(|last| told(last, *seconds)));
        assert_eq!(crowd.count(), 6, "eight in all");
        assert!(told(1, 60) && !told(200, 61), "who still sends stays one of the eight");
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
                        .map(|s| router.count_and_log(reason, s, &mut lines, now))
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

    /// Nor may the reasons: each has eight senders, a hundred routers and a line a second.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "a start for the virtual clock")]
    fn all_reasons_together_have_a_line_a_second() {
        let start = Instant::now();
        let mut lines = Lines::default();
        let mut routers: Vec<Discards> = (0..100).map(|_| Discards::default()).collect();
        let reasons = [
            Discard::Hops(64),
            Discard::Own,
            Discard::Password,
            Discard::Audience([10, 0, 0, 9].into()),
        ];
        let mut logged = 0;
        for second in 0..120 {
            let now = start + Duration::from_secs(second);
            for router in &mut routers {
                for (reason, last) in reasons.iter().zip([1, 2, 3, 4].into_iter().cycle()) {
                    logged +=
                        router.count_and_log(*reason, sender(last), &mut lines, now).iter().count();
                }
            }
        }
        assert_eq!(logged, 120);
    }
}
