//! The signs of life that the advert thread gives.
//!
//! The address reconcilers renew leases as long as the pulse beats; the supervisor's watchdog is fed by
//! the same beat. Both come from the thread that sends adverts, and from nowhere else.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use config::Lease;
use process::messages::{Resumable, Tick, line};
use tokio::sync::watch;
use vocabulary::AdvertInterval;

use vrrp::election::timing;

/// Beats are at least this far apart: a watchdog that wakes more often costs more than it finds.
const SHORTEST: Duration = Duration::from_millis(10);

/// Beats in the time that a watchdog waits: one may be missed, and the machine be late.
const BEATS: u32 = 3;

/// How long a watchdog waits, at least: a machine is not expected to be more punctual.
const LEAST_PATIENCE: Duration = Duration::from_millis(50);

/// And at most.
const MOST_PATIENCE: Duration = Duration::from_secs(1);

/// The pulse.
#[derive(Debug)]
pub(super) struct Pulse {
    beat: watch::Sender<Instant>,
    watchdog: Option<UnixStream>,
    interval: Duration,
    patience: Duration,
    /// None: at once.
    next: Option<Instant>,
    /// What the routers' states had changed by the last beat.
    changes: u64,
}

impl Pulse {
    pub(super) fn new(beat: watch::Sender<Instant>, watchdog: Option<UnixStream>) -> Self {
        let (interval, patience) = (MOST_PATIENCE / BEATS, MOST_PATIENCE);
        Self { beat, watchdog, interval, patience, next: None, changes: 0 }
    }

    /// Follows the shortest of the routers' intervals: whoever watches may wait for half of the time that
    /// passes before a peer can take over, so that the other half is left to replace what hangs.
    pub(super) fn follow(
        &mut self,
        routers: impl Iterator<Item = (AdvertInterval, Lease)> + Clone,
    ) {
        let shortest = routers.clone().map(|(interval, _)| interval).min();
        let patience = shortest.map_or(MOST_PATIENCE, |i| timing::soonest_takeover(i) / 2);
        let patience = patience.clamp(LEAST_PATIENCE, MOST_PATIENCE);
        let beat = routers.filter_map(|(_, lease)| oldest_beat(lease)).min();
        self.interval = beat.unwrap_or(MOST_PATIENCE).min(patience / BEATS).max(SHORTEST);
        if patience != self.patience {
            // Told at once: beats are about to come at another pace.
            (self.patience, self.next) = (patience, None);
        }
    }

    /// When the next beat is due.
    pub(super) fn next(&self, now: Instant) -> Instant {
        self.next.unwrap_or(now)
    }

    /// Beats, if it is time, and if half of the time has passed since the thread is awake anyway: so the
    /// next beat is later. At once if the routers' states changed: `changes` counts that. Were we to die
    /// before the next beat, a successor would not know what to go on with.
    pub(super) fn beat(
        &mut self,
        now: Instant,
        changes: u64,
        resumable: impl Iterator<Item = Resumable>,
    ) {
        if changes == self.changes && self.next.is_some_and(|next| now + self.interval / 2 < next) {
            return;
        }
        self.changes = changes;
        self.next = Some(now + self.interval);
        self.beat.send_replace(now);
        if let Some(watchdog) = &mut self.watchdog {
            let patience_ms = u64::try_from(self.patience.as_millis()).unwrap_or(u64::MAX);
            let tick = Tick { patience_ms, resumable: resumable.collect(), retired: false };
            // A supervisor that is slow to read misses a tick, and one that is gone misses nothing.
            watchdog.write_all(&line(&tick)).ok();
        }
    }
}

/// Leases are renewed after a quarter of their time, if the last beat is younger than this quarter: one of
/// three sixteenths is never too old.
fn oldest_beat(lease: Lease) -> Option<Duration> {
    match lease {
        Lease::Off => None,
        Lease::Seconds(seconds) => Some(Duration::from_secs(seconds.get().into()) * 3 / 16),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use vocabulary::{Family, Name, RouterId};

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a start for the virtual clock")]
    fn beats_are_young_enough_for_the_shortest_lease() {
        let second = AdvertInterval::try_from(Duration::from_secs(1)).unwrap();
        let seconds = |seconds| Lease::Seconds(std::num::NonZeroU32::new(seconds).unwrap());
        for (leases, nanos) in [
            (vec![], 333_333_333),
            (vec![Lease::Off], 333_333_333),
            (vec![seconds(4)], 333_333_333),
            (vec![seconds(4), seconds(1)], 187_500_000),
        ] {
            let mut pulse = Pulse::new(watch::channel(Instant::now()).0, None);
            pulse.follow(leases.iter().map(|lease| (second, *lease)));
            assert_eq!(pulse.interval, Duration::from_nanos(nanos), "{leases:?}");
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a start for the virtual clock")]
    fn a_changed_interval_or_state_is_told_to_the_watchdog_at_once() {
        let (theirs, mut ours) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let mut told = || {
            let mut bytes = [0; 256];
            let length = ours.read(&mut bytes).unwrap_or(0);
            String::from_utf8(bytes[..length].to_vec()).unwrap()
        };
        let mut pulse = Pulse::new(watch::channel(Instant::now()).0, Some(theirs));
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let interval = |millis| AdvertInterval::try_from(Duration::from_millis(millis)).unwrap();
        let lease = |seconds| Lease::Seconds(std::num::NonZeroU32::new(seconds).unwrap());

        pulse.beat(at(0), 0, std::iter::empty());
        assert_eq!(told(), "{\"patience_ms\":1000,\"resumable\":[]}\n");
        let third = Duration::from_nanos(333_333_333);
        assert_eq!(pulse.next(at(0)), at(0) + third, "three beats in a second");
        pulse.beat(at(93), 0, std::iter::empty());
        assert_eq!(told(), "", "who is awake anyway waits for half of the time at least");

        pulse.follow([(interval(1000), lease(4)), (interval(100), lease(1))].into_iter());
        pulse.beat(at(93), 0, std::iter::empty());
        assert_eq!(told(), "{\"patience_ms\":150,\"resumable\":[]}\n");
        assert_eq!(pulse.next(at(93)), at(143), "three beats in 150 ms");
        pulse.beat(at(117), 0, std::iter::empty());
        assert_eq!(told(), "");
        pulse.beat(at(118), 0, std::iter::empty());
        assert_eq!(told(), "{\"patience_ms\":150,\"resumable\":[]}\n", "together with an advert");
        assert_eq!(pulse.next(at(118)), at(168));

        pulse.follow([(interval(10), lease(1))].into_iter());
        pulse.beat(at(120), 0, std::iter::empty());
        assert_eq!(told(), "{\"patience_ms\":50,\"resumable\":[]}\n");
        let next = at(120) + Duration::from_nanos(16_666_666);
        assert_eq!(pulse.next(at(120)), next);

        pulse.follow([(interval(10), lease(1))].into_iter());
        assert_eq!(pulse.next(at(121)), next, "nothing changed");

        let router = RouterId { name: Name::try_from("api").unwrap(), family: Family::Ipv4 };
        let resumable = || std::iter::once(Resumable { router: router.clone(), within_ms: 30 });
        pulse.beat(at(122), 1, resumable());
        let active = r#"[{"router":{"name":"api","family":"ipv4"},"within_ms":30}]"#;
        assert_eq!(told(), format!("{{\"patience_ms\":50,\"resumable\":{active}}}\n"));
        pulse.beat(at(123), 1, resumable());
        let next = at(122) + Duration::from_nanos(16_666_666);
        assert_eq!((told().as_str(), pulse.next(at(123))), ("", next));
    }
}
