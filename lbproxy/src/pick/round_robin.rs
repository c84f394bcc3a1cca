//! Each in turn.

use super::Choice;

pub(super) fn order(choices: &mut [Choice], turn: usize) {
    if !choices.is_empty() {
        let start = turn % choices.len();
        choices.rotate_left(start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pick::tests::{choices, indices};

    #[test]
    fn the_next_begins_and_the_others_follow() {
        for (turn, expected) in [(0, [0, 1, 2]), (1, [1, 2, 0]), (2, [2, 0, 1]), (3, [0, 1, 2])] {
            let mut all = choices(&[0, 0, 0]);
            order(&mut all, turn);
            assert_eq!(indices(&all), expected, "turn {turn}");
        }
    }
}
