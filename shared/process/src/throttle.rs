//! One throttle for log lines that somebody else can cause: a line a pause, with the count of those left out.

use std::time::{Duration, Instant};

/// Takes one line a pause.
#[derive(Clone, Copy, Debug)]
pub struct Throttle {
    pause: Duration,
    taken: Option<Instant>,
    /// Occurrences since the last line that was taken.
    since: u64,
}

impl Throttle {
    /// The first occurrence is logged, later ones at least `pause` after the last line.
    #[must_use]
    pub const fn new(pause: Duration) -> Self {
        Self { pause, taken: None, since: 0 }
    }

    /// Counts an occurrence. If it is to be logged: how many there were since the last line, this one
    /// included.
    pub fn take(&mut self, now: Instant) -> Option<u64> {
        self.since = self.since.saturating_add(1);
        if self.taken.is_some_and(|taken| now.saturating_duration_since(taken) < self.pause) {
            return None;
        }
        self.taken = Some(now);
        Some(std::mem::take(&mut self.since))
    }

    /// What was wrong is right again: the next occurrence is news.
    pub fn reset(&mut self) {
        *self = Self::new(self.pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a start for the virtual clock")]
    fn a_line_a_pause_tells_how_many_were_left_out() {
        let start = Instant::now();
        let mut throttle = Throttle::new(Duration::from_secs(1));
        let mut at = |millis| throttle.take(start + Duration::from_millis(millis));
        let lines = [0, 10, 999, 1_000, 1_500, 3_000].map(&mut at);
        assert_eq!(lines, [Some(1), None, None, Some(3), None, Some(2)]);
        throttle.reset();
        assert_eq!(throttle.take(start + Duration::from_millis(3_001)), Some(1));
    }
}
