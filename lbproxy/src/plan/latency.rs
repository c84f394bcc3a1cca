//! How long things took, counted by how long.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The upper bounds of the counts, in microseconds; one more count is of what took longer.
pub const BOUNDS_MICROS: [u64; 11] =
    [1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000];

/// Counts that several threads raise, once for each thing that took time.
#[derive(Debug, Default)]
pub(crate) struct Latencies {
    counts: [AtomicU64; BOUNDS_MICROS.len() + 1],
    sum_micros: AtomicU64,
}

/// The counts at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// How many took as long as each of [`BOUNDS_MICROS`] at most and longer than the one before it;
    /// the last is of those beyond all.
    pub counts: Vec<u64>,
    /// What they took together, in microseconds.
    pub sum_micros: u64,
}

impl Latencies {
    pub(crate) fn observe(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let place = BOUNDS_MICROS.partition_point(|bound| *bound < micros);
        if let Some(count) = self.counts.get(place) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_micros.fetch_add(micros, Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> Latency {
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        Latency { counts, sum_micros: self.sum_micros.load(Ordering::Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_is_counted_at_its_bound() {
        let latencies = Latencies::default();
        for micros in [0, 1_000, 1_001, 2_500_000, 2_500_001, 60_000_000] {
            latencies.observe(Duration::from_micros(micros));
        }
        let Latency { counts, sum_micros } = latencies.now();
        assert_eq!(counts, [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(sum_micros, 65_002_002);
    }
}
