//! How soon a program that died is started again.

use std::time::{Duration, Instant};

/// So many restarts are immediate: whoever dies now and then shall not be missed.
const IMMEDIATE: u32 = 3;

/// Then the pauses double, from
const FIRST: Duration = Duration::from_millis(100);
/// to.
const LONGEST: Duration = Duration::from_secs(5);

/// Who lived for so long has recovered: its next restarts are immediate again.
const RECOVERED: Duration = Duration::from_secs(10);

/// The pauses between restarts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Backoff {
    restarts: u32,
}

impl Backoff {
    /// The pause before the next start of a program that was started at `started` and died now.
    pub(super) fn pause(&mut self, started: Instant, now: Instant) -> Duration {
        if now.saturating_duration_since(started) >= RECOVERED {
            self.restarts = 0;
        }
        self.restarts = self.restarts.saturating_add(1);
        match self.restarts.checked_sub(IMMEDIATE + 1) {
            None => Duration::ZERO,
            // Beyond 2^6 the longest pause is reached.
            Some(doublings) => (FIRST * (1 << doublings.min(6))).min(LONGEST),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a start for the virtual clock")]
    fn pauses_grow_until_a_program_has_lived() {
        let now = Instant::now();
        let mut backoff = Backoff::default();
        let pauses: Vec<u128> = (0..11).map(|_| backoff.pause(now, now).as_millis()).collect();
        assert_eq!(pauses, [0, 0, 0, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        let later = now + Duration::from_secs(10);
        assert_eq!(backoff.pause(now, later), Duration::ZERO);
        assert_eq!(backoff.pause(later, later), Duration::ZERO);
    }
}
