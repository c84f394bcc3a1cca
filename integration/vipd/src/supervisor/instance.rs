//! One process of a program as decisions see it: its watchdog, and how it is being ended. Pure.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use process::messages::Tick;
use rustix::process::Signal;

/// What a program may take from its start to its first tick.
const START_TIME: Duration = Duration::from_secs(2);

/// How a process is being ended by us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It is not.
    None,
    /// Told to end; it is killed if it still runs at that time.
    Terminated { kill_at: Instant },
    /// Killed, for it had been told to end and did not in time.
    TooSlow,
    /// Killed, for it hung.
    Hung,
    /// Killed for its successor, which goes on with what it had.
    Replaced,
}

/// One process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Instance {
    pub(super) pid: i32,
    pub(super) started: Instant,
    pub(super) ending: Ending,
    /// Its last tick, and when it, or the right to another turn, came.
    tick: Tick,
    seen_at: Instant,
    /// At least one tick came: it is known what it does.
    seen: bool,
    /// It has not closed its end.
    watched: bool,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exit {
    pub(super) status: ExitStatus,
    pub(super) ending: Ending,
}

impl Exit {
    /// Whether it ended by itself and without complaint.
    pub(super) fn is_clean(self) -> bool {
        let ours = matches!(self.ending, Ending::TooSlow | Ending::Hung | Ending::Replaced);
        self.status.success() && !ours
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.ending, self.status.signal(), self.status.code()) {
            (Ending::Hung, ..) => f.write_str("hung and was killed"),
            (Ending::TooSlow, ..) => f.write_str("did not end in time and was killed"),
            (_, Some(signal), _) => match nix::sys::signal::Signal::try_from(signal) {
                Ok(signal) => write!(f, "was killed by {signal}"),
                Err(_) => write!(f, "was killed by signal {signal}"),
            },
            (.., Some(code)) => write!(f, "ended with exit code {code}"),
            _ => f.write_str("ended"),
        }
    }
}

impl Instance {
    /// One that was started at `now`, or taken over from before an upgrade.
    pub(super) fn new(pid: i32, now: Instant) -> Self {
        let tick = Tick {
            patience_ms: u64::try_from(START_TIME.as_millis()).unwrap_or(u64::MAX),
            ..Tick::default()
        };
        let (seen, watched, ending) = (false, true, Ending::None);
        Self { pid, started: now, ending, tick, seen_at: now, seen, watched }
    }

    /// It ticked.
    pub(super) fn ticked(&mut self, tick: Tick, now: Instant) {
        (self.tick, self.seen_at, self.seen) = (tick, now, true);
    }

    /// It closed its watchdog: it wants to be watched no more, or is dying.
    pub(super) fn closed(&mut self) {
        self.watched = false;
    }

    /// Whether it has ticked.
    pub(super) fn is_seen(&self) -> bool {
        self.seen
    }

    /// The last tick, and when it came.
    pub(super) fn last(&self) -> (&Tick, Instant) {
        (&self.tick, self.seen_at)
    }

