//! What a router counts, and how often it speaks of it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::wire::Discard;

/// A reason that keeps coming is logged this often, with how many came.
const LOG_PAUSE: Duration = Duration::from_secs(60);

/// Packets discarded, by reason.
#[derive(Debug, Default)]
pub(super) struct Discards {
    by_reason: BTreeMap<&'static str, Tally>,
}

#[derive(Debug, Default)]
struct Tally {
    count: u64,
    logged: u64,
    logged_at: Option<Instant>,
}

impl Discards {
    /// Counts one; returns how many came since the last that was logged, if this one is to be logged.
    pub(super) fn count(&mut self, discard: Discard, now: Instant) -> Option<u64> {
        let tally = self.by_reason.entry(discard.reason()).or_default();
        tally.count += 1;
        if tally.logged_at.is_some_and(|logged| now < logged + LOG_PAUSE) {
            return None;
        }
        let since = tally.count - tally.logged;
        (tally.logged, tally.logged_at) = (tally.count, Some(now));
        Some(since)
    }

    /// Every reason that came, and how often.
    pub(super) fn totals(&self) -> BTreeMap<String, u64> {
        self.by_reason.iter().map(|(reason, tally)| ((*reason).to_owned(), tally.count)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a start for the virtual clock")]
    fn a_flood_is_counted_and_logged_once_a_minute() {
        let start = Instant::now();
        let mut discards = Discards::default();
        assert_eq!(discards.count(Discard::Hops(64), start), Some(1));
        for millis in 1..1000 {
            let now = start + Duration::from_millis(millis);
            assert_eq!(discards.count(Discard::Hops(64), now), None);
        }
        assert_eq!(discards.count(Discard::Own, start), Some(1));
        let later = start + Duration::from_secs(60);
        assert_eq!(discards.count(Discard::Hops(63), later), Some(1000));
        let totals = BTreeMap::from([("hops".to_owned(), 1001), ("own".to_owned(), 1)]);
        assert_eq!(discards.totals(), totals);
    }
}
