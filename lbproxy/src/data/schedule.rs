//! When a worker has something to do by the clock, as a value: never, where nothing moves and no
//! connection has a limit.

use std::time::{Duration, Instant};

use config::Limits;

/// How long access lines are gathered.
const FLUSH: Duration = Duration::from_millis(25);

/// How long after bytes were moved all connections are looked at: their bytes are counted then, and servers
/// noticed that have nothing to say.
const LOOK: Duration = Duration::from_millis(250);

/// The least time between two looks.
const LEAST: Duration = Duration::from_millis(25);

/// What is to be done, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    flush_at: Option<Instant>,
    look_at: Option<Instant>,
    /// Time between two looks, at least.
    pace: Duration,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { flush_at: None, look_at: None, pace: LOOK }
    }
}

impl Schedule {
    /// Follows the limits there are: looks are an eighth of the shortest apart, so that none is overrun
    /// by more than that.
    pub(crate) fn follow<'a>(&mut self, limits: impl Iterator<Item = &'a Limits>) {
        let shortest = limits.map(|limits| limits.idle.min(limits.half_closed)).min();
        self.pace = shortest.map_or(LOOK, |limit| (limit / 8).clamp(LEAST, LOOK));
    }

    /// When the next thing is to be done.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.flush_at.into_iter().chain(self.look_at).min()
    }

    /// An access line waits to be handed over. True if that is now the next thing.
    pub(crate) fn line_waits(&mut self, now: Instant) -> bool {
        let before = self.next();
        self.flush_at.get_or_insert(now + FLUSH);
        self.next() != before
    }

    /// A connection did something. True if the next look is the next thing now, and was not.
    pub(crate) fn stirred(&mut self, now: Instant) -> bool {
        let soon = now + self.pace;
        if self.look_at.is_some_and(|at| at <= soon) {
            return false;
        }
        let before = self.next();
        self.look_at = Some(soon);
        self.next() != before
    }

    /// Whether access lines are to be handed over; once.
    pub(crate) fn take_flush(&mut self, now: Instant) -> bool {
        self.flush_at.take_if(|at| now >= *at).is_some()
    }

    /// Whether it is time to look at all connections; say [`looked`](Self::looked) afterwards.
    pub(crate) fn is_time_to_look(&self, now: Instant) -> bool {
        self.look_at.is_some_and(|at| now >= at)
    }

    /// All connections were looked at: the first has something to be decided at `deadline`, if nothing
    /// happens before.
    pub(crate) fn looked(&mut self, deadline: Option<Instant>, now: Instant) {
        self.look_at = deadline.map(|at| at.max(now + self.pace));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn nothing_is_due_where_nothing_happens() {
        let now = clock::now();
        let mut schedule = Schedule::default();
        assert_eq!(schedule.next(), None);
        schedule.looked(None, now);
        assert_eq!(schedule.next(), None, "no connection");
        assert!(!schedule.take_flush(now) && !schedule.is_time_to_look(now));
    }

    #[test]
    fn lines_are_gathered_from_the_first_on() {
        let start = clock::now();
        let at = |time| start + millis(time);
        let mut schedule = Schedule::default();
        assert!(schedule.line_waits(at(0)), "who sleeps must be woken");
        assert!(!schedule.line_waits(at(20)));
        assert_eq!(schedule.next(), Some(at(25)));
        assert!(!schedule.take_flush(at(24)));
        assert!(schedule.take_flush(at(25)));
        assert!(!schedule.take_flush(at(26)));
        assert_eq!(schedule.next(), None);
    }

    #[test]
    fn what_moved_is_looked_at_soon_and_otherwise_when_a_limit_ends() {
        let start = clock::now();
        let at = |time| start + millis(time);
        let mut schedule = Schedule::default();
        assert!(schedule.stirred(at(0)));
        assert!(!schedule.stirred(at(100)), "that look is early enough");
        assert!(!schedule.is_time_to_look(at(249)));
        assert!(schedule.is_time_to_look(at(250)));
        schedule.looked(Some(at(60_000)), at(250));
        assert_eq!(schedule.next(), Some(at(60_000)), "sleeps until the first limit");
        assert!(schedule.stirred(at(1_000)));
        assert_eq!(schedule.next(), Some(at(1_250)), "something moved meanwhile");
        schedule.looked(Some(at(1_251)), at(1_250));
        assert_eq!(
            schedule.next(),
            Some(at(1_500)),
            "many limits that end one by one cost no more"
        );
        assert!(schedule.line_waits(at(1_300)));
        assert!(!schedule.stirred(at(1_301)));
        assert_eq!(schedule.next(), Some(at(1_325)));
    }

    #[test]
    fn looks_follow_the_shortest_limit() {
        let limits = |idle, half_closed| Limits {
            connect: millis(1_000),
            idle: millis(idle),
            half_closed: millis(half_closed),
            user: millis(1_000),
            silent: None,
            rebalance: None,
        };
        let start = clock::now();
        for (table, pace) in [
            (vec![], 250),
            (vec![limits(3_600_000, 30_000)], 250),
            (vec![limits(3_600_000, 30_000), limits(800, 1_000)], 100),
            (vec![limits(3_600_000, 400)], 50),
            (vec![limits(10, 10)], 25),
        ] {
            let mut schedule = Schedule::default();
            schedule.follow(table.iter());
            assert!(schedule.stirred(start));
            assert_eq!(schedule.next(), Some(start + millis(pace)), "{table:?}");
        }
    }
}
