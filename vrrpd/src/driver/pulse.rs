//! The signs of life that the advert thread gives.
//!
//! The address keepers renew leases as long as the pulse beats; the supervisor's watchdog is fed by
//! the same beat. Both come from the thread that sends adverts, and from nowhere else.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use shared::AdvertInterval;
use shared::link::{Resumable, Tick, line};
use tokio::sync::watch;

/// Beats are at least this far apart: a watchdog that wakes more often costs more than it finds.
const SHORTEST: Duration = Duration::from_millis(10);

/// And at most this far: leases, of a second and more, are renewed in time.
const LONGEST: Duration = Duration::from_millis(100);

/// The pulse.
#[derive(Debug)]
pub(super) struct Pulse {
    beat: watch::Sender<Instant>,
    watchdog: Option<UnixStream>,
    interval: Duration,
    next: Instant,
}

impl Pulse {
    pub(super) fn new(
        beat: watch::Sender<Instant>,
        watchdog: Option<UnixStream>,
        now: Instant,
    ) -> Self {
        Self { beat, watchdog, interval: LONGEST, next: now }
    }

    /// Follows the shortest of the routers' intervals: four beats in each.
    pub(super) fn follow(&mut self, intervals: impl Iterator<Item = AdvertInterval>) {
        let shortest = intervals.min().map_or(LONGEST, |interval| interval.duration() / 4);
        self.interval = shortest.clamp(SHORTEST, LONGEST);
    }

    /// When the next beat is due.
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// Beats, if it is time.
    pub(super) fn beat(&mut self, now: Instant, resumable: impl Iterator<Item = Resumable>) {
        if now < self.next {
            return;
        }
        self.next = now + self.interval;
        self.beat.send_replace(now);
        if let Some(watchdog) = &mut self.watchdog {
            let tick = Tick { resumable: resumable.collect() };
            // A supervisor that is slow to read misses a tick, and one that is gone misses nothing.
            watchdog.write_all(&line(&tick)).ok();
        }
    }
}
