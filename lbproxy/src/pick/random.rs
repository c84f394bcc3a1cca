//! Two drawn by weight, of which the one with fewer connections for its weight is taken. Nearly as
//! even as `least_conn`, and many proxies that do not know of each other do not all choose alike.

use super::Choice;
use super::least_conn::busier;

pub(super) fn order(choices: &mut [Choice], draws: &mut fastrand::Rng) {
    for place in 0..choices.len().min(2) {
        let drawn = place + draw(&choices[place..], draws);
        choices.swap(place, drawn);
    }
    if let [one, other, ..] = choices
        && busier(one, other).is_gt()
    {
        std::mem::swap(one, other);
    }
}

/// The place of one, by weight.
fn draw(choices: &[Choice], draws: &mut fastrand::Rng) -> usize {
    let total: u32 = choices.iter().map(|choice| choice.weight).sum();
    let mut point = draws.u32(0..total.max(1));
    for (place, choice) in choices.iter().enumerate() {
        match point.checked_sub(choice.weight) {
            Some(rest) => point = rest,
            None => return place,
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pick::tests::{choices, weighted};

    fn shares(all: &[Choice]) -> Vec<usize> {
        let mut draws = fastrand::Rng::with_seed(1);
        let mut seen = vec![0; all.len()];
        for _ in 0..3_000 {
            let mut all = all.to_vec();
            order(&mut all, &mut draws);
            seen[all[0].index] += 1;
        }
        seen
    }

    #[test]
    fn the_busiest_of_three_is_never_taken() {
        let seen = shares(&choices(&[5, 9, 5]));
        assert_eq!(seen[1], 0);
        assert!((1_400..=1_600).contains(&seen[0]), "{seen:?}");
    }

    #[test]
    fn the_draw_follows_the_weights() {
        let mut draws = fastrand::Rng::with_seed(1);
        let all = weighted(&[1, 2, 1]);
        let mut seen = [0; 3];
        for _ in 0..4_000 {
            seen[draw(&all, &mut draws)] += 1;
        }
        assert!((1_900..=2_100).contains(&seen[1]), "{seen:?}");
        assert!((900..=1_100).contains(&seen[0]), "{seen:?}");
    }
}
