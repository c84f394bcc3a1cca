//! The election's times (RFC 9568 §6.1, RFC 3768 §6.1), in nanoseconds, divided last.

use std::time::Duration;

use vocabulary::{AdvertInterval, Priority};

use super::Version;

/// Adverts that may be missed before an Active router counts as gone.
pub const MISSED_ADVERTS: u32 = 3;

/// Skew_Time: the lower the priority, the longer a Backup waits after the others.
///
/// Version 3 takes the part of the Active router's interval, version 2 of a second.
#[must_use]
pub fn skew_time(version: Version, priority: Priority, interval: AdvertInterval) -> Duration {
    let whole = match version {
        Version::V2 => Duration::from_secs(1),
        Version::V3 => interval.duration(),
    };
    whole * (256 - u32::from(priority.get())) / 256
}

/// Active_Down_Interval: silence of the Active router after which a Backup takes over.
#[must_use]
pub fn active_down_interval(
    version: Version,
    priority: Priority,
    interval: AdvertInterval,
) -> Duration {
    interval.duration() * MISSED_ADVERTS + skew_time(version, priority, interval)
}

/// The soonest that any peer can take over after our last advert, whatever its priority.
#[must_use]
pub fn soonest_takeover(interval: AdvertInterval) -> Duration {
    interval.duration() * MISSED_ADVERTS
}

/// How long a resigning router keeps its addresses when no peer is heard: the longest skew there
/// is, and time for a peer on a busy machine.
#[must_use]
pub fn relief_limit(version: Version, interval: AdvertInterval) -> Duration {
    const MARGIN: Duration = Duration::from_millis(200);
    skew_time(version, Priority::UNUSABLE, interval) + MARGIN
}

#[cfg(test)]
mod tests {
    use super::*;

    fn priority(number: u8) -> Priority {
        Priority::try_from(number).unwrap()
    }

    fn interval(centiseconds: u16) -> AdvertInterval {
        AdvertInterval::from_centiseconds(centiseconds).unwrap()
    }

    #[test]
    fn skew_time_loses_nothing_to_rounding() {
        // By hand: (256 - priority) * interval / 256.
        for (number, centiseconds, nanos) in [
            (100, 100, 609_375_000),
            (200, 100, 218_750_000),
            (254, 100, 7_812_500),
            (254, 1, 78_125),
            (100, 10, 60_937_500),
            (100, 1, 6_093_750),
            (1, 4095, 40_790_039_062),
        ] {
            let skew = skew_time(Version::V3, priority(number), interval(centiseconds));
            assert_eq!(skew, Duration::from_nanos(nanos), "{number} {centiseconds}");
        }
    }

    #[test]
    fn version_2_takes_its_skew_from_a_second() {
        // RFC 3768 §6.1: (256 - 100) / 256 s, whatever the interval.
        let skew = skew_time(Version::V2, priority(100), interval(500));
        assert_eq!(skew, Duration::from_nanos(609_375_000));
        let down = active_down_interval(Version::V2, priority(100), interval(500));
        assert_eq!(down, Duration::from_nanos(15_609_375_000));
    }

    #[test]
    fn the_down_interval_is_three_adverts_and_the_skew() {
        for (number, centiseconds, nanos) in [
            (100, 100, 3_609_375_000),
            (200, 100, 3_218_750_000),
            (254, 100, 3_007_812_500),
            (100, 10, 360_937_500),
            (100, 1, 36_093_750),
        ] {
            let down = active_down_interval(Version::V3, priority(number), interval(centiseconds));
            assert_eq!(down, Duration::from_nanos(nanos), "{number} {centiseconds}");
        }
    }

    #[test]
    fn a_resigning_router_outwaits_every_skew() {
        // Priority 1: 255/256 of the interval, plus 200 ms.
        assert_eq!(relief_limit(Version::V3, interval(10)), Duration::from_nanos(299_609_375));
        assert_eq!(relief_limit(Version::V2, interval(100)), Duration::from_nanos(1_196_093_750));
    }
}
