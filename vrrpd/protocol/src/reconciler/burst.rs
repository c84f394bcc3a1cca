//! When which frame is sent that tells where the addresses are: a round for all of them at once, a few
//! more in case a frame was lost, then reminders. Within a round frames may be paced.
//!
//! Reminders are for hosts that believed another: a peer that held the addresses as well, and yields to an
//! advert of ours, does not say that it did.

use std::ops::Range;
use std::time::{Duration, Instant};

use config::{Announce, Refresh};

use super::turns::PAUSE;

/// A burst that was begun less than so long ago is not begun anew: it still has frames to send.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// When a router's addresses are announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// As configured.
    pub announce: Announce,
    /// The router's own interval, for [`Refresh::WithAdverts`].
    pub advert_interval: Duration,
}

/// A schedule that is being followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Burst {
    schedule: Schedule,
    began: Instant,
    /// How many rounds are complete.
    rounds: usize,
    /// When the current round begins or began; none: there is no other.
    round_at: Option<Instant>,
    /// Whether that is its turn among other routers' rounds.
    in_turn: bool,
    /// Frames of the current round that were sent.
    sent: usize,
}

impl Burst {
    /// A burst whose first round is due now.
    pub(super) fn begin(schedule: Schedule, now: Instant) -> Self {
        Self { schedule, began: now, rounds: 0, round_at: Some(now), in_turn: false, sent: 0 }
    }

    /// When the next frame is due; none: never again.
    pub(super) fn next(&self) -> Option<Instant> {
        Some(self.round_at? + self.length(self.sent))
    }

    /// Whether the times after taking over have passed, and what comes is a reminder.
    pub(super) fn refreshes(&self) -> bool {
        self.rounds >= self.schedule.announce.at.len()
    }

    /// The frames that are due now, of a round of `frames`. They count as sent. Where routers take turns,
    /// `turn` tells when a round of this length may begin.
    pub(super) fn due(
        &mut self,
        frames: usize,
        now: Instant,
        turn: impl FnOnce(Duration) -> Instant,
    ) -> Range<usize> {
        let Some(mut round_at) = self.round_at.filter(|at| now >= *at) else { return 0..0 };
        if self.takes_turns() && !self.in_turn {
            round_at = turn(self.length(frames));
            (self.round_at, self.in_turn) = (Some(round_at), true);
            if round_at > now {
                return 0..0;
            }
        }
        let (pause, since) = (self.pause().as_nanos(), (now - round_at).as_nanos());
        let due = match since.checked_div(pause) {
            None => frames,
            Some(pauses) => usize::try_from(pauses).unwrap_or(frames).saturating_add(1),
        };
        // There may be fewer than when the round began.
        let sent = self.sent.min(frames);
        let due = sent..due.min(frames).max(sent);
        self.sent = due.end;
        if self.sent >= frames {
            self.round_at = self.following(round_at, frames, now);
            self.rounds += 1;
            (self.in_turn, self.sent) = (false, 0);
        }
        due
    }

    fn takes_turns(&self) -> bool {
        self.refreshes() && self.schedule.announce.refresh == Refresh::WithAdverts
    }

    /// Between two frames of the current round.
    fn pause(&self) -> Duration {
        let least = if self.takes_turns() { PAUSE } else { Duration::ZERO };
        self.schedule.announce.interval.max(least)
    }

    /// How long so many frames of the current round take.
    fn length(&self, frames: usize) -> Duration {
        self.pause() * u32::try_from(frames).unwrap_or(u32::MAX)
    }

    /// When the round after this one begins: not before this one has ended.
    fn following(&self, round_at: Instant, frames: usize, now: Instant) -> Option<Instant> {
        let Announce { at, refresh, refresh_repeat, interval } = &self.schedule.announce;
        let next = self.rounds + 1;
        if let Some(after) = at.get(next) {
            return Some((self.began + *after).max(now + *interval));
        }
        let refreshed = u32::try_from(next - at.len()).unwrap_or(u32::MAX);
        if refreshed % refresh_repeat > 0 {
            return Some(now + self.pause());
        }
        match refresh {
            // In step, as adverts are.
            Refresh::WithAdverts => {
                let pause = self.schedule.advert_interval.max(self.length(frames));
                Some((round_at + pause).max(now))
            }
            Refresh::Every(pause) => Some(now + *pause),
            Refresh::Never => None,
        }
    }

