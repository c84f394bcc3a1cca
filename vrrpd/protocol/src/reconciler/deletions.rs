//! How often others delete our addresses, and when that is worth an operator's attention.

use std::time::{Duration, Instant};

/// So many deletions within [`WINDOW`] are no accident.
const REPEATED: usize = 3;

/// What is counted together; and the time between two warnings.
const WINDOW: Duration = Duration::from_secs(60);

/// What a deletion is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worth {
    /// It may happen: a line for whoever reads the log.
    Note,
    /// It happens again and again: an operator has to do something.
    Warning,
    /// That was said within the last minute.
    Nothing,
}

/// The deletions of one router's addresses.
#[derive(Clone, Debug, Default)]
pub(super) struct Deletions {
    total: u64,
    /// The latest ones, at most [`REPEATED`], the oldest first.
    latest: Vec<Instant>,
    warned_at: Option<Instant>,
}

impl Deletions {
    /// One more.
    pub(super) fn noticed(&mut self, now: Instant) -> Worth {
        self.total += 1;
        self.latest.push(now);
        if self.latest.len() > REPEATED {
            self.latest.remove(0);
        }
        let repeated = self.latest.len() == REPEATED && now < self.latest[0] + WINDOW;
        if !repeated {
            return Worth::Note;
        }
        if self.warned_at.is_some_and(|at| now < at + WINDOW) {
            return Worth::Nothing;
        }
        self.warned_at = Some(now);
        Worth::Warning
    }

    /// How many there were.
    pub(super) fn total(&self) -> u64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_within_a_minute_is_told_and_then_once_a_minute() {
        #[expect(clippy::disallowed_methods, reason = "a start for the virtual clock")]
        let start = Instant::now();
        let mut deletions = Deletions::default();
        let worth = [0, 50, 70, 80, 90, 139, 140, 141, 300, 310]
            .map(|at| deletions.noticed(start + Duration::from_secs(at)));
        let [n, w, no] = [Worth::Note, Worth::Warning, Worth::Nothing];
        // 50, 70 and 80 are the first three within a minute; a minute later is 140, when 90 and 139
        // are not a minute ago.
        assert_eq!(worth, [n, n, n, w, no, no, w, no, n, n]);
        assert_eq!(deletions.total(), 10);
    }
}
