//! What happens to the pair and when, from a seed. Pure: the same seed tells the same story.

use std::time::Duration;

use fastrand::Rng;
use strum::VariantArray;

use super::disturbance::Disturbance;

/// Time between two disturbances, in milliseconds.
const PAUSE: std::ops::RangeInclusive<u64> = 100..=3_000;

/// Disturbances until everything is healed.
const STORM: std::ops::RangeInclusive<usize> = 2..=8;

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Time since the one before.
    pub(super) pause: Duration,
    pub(super) what: Disturbance,
    /// The place of the node that it happens to: 0 or 1.
    pub(super) node: usize,
    /// The place of the backend that it happens to: 0, 1 or 2.
    pub(super) backend: usize,
}

/// Storms without end.
#[derive(Clone, Debug)]
pub(super) struct Plan(Rng);

impl Plan {
    /// The storms of a seed.
    pub(super) fn new(seed: u64) -> Self {
        Self(Rng::with_seed(seed))
    }

    /// What happens until the next quiet.
    pub(super) fn storm(&mut self) -> Vec<Step> {
        let steps = self.0.usize(STORM);
        (0..steps).map(|_| self.step()).collect()
    }

    fn step(&mut self) -> Step {
        let kinds = Disturbance::VARIANTS;
        Step {
            pause: Duration::from_millis(self.0.u64(PAUSE)),
            what: kinds[self.0.usize(..kinds.len())],
            node: self.0.usize(..2),
            backend: self.0.usize(..3),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_seed_tells_one_story() {
        let story = |seed| {
            let mut plan = Plan::new(seed);
            (0..50).map(|_| plan.storm()).collect::<Vec<_>>()
        };
        assert_eq!(story(7), story(7));
        assert_ne!(story(7), story(8));
    }

    #[test]
    fn everything_happens_at_its_pace_to_everybody() {
        let mut plan = Plan::new(1);
        let steps: Vec<Step> = (0..500).flat_map(|_| plan.storm()).collect();
        assert!((1_000..=4_000).contains(&steps.len()), "{}", steps.len());
        let short = steps.iter().filter(|step| step.pause < Duration::from_millis(100));
        let long = steps.iter().filter(|step| step.pause > Duration::from_secs(3));
        assert_eq!((short.count(), long.count()), (0, 0));
        let kinds: BTreeSet<&str> = steps.iter().map(|step| step.what.into()).collect();
        assert_eq!(kinds.len(), 40);
        let places: BTreeSet<_> = steps.iter().map(|step| (step.node, step.backend)).collect();
        assert_eq!(places.len(), 6);
    }
}
