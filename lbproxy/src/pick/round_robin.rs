//! Each in turn, as often as its weight says and never in bursts: smooth weighted round robin, as
//! nginx has it. Every server's credit grows by its weight; the richest pays for all.

use std::cmp::Reverse;

use super::Choice;

/// The credit of every server, by its place in the set. Only differences count, so that a server
/// that is away for a while needs no care.
#[derive(Debug, Default)]
pub(super) struct Rotation {
    credit: Vec<i64>,
}

impl Rotation {
    pub(super) fn order(&mut self, choices: &mut [Choice]) {
        let mut total = 0;
        for choice in choices.iter() {
            let credit = self.credit(choice.index);
            *credit += i64::from(choice.weight);
            total += i64::from(choice.weight);
        }
        // Equals stay in the order of the file.
        choices.sort_by_key(|choice| Reverse(*self.credit(choice.index)));
        if let Some(chosen) = choices.first() {
            *self.credit(chosen.index) -= total;
        }
    }

    fn credit(&mut self, place: usize) -> &mut i64 {
        if self.credit.len() <= place {
            self.credit.resize(place + 1, 0);
        }
        &mut self.credit[place]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pick::tests::{choices, indices, weighted};

    #[test]
    fn the_next_begins_and_the_others_follow() {
        let mut rotation = Rotation::default();
        for expected in [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 1, 2]] {
            let mut all = choices(&[0, 0, 0]);
            rotation.order(&mut all);
            assert_eq!(indices(&all), expected);
        }
    }

    fn turns(weights: &[u32], count: usize) -> Vec<usize> {
        let mut rotation = Rotation::default();
        let next = |_| {
            let mut all = weighted(weights);
            rotation.order(&mut all);
            all[0].index
        };
        (0..count).map(next).collect()
    }

    #[test]
    fn a_heavy_server_is_not_chosen_in_bursts() {
        // nginx's own example, 5 : 1 : 1.
        assert_eq!(turns(&[5, 1, 1], 7), [0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(turns(&[1, 2], 6), [1, 0, 1, 1, 0, 1]);
    }

    #[test]
    fn shares_are_exact_over_a_round() {
        let chosen = turns(&[256, 100, 1], 357);
        let count = |index| chosen.iter().filter(|chosen| **chosen == index).count();
        assert_eq!([count(0), count(1), count(2)], [256, 100, 1]);
    }

    #[test]
    fn one_that_comes_back_gets_its_share_and_no_more() {
        let mut rotation = Rotation::default();
        for _ in 0..10 {
            rotation.order(&mut choices(&[0, 0])[..1]);
        }
        let mut seen = [0; 2];
        for _ in 0..10 {
            let mut all = choices(&[0, 0]);
            rotation.order(&mut all);
            seen[all[0].index] += 1;
        }
        assert_eq!(seen, [5, 5]);
    }
}
