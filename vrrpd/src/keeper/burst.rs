//! When which frame is sent that tells where the addresses are: a round for all of them at once, a few
//! more in case a frame was lost, then now and then. Within a round frames may be paced.

use std::ops::Range;
use std::time::{Duration, Instant};

use shared::config::Announce;

/// A burst that was begun less than so long ago is not begun anew: it still has frames to send.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// A schedule of announcements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Burst {
    announce: Announce,
    began: Instant,
    /// How many rounds are complete.
    rounds: usize,
    /// When the current round begins or began; none: there is no other.
    round_at: Option<Instant>,
    /// Frames of the current round that were sent.
    sent: usize,
}

impl Burst {
    /// A burst whose first round is due now.
    pub(super) fn begin(announce: Announce, now: Instant) -> Self {
        Self { announce, began: now, rounds: 0, round_at: Some(now), sent: 0 }
    }

    /// When the next frame is due; none: never again.
    pub(super) fn next(&self) -> Option<Instant> {
        let sent = u32::try_from(self.sent).unwrap_or(u32::MAX);
        Some(self.round_at? + self.announce.interval * sent)
    }

    /// Whether the times after taking over have passed, and what comes is a reminder.
    pub(super) fn refreshes(&self) -> bool {
        self.rounds >= self.announce.at.len()
    }

    /// The frames that are due now, of a round of `frames`. They count as sent.
    pub(super) fn due(&mut self, frames: usize, now: Instant) -> Range<usize> {
        let Some(round_at) = self.round_at.filter(|at| now >= *at) else { return 0..0 };
        let (interval, since) = (self.announce.interval.as_nanos(), (now - round_at).as_nanos());
        let due = match since.checked_div(interval) {
            None => frames,
            Some(intervals) => usize::try_from(intervals).unwrap_or(frames).saturating_add(1),
        };
        let due = self.sent..due.min(frames).max(self.sent);
        self.sent = due.end;
        if self.sent >= frames {
            self.round_at = self.following(now);
            self.rounds += 1;
            self.sent = 0;
        }
        due
    }

    /// When the round after this one begins: not before this one has ended.
    fn following(&self, now: Instant) -> Option<Instant> {
        let next = self.rounds + 1;
        if let Some(after) = self.announce.at.get(next) {
            return Some((self.began + *after).max(now + self.announce.interval));
        }
        let refreshed = u32::try_from(next - self.announce.at.len()).unwrap_or(u32::MAX);
        if refreshed % self.announce.refresh_repeat > 0 {
            return Some(now + self.announce.interval);
        }
        self.announce.refresh.map(|refresh| now + refresh)
    }

    /// Whether it began so long ago that whoever was told otherwise needs another one.
    pub(super) fn is_old(&self, now: Instant) -> bool {
        now >= self.began + RESTART_PAUSE
    }

    /// Goes on by another schedule.
    pub(super) fn follow(&mut self, announce: &Announce, now: Instant) {
        if self.announce != *announce {
            self.announce.clone_from(announce);
            self.rounds = self.rounds.max(announce.at.len());
            self.round_at = announce.refresh.map(|refresh| now + refresh);
            self.sent = 0;
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

    fn millis(times: &[u64]) -> Vec<Duration> {
        times.iter().copied().map(Duration::from_millis).collect()
    }

    /// The next `count` times at which something is due, in milliseconds, and which frames that are.
    fn run(announce: &Announce, frames: usize, count: usize) -> Vec<(u128, Range<usize>)> {
        let start = start();
        let mut burst = Burst::begin(announce.clone(), start);
        let mut sent = Vec::new();
        while let (Some(now), true) = (burst.next(), sent.len() < count) {
            sent.push(((now - start).as_millis(), burst.due(frames, now)));
        }
        sent
    }

    #[test]
    fn announces_five_times_and_then_once_a_minute() {
        let times: Vec<u128> = run(&Announce::default(), 3, 7).iter().map(|sent| sent.0).collect();
        assert_eq!(times, [0, 100, 500, 2_000, 5_000, 65_000, 125_000]);
        assert!(run(&Announce::default(), 3, 7).iter().all(|sent| sent.1 == (0..3)));
    }

    #[test]
    fn follows_its_schedule() {
        let second = Duration::from_secs(1);
        let schedule = |at: &[u64], refresh, refresh_repeat, interval| Announce {
            at: millis(at),
            refresh,
            refresh_repeat,
            interval: Duration::from_millis(interval),
        };
        // keepalived's own: five at once, five more after five seconds, and never again.
        let times = |announce: &Announce| -> Vec<u128> {
            run(announce, 1, 12).iter().map(|sent| sent.0).collect()
        };
        assert_eq!(
            times(&schedule(&[0, 0, 0, 0, 0, 5000, 5000, 5000, 5000, 5000], None, 1, 0)),
            [0, 0, 0, 0, 0, 5000, 5000, 5000, 5000, 5000]
        );
        // Two reminders in a row every second, with a pause between two frames.
        assert_eq!(times(&schedule(&[0], Some(second), 2, 10))[..5], [0, 1000, 1010, 2010, 2020]);
        assert_eq!(times(&schedule(&[0, 0, 5], None, 1, 10)), [0, 10, 20]);
    }

    #[test]
    fn paces_the_frames_of_a_round() {
        let announce = Announce {
            at: millis(&[0, 3]),
            refresh: None,
            refresh_repeat: 1,
            interval: Duration::from_millis(2),
        };
        // The second round waits for the end of the first.
        let expected = [(0, 0..1), (2, 1..2), (4, 2..3), (6, 0..1), (8, 1..2), (10, 2..3)];
        assert_eq!(run(&announce, 3, 9), expected);
        // Whoever comes late sends what is due by then, and no more.
        let start = start();
        let mut burst = Burst::begin(announce, start);
        assert_eq!(burst.due(3, start), 0..1);
        assert_eq!(burst.due(3, start + Duration::from_millis(1)), 1..1);
        assert_eq!(burst.due(3, start + Duration::from_millis(5)), 1..3);
    }

    #[test]
    fn begins_anew_once_a_second_at_most() {
        let start = start();
        let burst = Burst::begin(Announce::default(), start);
        assert!(!burst.is_old(start + Duration::from_millis(999)));
        assert!(burst.is_old(start + Duration::from_secs(1)));
    }

    /// A new schedule is no news of the addresses: nothing is sent for it.
    #[test]
    fn goes_on_by_another_schedule_with_its_reminders() {
        let start = start();
        let mut burst = Burst::begin(Announce::default(), start);
        assert_eq!(burst.due(1, start), 0..1);
        burst.follow(&Announce::default(), start);
        assert_eq!(burst.next(), Some(start + Duration::from_millis(100)));
        let refresh = Some(Duration::from_secs(30));
        burst.follow(&Announce { refresh, ..Announce::default() }, start);
        assert_eq!(burst.next(), Some(start + Duration::from_secs(30)));
        burst.follow(&Announce { refresh: None, ..Announce::default() }, start);
        assert_eq!(burst.next(), None);
    }
}
