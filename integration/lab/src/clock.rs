//! Moments that can be compared across threads, probes and processes.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A moment on the machine's monotonic clock: the time since it started.
///
/// Unlike [`std::time::Instant`] it has a number, so that tests can be written in literal values
/// and what two processes saw can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(Duration);

impl Moment {
    /// Reads the clock. This is the lab's only place that does: probes measure, so they are edges.
    #[must_use]
    pub fn now() -> Self {
        let time = clock_gettime(ClockId::Monotonic);
        // The kernel's monotonic clock counts up from zero, and its nanoseconds stay below 1e9.
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        let nanos = u32::try_from(time.tv_nsec).unwrap_or_default();
        Self(Duration::new(seconds, nanos))
    }

    /// The moment so many milliseconds after the machine started.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// How long after `earlier` this is; zero if it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// How long ago this was.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        Self::now().since(self)
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time))
    }
}

impl Sub<Duration> for Moment {
    type Output = Self;

    fn sub(self, time: Duration) -> Self {
        Self(self.0.saturating_sub(time))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0.as_secs(), self.0.subsec_micros())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_never_runs_below_zero() {
        let at = Moment::from_millis(1_500);
        assert_eq!(at.to_string(), "1.500000");
        assert_eq!(at.since(Moment::from_millis(1_200)), Duration::from_millis(300));
        assert_eq!(at.since(Moment::from_millis(1_600)), Duration::ZERO);
        assert_eq!(at + Duration::from_millis(20), Moment::from_millis(1_520));
        assert_eq!(at - Duration::from_secs(2), Moment::from_millis(0));
        assert!(Moment::now() > Moment::from_millis(0));
    }
}
