//! The one with the fewest connections; equals take turns.

use super::{Choice, round_robin};

pub(super) fn order(choices: &mut [Choice], turn: usize) {
    round_robin::order(choices, turn);
    choices.sort_by_key(|choice| choice.live);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pick::tests::{choices, indices};

    #[test]
    fn fewest_first_and_ties_rotate() {
        let table = [
            ([3, 1, 2], 0, [1, 2, 0]),
            ([1, 1, 1], 0, [0, 1, 2]),
            ([1, 1, 1], 1, [1, 2, 0]),
            ([1, 5, 1], 2, [2, 0, 1]),
        ];
        for (live, turn, expected) in table {
            let mut all = choices(&live);
            order(&mut all, turn);
            assert_eq!(indices(&all), expected, "{live:?} turn {turn}");
        }
    }
}
