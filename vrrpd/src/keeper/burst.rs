//! When an address is announced: at once, a few times more in case a frame was lost, then now and then.

use std::time::{Duration, Instant};

/// Times after taking over. The first is for everyone; the rest for those who missed it.
const BURST: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(5),
];

/// Afterwards, so that a router that forgot or never heard learns it again.
const REFRESH: Duration = Duration::from_secs(60);

/// A burst that was begun less than so long ago is not begun anew: it still has frames to send.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// A schedule of announcements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Burst {
    began: Instant,
    sent: usize,
    next: Instant,
}

impl Burst {
    /// A burst whose first announcement is due now.
    pub(super) fn begin(now: Instant) -> Self {
        Self { began: now, sent: 0, next: now }
    }

    /// When the next announcement is due.
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// One announcement was sent.
    pub(super) fn sent(&mut self, now: Instant) {
        self.sent += 1;
        self.next = match BURST.get(self.sent) {
            Some(after) => self.began + *after,
            None => now + REFRESH,
        };
    }

    /// Somebody may have been told otherwise: begin anew, unless this was just done.
    pub(super) fn again(&mut self, now: Instant) {
        if now >= self.began + RESTART_PAUSE {
            *self = Self::begin(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a start for the virtual clock")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn announces_five_times_and_then_once_a_minute() {
        let start = start();
        let mut burst = Burst::begin(start);
        let mut times = Vec::new();
        for _ in 0..7 {
            let now = burst.next();
            times.push((now - start).as_millis());
            burst.sent(now);
        }
        assert_eq!(times, [0, 100, 500, 2_000, 5_000, 65_000, 125_000]);
    }

    #[test]
    fn begins_anew_once_a_second_at_most() {
        let start = start();
        let mut burst = Burst::begin(start);
        burst.sent(start);
        let soon = start + Duration::from_millis(999);
        burst.again(soon);
        assert_eq!(burst.next(), start + Duration::from_millis(100));
        let later = start + Duration::from_secs(1);
        burst.again(later);
        assert_eq!(burst.next(), later);
    }
}
