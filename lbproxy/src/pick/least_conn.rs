//! The one with the fewest connections for its weight; equals take turns.

use std::cmp::Ordering;

use super::Choice;
use super::round_robin::Rotation;

pub(super) fn order(choices: &mut [Choice], rotation: &mut Rotation) {
    rotation.order(choices);
    choices.sort_by(busier);
}

/// Compares what each would have with one connection more: `(live + 1) / weight`.
pub(super) fn busier(one: &Choice, other: &Choice) -> Ordering {
    let share = |choice: &Choice, weight: u32| (u64::from(choice.live) + 1) * u64::from(weight);
    share(one, other.weight).cmp(&share(other, one.weight))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pick::tests::{choices, indices, weighted};

    #[test]
    fn fewest_first_and_ties_rotate() {
        let table = [
            ([3, 1, 2], 0, [1, 2, 0]),
            ([1, 1, 1], 0, [0, 1, 2]),
            ([1, 1, 1], 1, [1, 2, 0]),
            ([1, 5, 1], 2, [2, 0, 1]),
        ];
        for (live, turns, expected) in table {
            let mut rotation = Rotation::default();
            for _ in 0..turns {
                rotation.order(&mut choices(&live));
            }
            let mut all = choices(&live);
            order(&mut all, &mut rotation);
            assert_eq!(indices(&all), expected, "{live:?} turn {turns}");
        }
    }

    #[test]
    fn connections_fill_up_as_the_weights_say() {
        let mut rotation = Rotation::default();
        let mut live = [0, 0, 0];
        for _ in 0..14 {
            let mut all = weighted(&[4, 2, 1]);
            for choice in &mut all {
                choice.live = live[choice.index];
            }
            order(&mut all, &mut rotation);
            live[all[0].index] += 1;
        }
        assert_eq!(live, [8, 4, 2]);
    }
}
