//! One throttle for log lines that somebody else can cause: a few lines a pause, with the count of those left
//! out.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::recent::Recent;

/// Lines about one thing within a minute, where each tells something of its own, such as a change of state.
pub const CHANGES: u32 = 10;

/// What that minute is.
pub const MINUTE: Duration = Duration::from_secs(60);

/// Takes so many lines a pause.
#[derive(Clone, Copy, Debug)]
pub struct Throttle {
    lines: u32,
    pause: Duration,
    /// When the pause began, and how many lines were taken in it.
    taken: Option<(Instant, u32)>,
    /// Occurrences since the last line that was taken.
    since: u64,
}

impl Throttle {
    /// The first occurrence is logged, later ones at least `pause` after the last line.
    #[must_use]
    pub const fn new(pause: Duration) -> Self {
        Self::burst(1, pause)
    }

    /// So many lines are logged within `pause` of the first of them.
    #[must_use]
    pub const fn burst(lines: u32, pause: Duration) -> Self {
        Self { lines, pause, taken: None, since: 0 }
    }

    /// For changes of state: all of them, but for those that come one upon the other for long.
    #[must_use]
    pub const fn changes() -> Self {
        Self::burst(CHANGES, MINUTE)
    }

    /// Counts an occurrence. If it is to be logged: how many there were since the last line, this one
    /// included.
    pub fn take(&mut self, now: Instant) -> Option<u64> {
        self.skip();
        if !self.is_open(now) {
            return None;
        }
        self.taken = match self.taken.filter(|(began, _)| self.goes_on(*began, now)) {
            Some((began, taken)) => Some((began, taken + 1)),
            None => Some((now, 1)),
        };
        Some(std::mem::take(&mut self.since))
    }

    /// Whether a line would be taken now.
    #[must_use]
    pub fn is_open(&self, now: Instant) -> bool {
        self.taken.is_none_or(|(began, taken)| taken < self.lines || !self.goes_on(began, now))
    }

    /// Counts an occurrence that is not logged, whatever the throttle says.
    pub fn skip(&mut self) {
        self.since = self.since.saturating_add(1);
    }

    fn goes_on(&self, began: Instant, now: Instant) -> bool {
        now.saturating_duration_since(began) < self.pause
    }

    /// When what was left out is to be told although nothing more happens; none: nothing was left out.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        let (began, _) = self.taken.filter(|_| self.since > 0)?;
        Some(began + self.pause)
    }

    /// Takes what is [due](Self::due): how many were left out. They are told in one line.
    pub fn take_due(&mut self, now: Instant) -> Option<u64> {
        if self.due()? > now {
            return None;
        }
        self.taken = Some((now, 1));
        Some(std::mem::take(&mut self.since))
    }

    /// What was wrong is right again: the next occurrence is news.
    pub fn reset(&mut self) {
        *self = Self::burst(self.lines, self.pause);
    }
}

/// A throttle that the threads of a process share: all of them write to one log.
#[derive(Debug)]
pub struct SharedThrottle(Mutex<Throttle>);

impl SharedThrottle {
    /// Takes lines as this one does.
    #[must_use]
    pub const fn new(throttle: Throttle) -> Self {
        Self(Mutex::new(throttle))
    }

    /// As [`Throttle::take`].
    pub fn take(&self, now: Instant) -> Option<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take(now)
    }
}

/// A throttle for each of many things, which strangers may name, and a bound for all of them together.
#[derive(Clone, Debug)]
pub struct Throttles<K> {
    first: Throttle,
    each: Recent<K, Throttle>,
    all: Throttle,
}

impl<K: PartialEq> Throttles<K> {
    /// `each` thing has a throttle like this, of so many that are remembered at a time; more than `lines` a
    /// minute are not logged of all together.
    #[must_use]
    pub const fn new(each: Throttle, room: usize, lines: u32) -> Self {
        let all = Throttle::burst(lines, MINUTE);
        Self { first: each, each: Recent::new(room, each.pause), all }
    }

    /// Counts an occurrence. If it is to be logged: how many there were of its kind since the last line, this
    /// one included.
    pub fn take(&mut self, key: K, now: Instant) -> Option<u64> {
        let first = self.first;
        let each = self.each.get(key, now, || first)?;
        if each.is_open(now) && self.all.take(now).is_some() {
            return each.take(now);
        }
        each.skip();
        None
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
    fn a_line_a_pause_tells_how_many_were_left_out() {
        let start = start();
        let mut throttle = Throttle::new(Duration::from_secs(1));
        let mut at = |millis| throttle.take(start + Duration::from_millis(millis));
        let lines = [0, 10, 999, 1_000, 1_500, 3_000].map(&mut at);
        assert_eq!(lines, [Some(1), None, None, Some(3), None, Some(2)]);
        throttle.reset();
        assert_eq!(throttle.take(start + Duration::from_millis(3_001)), Some(1));
    }

    #[test]
    fn changes_are_logged_until_they_are_many() {
        let start = start();
        let mut throttle = Throttle::changes();
        let at = |millis| start + Duration::from_millis(millis);
        // A planned move, and one an hour later.
        assert_eq!([0, 5, 3_600_000].map(|millis| throttle.take(at(millis))), [Some(1); 3]);
        assert_eq!(throttle.due(), None);
        throttle.reset();
        // An attack of a minute and a half, a change every millisecond.
        let lines: Vec<(u64, u64)> =
            (0..90_000).filter_map(|millis| Some((millis, throttle.take(at(millis))?))).collect();
        let first = (0..10).map(|millis| (millis, 1));
        let second = [(60_000, 59_991)].into_iter().chain((60_001..60_010).map(|at| (at, 1)));
        assert_eq!(lines, first.chain(second).collect::<Vec<_>>());
        // Then it is quiet; what came last is told all the same.
        assert_eq!(throttle.due(), Some(at(120_000)));
        assert_eq!(throttle.take_due(at(119_999)), None);
        assert_eq!(throttle.take_due(at(120_000)), Some(29_990));
        assert_eq!((throttle.take_due(at(120_001)), throttle.due()), (None, None));
    }

    #[test]
    fn many_things_have_a_bound_together() {
        let start = start();
        let at = |millis| start + Duration::from_millis(millis);
        let mut throttles = Throttles::new(Throttle::new(MINUTE), 4, 3);
        let mut take = |key, millis| throttles.take(key, at(millis));
        assert_eq!(
            [1, 1, 2, 2, 3].map(|key| take(key, 0)),
            [Some(1), None, Some(1), None, Some(1)]
        );
        // The fourth has room, and no line; the fifth has no room.
        assert_eq!((take(4, 1), take(5, 1)), (None, None));
        assert_eq!((take(4, 60_000), take(1, 60_000)), (Some(2), Some(2)));
        // Whatever keys are made up, there are no more lines.
        let lines =
            (0..60_000).filter(|millis| take(millis % 1_000 + 10, 120_000 + millis).is_some());
        assert_eq!(lines.count(), 3);
    }
}