    /// Whether it began so long ago that whoever was told otherwise needs another one.
    pub(super) fn is_old(&self, now: Instant) -> bool {
        now >= self.began + RESTART_PAUSE
    }

    /// Goes on by another schedule.
    pub(super) fn follow(&mut self, schedule: &Schedule, now: Instant) {
        if self.schedule != *schedule {
            self.schedule.clone_from(schedule);
            self.rounds = self.rounds.max(schedule.announce.at.len());
            self.round_at = match schedule.announce.refresh {
                Refresh::WithAdverts => Some(now + schedule.advert_interval),
                Refresh::Every(pause) => Some(now + pause),
                Refresh::Never => None,
            };
            (self.in_turn, self.sent) = (false, 0);
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

    fn seconds(announce: Announce) -> Schedule {
        Schedule { announce, advert_interval: Duration::from_secs(1) }
    }

    /// The next `count` times at which something is due, in milliseconds, and which frames that are.
    fn run(schedule: &Schedule, frames: usize, count: usize) -> Vec<(u128, Range<usize>)> {
        let start = start();
        let mut burst = Burst::begin(schedule.clone(), start);
        let mut sent = Vec::new();
        while let (Some(now), true) = (burst.next(), sent.len() < count) {
            sent.push(((now - start).as_millis(), burst.due(frames, now, |_| now)));
        }
        sent
    }

    #[test]
    fn announces_five_times_and_then_once_a_minute() {
        let refresh = Refresh::Every(Duration::from_secs(60));
        let sent = run(&seconds(Announce { refresh, ..Announce::default() }), 3, 7);
        let times: Vec<u128> = sent.iter().map(|sent| sent.0).collect();
        assert_eq!(times, [0, 100, 500, 2_000, 5_000, 65_000, 125_000]);
        assert!(sent.iter().all(|sent| sent.1 == (0..3)));
    }

    /// One frame of each address in an interval, a tenth of a second apart.
    #[test]
    fn reminds_with_each_advert() {
        let schedule = seconds(Announce::default());
        let times: Vec<u128> = run(&schedule, 1, 8).iter().map(|sent| sent.0).collect();
        assert_eq!(times, [0, 100, 500, 2_000, 5_000, 6_000, 7_000, 8_000]);
        let reminders = [(6_000, 0..1), (6_100, 1..2), (7_000, 0..1), (7_100, 1..2)];
        assert_eq!(run(&schedule, 2, 9)[5..], reminders);
        // Where an interval is too short for all of them, a round takes longer.
        let short = Schedule { advert_interval: Duration::from_millis(10), ..schedule };
        let reminders = [(5_010, 0..1), (5_110, 1..2), (5_210, 0..1), (5_310, 1..2)];
        assert_eq!(run(&short, 2, 9)[5..], reminders);
    }

    /// Others' rounds come first; the next one is asked for an interval after this one began.
    #[test]
    fn reminds_when_it_is_its_turn() {
        let start = start();
        let at = |millis| start + Duration::from_millis(millis);
        let announce = Announce { at: millis(&[0]), ..Announce::default() };
        let mut burst = Burst::begin(seconds(announce), start);
        assert_eq!(burst.due(2, at(0), |_| unreachable!("a takeover waits for nobody")), 0..2);
        assert_eq!(burst.next(), Some(at(1_000)));
        let turn = |length: Duration| {
            assert_eq!(length.as_millis(), 200);
            at(4_000)
        };
        assert_eq!(burst.due(2, at(1_000), turn), 0..0);
        assert_eq!(burst.next(), Some(at(4_000)));
        assert_eq!(burst.due(2, at(4_000), |_| unreachable!("asked once")), 0..1);
        assert_eq!(burst.due(2, at(4_100), |_| unreachable!("asked once")), 1..2);
        assert_eq!(burst.next(), Some(at(5_000)));
    }

    #[test]
    fn follows_its_schedule() {
        let second = Duration::from_secs(1);
        let schedule = |at: &[u64], refresh, refresh_repeat, interval| {
            let interval = Duration::from_millis(interval);
            seconds(Announce { at: millis(at), refresh, refresh_repeat, interval })
        };
        // keepalived's own: five at once, five more after five seconds, and never again.
        let times = |schedule: &Schedule| -> Vec<u128> {
            run(schedule, 1, 12).iter().map(|sent| sent.0).collect()
        };
        assert_eq!(
            times(&schedule(&[0, 0, 0, 0, 0, 5000, 5000, 5000, 5000, 5000], Refresh::Never, 1, 0)),
            [0, 0, 0, 0, 0, 5000, 5000, 5000, 5000, 5000]
        );
        // Two reminders in a row every second, with a pause between two frames.
        assert_eq!(
            times(&schedule(&[0], Refresh::Every(second), 2, 10))[..5],
            [0, 1000, 1010, 2010, 2020]
        );
        assert_eq!(times(&schedule(&[0, 0, 5], Refresh::Never, 1, 10)), [0, 10, 20]);
    }

    #[test]
    fn paces_the_frames_of_a_round() {
        let schedule = seconds(Announce {
            at: millis(&[0, 3]),
            refresh: Refresh::Never,
            refresh_repeat: 1,
            interval: Duration::from_millis(2),
        });
        // The second round waits for the end of the first.
        let expected = [(0, 0..1), (2, 1..2), (4, 2..3), (6, 0..1), (8, 1..2), (10, 2..3)];
        assert_eq!(run(&schedule, 3, 9), expected);
        // Whoever comes late sends what is due by then, and no more.
        let start = start();
        let mut burst = Burst::begin(schedule, start);
        assert_eq!(burst.due(3, start, |_| start), 0..1);
        assert_eq!(burst.due(3, start + Duration::from_millis(1), |_| start), 1..1);
        assert_eq!(burst.due(3, start + Duration::from_millis(5), |_| start), 1..3);
    }

    /// Addresses that leave in the middle of a round shorten it.
    #[test]
    fn a_round_may_become_shorter() {
        let start = start();
        let at = |millis| start + Duration::from_millis(millis);
        let interval = Duration::from_millis(2);
        let announce = Announce { at: millis(&[0, 50]), interval, ..Announce::default() };
        let mut burst = Burst::begin(seconds(announce), start);
        assert_eq!(burst.due(5, at(4), |_| unreachable!("a takeover waits for nobody")), 0..3);
        assert_eq!(burst.due(2, at(6), |_| unreachable!("a takeover waits for nobody")), 2..2);
        assert_eq!(burst.next(), Some(at(50)), "that was all of it");
    }

    #[test]
    fn begins_anew_once_a_second_at_most() {
        let start = start();
        let burst = Burst::begin(seconds(Announce::default()), start);
        assert!(!burst.is_old(start + Duration::from_millis(999)));
        assert!(burst.is_old(start + Duration::from_secs(1)));
    }

    /// A new schedule is no news of the addresses: nothing is sent for it.
    #[test]
    fn goes_on_by_another_schedule_with_its_reminders() {
        let start = start();
        let mut burst = Burst::begin(seconds(Announce::default()), start);
        assert_eq!(burst.due(1, start, |_| start), 0..1);
        burst.follow(&seconds(Announce::default()), start);
        assert_eq!(burst.next(), Some(start + Duration::from_millis(100)));
        let other = |refresh| seconds(Announce { refresh, ..Announce::default() });
        burst.follow(&other(Refresh::Every(Duration::from_secs(30))), start);
        assert_eq!(burst.next(), Some(start + Duration::from_secs(30)));
        burst.follow(&other(Refresh::WithAdverts), start);
        assert_eq!(burst.next(), Some(start + Duration::from_secs(1)));
        burst.follow(&other(Refresh::Never), start);
        assert_eq!(burst.next(), None);
    }
}
