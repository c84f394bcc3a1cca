//! The proxy's heartbeat: whether every worker's event loop goes round, said at the pace that is promised.

use std::sync::Arc;
use std::time::{Duration, Instant};

use process::alarm::Alarm;
use tokio::sync::watch;
use tracing::{error, info};

use crate::clock;
use crate::data::liveness::Liveness;

/// A worker that works hangs when it has not answered for so long: at least one whole beat after it was
/// asked.
const STALE: Duration = Duration::from_millis(200);

/// Beats until nobody wants to know any more, `every` so often: each beat says whether all workers live.
/// Who sends heartbeats does so at a beat, in the same wake.
pub(crate) async fn run(
    workers: Vec<Arc<Liveness>>,
    mut alarm: Alarm,
    mut every: watch::Receiver<Duration>,
    beat: watch::Sender<bool>,
) {
    let mut watched: Vec<Watched> = workers.iter().map(|_| Watched::default()).collect();
    let mut next = clock::now();
    while !beat.is_closed() {
        tokio::select! {
            () = alarm.until(Some(next), clock::now()) => {}
            // At another pace from now on.
            Ok(()) = every.changed() => {}
        }
        let now = clock::now();
        next = now + *every.borrow_and_update();
        let mut hung = None;
        for (number, (watched, worker)) in watched.iter_mut().zip(&workers).enumerate() {
            match watched.look(worker.turn(), now) {
                Look::Lives => {}
                Look::Ask => worker.ask(),
                Look::Hangs => hung = hung.or(Some(number)),
            }
        }
        let lived = *beat.borrow();
        beat.send_replace(hung.is_none());
        match hung {
            Some(worker) if lived => {
                error!(
                    worker,
                    "a worker hangs: no heartbeats to vrrpd and the supervisor until it goes on"
                );
            }
            None if !lived => info!("every worker goes on: heartbeats again"),
            _ => {}
        }
    }
}

/// What is known of one worker from the last looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Watched {
    /// It waited for events.
    #[default]
    Parked,
    /// It worked, and has given no other sign since then.
    Working { turn: u64, since: Instant, asked: bool },
}

/// What a look finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Lives,
    /// It has worked since the last look, and has to show that its event loop goes round.
    Ask,
    Hangs,
}

impl Watched {
    /// Looks at a worker's [`turn`](Liveness::turn).
    fn look(&mut self, turn: u64, now: Instant) -> Look {
        if turn.is_multiple_of(2) {
            *self = Self::Parked;
            return Look::Lives;
        }
        match self {
            Self::Working { turn: before, since, asked } if *before == turn => {
                // Whoever slept between two looks has not asked yet.
                if *asked && now.saturating_duration_since(*since) >= STALE {
                    return Look::Hangs;
                }
                *asked = true;
                Look::Ask
            }
            Self::Parked | Self::Working { .. } => {
                *self = Self::Working { turn, since: now, asked: false };
                Look::Lives
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each look of a story finds: milliseconds, the worker's turn.
    fn story<const N: usize>(looks: [(u64, u64); N]) -> [Look; N] {
        let start = clock::now();
        let mut watched = Watched::default();
        looks.map(|(millis, turn)| watched.look(turn, start + Duration::from_millis(millis)))
    }

    #[test]
    fn a_worker_that_waits_cannot_hang() {
        use Look::Lives;
        assert_eq!(story([(0, 2), (100, 2), (200, 2), (86_400_000, 2)]), [Lives; 4]);
    }

    #[test]
    fn a_worker_that_works_and_does_not_answer_hangs() {
        use Look::{Ask, Hangs, Lives};
        assert_eq!(
            story([(0, 2), (100, 3), (200, 3), (300, 3), (400, 3), (500, 4)]),
            [Lives, Lives, Ask, Hangs, Hangs, Lives]
        );
        // One that never waited since its start.
        assert_eq!(story([(0, 1), (100, 1), (200, 1)]), [Lives, Ask, Hangs]);
    }

    #[test]
    fn a_busy_worker_that_answers_lives() {
        use Look::{Ask, Lives};
        // Between two looks it answered, or waited and woke up again.
        assert_eq!(
            story([(0, 3), (100, 3), (200, 5), (300, 5), (400, 7), (500, 9), (600, 2_001)]),
            [Lives, Ask, Lives, Ask, Lives, Lives, Lives]
        );
        // It waits, though it worked at every look.
        assert_eq!(story([(0, 3), (100, 3), (200, 6), (300, 7)]), [Lives, Ask, Lives, Lives]);
    }

    #[test]
    fn a_machine_that_stood_still_is_no_hang() {
        use Look::{Ask, Hangs, Lives};
        assert_eq!(
            story([(0, 3), (60_000, 3), (60_100, 5), (60_200, 5)]),
            [Lives, Ask, Lives, Ask]
        );
        assert_eq!(story([(0, 3), (60_000, 3), (60_100, 3)]), [Lives, Ask, Hangs]);
    }

    #[test]
    fn signs_of_life_count_as_they_should() {
        let liveness = Liveness::default();
        assert!(!liveness.turn().is_multiple_of(2), "it starts at work");
        liveness.parks_or_unparks();
        assert!(liveness.turn().is_multiple_of(2));
        liveness.parks_or_unparks();
        let before = liveness.turn();
        liveness.answer();
        assert!(liveness.turn() != before && !liveness.turn().is_multiple_of(2));
    }
}
