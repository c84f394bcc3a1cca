//! Advertisement intervals.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Time between two adverts: 1 to 4095 centiseconds (RFC 9568 §5.2.7, erratum 8301).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AdvertInterval(u16);

/// A time that is no advertisement interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 10ms to 40.95s in steps of 10ms")]
pub struct AdvertIntervalError;

impl AdvertInterval {
    /// One second (RFC 9568 §6.1).
    pub const DEFAULT: Self = Self(100);

    /// The interval of so many centiseconds.
    ///
    /// # Errors
    /// Outside 1 to 4095.
    pub fn from_centiseconds(centiseconds: u16) -> Result<Self, AdvertIntervalError> {
        if (1..=4095).contains(&centiseconds) {
            Ok(Self(centiseconds))
        } else {
            Err(AdvertIntervalError)
        }
    }

    /// The interval of so many seconds, as version 2 counts (RFC 3768 §5.3.7).
    ///
    /// # Errors
    /// Zero, or more than the 40 seconds that fit.
    pub fn from_seconds(seconds: u8) -> Result<Self, AdvertIntervalError> {
        Self::from_centiseconds(u16::from(seconds) * 100)
    }

    /// In centiseconds, as version 3 writes it.
    #[must_use]
    pub fn centiseconds(self) -> u16 {
        self.0
    }

    /// In seconds, as version 2 writes it; none where it is not a whole number of them.
    #[must_use]
    pub fn whole_seconds(self) -> Option<u8> {
        if self.0.is_multiple_of(100) { u8::try_from(self.0 / 100).ok() } else { None }
    }

    /// As a time.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_millis(u64::from(self.0) * 10)
    }
}

impl Default for AdvertInterval {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl TryFrom<Duration> for AdvertInterval {
    type Error = AdvertIntervalError;

    fn try_from(time: Duration) -> Result<Self, AdvertIntervalError> {
        const CENTISECOND_NANOS: u128 = 10_000_000;
        if !time.as_nanos().is_multiple_of(CENTISECOND_NANOS) {
            return Err(AdvertIntervalError);
        }
        let centiseconds =
            u16::try_from(time.as_nanos() / CENTISECOND_NANOS).map_err(|_| AdvertIntervalError)?;
        Self::from_centiseconds(centiseconds)
    }
}

impl fmt::Display for AdvertInterval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.duration()).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_what_the_wire_can_say() {
        let one_second = AdvertInterval::try_from(Duration::from_secs(1)).unwrap();
        assert_eq!(one_second.centiseconds(), 0x064);
        assert_eq!(one_second.whole_seconds(), Some(1));
        let longest = AdvertInterval::try_from(Duration::from_millis(40_950)).unwrap();
        assert_eq!(longest.centiseconds(), 0xFFF);
        assert_eq!(longest.whole_seconds(), None);
        for millis in [0, 5, 15, 40_960, 655_370] {
            let wrong = Duration::from_millis(millis);
            assert_eq!(AdvertInterval::try_from(wrong), Err(AdvertIntervalError), "{millis} ms");
        }
    }

    #[test]
    fn version_2_counts_whole_seconds() {
        assert_eq!(AdvertInterval::from_seconds(40).unwrap().duration(), Duration::from_secs(40));
        assert_eq!(AdvertInterval::from_seconds(0), Err(AdvertIntervalError));
        assert_eq!(AdvertInterval::from_seconds(41), Err(AdvertIntervalError));
        assert_eq!(AdvertInterval::from_centiseconds(10).unwrap().to_string(), "100ms");
    }
}
