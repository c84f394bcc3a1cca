//! What a router counts, and how often it speaks of it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::wire::Discard;

/// A sender's reason that keeps coming is logged this often, with how many came.
const LOG_PAUSE: Duration = Duration::from_secs(60);

/// Senders that a reason is logged for within that time: whoever forges sources fills no log.
const SENDERS: usize = 8;

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
    /// Counts one; returns how many came since the last that was logged, if this one is to be logged.
    pub(super) fn count(
        &mut self,
        discard: Discard,
        sender: Option<IpAddr>,
        now: Instant,
    ) -> Option<u64> {
        let tally = self.by_reason.entry(discard.reason()).or_default();
        tally.count += 1;
        if !tally.told.is_due(sender, now) {
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
    /// Whether to log what this sender did; if so, it counts as logged.
    pub(super) fn is_due(&mut self, sender: Option<IpAddr>, now: Instant) -> bool {
        self.senders.retain(|(_, logged)| now < *logged + LOG_PAUSE);
        let known = self.senders.iter().any(|(told, _)| *told == sender);
        if known || self.senders.len() >= SENDERS {
            return false;
        }
        self.senders.push((sender, now));
        true
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
        let mut discards = Discards::default();
        assert_eq!(discards.count(Discard::Hops(64), sender(1), start), Some(1));
        for millis in 1..1000 {
            let now = start + Duration::from_millis(millis);
            assert_eq!(discards.count(Discard::Hops(64), sender(1), now), None);
        }
        assert_eq!(discards.count(Discard::Own, sender(1), start), Some(1));
        let later = start + Duration::from_secs(60);
        assert_eq!(discards.count(Discard::Hops(63), sender(1), later), Some(1000));
        let totals = BTreeMap::from([("hops".to_owned(), 1001), ("own".to_owned(), 1)]);
        assert_eq!(discards.totals(), totals);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a start for the virtual clock")]
    fn each_sender_is_logged_and_a_crowd_of_forged_ones_is_not() {
        let start = Instant::now();
        let mut discards = Discards::default();
        let told = |discards: &mut Discards, last, at| {
            discards.count(Discard::Password, sender(last), at).is_some()
        };
        assert!(told(&mut discards, 1, start));
        assert!(told(&mut discards, 2, start), "another sender is worth another line");
        let crowd = (0..=255).filter(|last| told(&mut discards, *last, start));
        assert_eq!(crowd.count(), 6, "eight in all");
        let later = start + Duration::from_secs(60);
        assert!(told(&mut discards, 200, later));
    }
}