    /// When [`expire`](Self::expire) has work to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.ending {
            Ending::None => self.watched.then(|| self.seen_at + self.patience()),
            // Whoever ends needs not tick.
            Ending::Terminated { kill_at } => Some(kill_at),
            Ending::TooSlow | Ending::Hung | Ending::Replaced => None,
        }
    }

    /// Tells it to end within `limit`. One that is being ended already is told nothing more.
    pub(super) fn terminate(&mut self, limit: Duration, now: Instant) -> Option<Signal> {
        if self.ending != Ending::None {
            return None;
        }
        self.ending = Ending::Terminated { kill_at: now + limit };
        Some(Signal::TERM)
    }

    /// Kills it for its successor.
    pub(super) fn replace(&mut self) -> Option<Signal> {
        if self.ending != Ending::None {
            return None;
        }
        self.ending = Ending::Replaced;
        Some(Signal::KILL)
    }

    /// Kills it if it hangs, or has not ended in time. Its ticks must have been read.
    pub(super) fn expire(&mut self, now: Instant) -> Option<Signal> {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return None;
        }
        if let Ending::Terminated { .. } = self.ending {
            self.ending = Ending::TooSlow;
            return Some(Signal::KILL);
        }
        let (patience, silent) = (self.patience(), now.saturating_duration_since(self.seen_at));
        if silent >= patience + patience / 2 {
            // We were not there to see: both may have been asleep. It gets another turn.
            self.seen_at = now;
            return None;
        }
        self.ending = Ending::Hung;
        Some(Signal::KILL)
    }

    fn patience(&self) -> Duration {
        Duration::from_millis(self.tick.patience_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a start for the virtual clock")]
    fn start() -> Instant {
        Instant::now()
    }

    fn tick(patience_ms: u64) -> Tick {
        Tick { patience_ms, ..Tick::default() }
    }

    #[test]
    fn silence_is_judged_by_whether_we_were_awake() {
        let zero = start();
        for (silent, signal, ending) in [
            (99, None, Ending::None),
            (100, Some(Signal::KILL), Ending::Hung),
            (149, Some(Signal::KILL), Ending::Hung),
            // The machine stood still: it gets another turn.
            (150, None, Ending::None),
        ] {
            let mut instance = Instance::new(7, zero);
            instance.ticked(tick(100), zero);
            let expired = instance.expire(zero + Duration::from_millis(silent));
            assert_eq!((expired, instance.ending), (signal, ending), "{silent} ms");
        }
    }

    #[test]
    fn another_turn_is_as_long_as_the_first() {
        let zero = start();
        let at = |millis| zero + Duration::from_millis(millis);
        let mut instance = Instance::new(7, zero);
        assert_eq!(instance.deadline(), Some(at(2000)), "the first tick must come within 2 s");
        instance.ticked(tick(100), zero);
        assert_eq!(instance.expire(at(500)), None);
        assert_eq!(instance.deadline(), Some(at(600)));
        assert_eq!(instance.expire(at(600)), Some(Signal::KILL));
        assert_eq!(instance.deadline(), None, "it is killed once");
    }

    #[test]
    fn who_ends_needs_not_tick_but_must_end_in_time() {
        let zero = start();
        let at = |millis| zero + Duration::from_millis(millis);
        let mut instance = Instance::new(7, zero);
        instance.ticked(tick(100), zero);
        assert_eq!(instance.terminate(Duration::from_secs(3), at(50)), Some(Signal::TERM));
        assert_eq!(instance.terminate(Duration::from_secs(9), at(60)), None, "told once");
        assert_eq!(instance.replace(), None);
        assert_eq!(instance.deadline(), Some(at(3050)));
        assert_eq!(instance.expire(at(3049)), None);
        assert_eq!(instance.expire(at(3050)), Some(Signal::KILL));
        assert_eq!(instance.ending, Ending::TooSlow);
    }

    #[test]
    fn who_closed_its_end_is_watched_no_more() {
        let zero = start();
        let mut instance = Instance::new(7, zero);
        instance.closed();
        assert_eq!(instance.deadline(), None);
        assert_eq!(instance.expire(zero + Duration::from_secs(3)), None);
    }

    #[test]
    fn an_end_has_words_and_is_clean_or_not() {
        let kill_at = start();
        for (raw, ending, clean, words) in [
            (0, Ending::None, true, "ended with exit code 0"),
            (0, Ending::Terminated { kill_at }, true, "ended with exit code 0"),
            (0x100, Ending::None, false, "ended with exit code 1"),
            (9, Ending::None, false, "was killed by SIGKILL"),
            (64, Ending::None, false, "was killed by signal 64"),
            (9, Ending::Hung, false, "hung and was killed"),
            // It ended in the moment in which we killed it.
            (0, Ending::TooSlow, false, "did not end in time and was killed"),
            (9, Ending::Replaced, false, "was killed by SIGKILL"),
        ] {
            let exit = Exit { status: ExitStatus::from_raw(raw), ending };
            assert_eq!((exit.is_clean(), exit.to_string().as_str()), (clean, words));
        }
    }
}
