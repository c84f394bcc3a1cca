//! Slow start: a server that came back gets its share by and by.

use std::time::{Duration, Instant};

/// How far a share has grown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Growth {
    elapsed: u128,
    whole: u128,
}

impl Growth {
    /// `now`, of a server that came back then and takes `slow_start` for it; none where it has all of its
    /// share.
    pub(crate) fn at(
        slow_start: Option<Duration>,
        returned: Option<Instant>,
        now: Instant,
    ) -> Option<Self> {
        let whole = slow_start?.as_nanos();
        let elapsed = now.saturating_duration_since(returned?).as_nanos();
        (elapsed < whole).then_some(Self { elapsed, whole })
    }

    /// So much of `full`, rounded down.
    pub(crate) fn part_of(self, full: u32) -> u32 {
        u32::try_from(u128::from(full) * self.elapsed / self.whole).unwrap_or(full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn a_share_grows_steadily() {
        let returned = clock::now();
        let part = |whole, millis, full| {
            let now = returned + Duration::from_millis(millis);
            Growth::at(Some(Duration::from_secs(whole)), Some(returned), now)
                .map(|growth| growth.part_of(full))
        };
        let table = [
            (10, 0, 100, Some(0)),
            (10, 99, 100, Some(0)),
            (10, 5_000, 100, Some(50)),
            (10, 9_999, 100, Some(99)),
            (10, 10_000, 100, None),
            (3, 1_000, 256 << 8, Some(21_845)),
        ];
        for (whole, millis, full, expected) in table {
            assert_eq!(part(whole, millis, full), expected, "{millis} ms of {whole} s");
        }
        assert_eq!(Growth::at(None, Some(returned), returned), None);
        assert_eq!(Growth::at(Some(Duration::from_secs(1)), None, returned), None);
    }
}
