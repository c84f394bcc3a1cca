//! The first in the order of the file.

use super::Choice;

pub(super) fn order(choices: &mut [Choice]) {
    choices.sort_by_key(|choice| choice.index);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pick::tests::{choices, indices};

    #[test]
    fn keeps_the_files_order_whatever_the_load() {
        let mut all = choices(&[9, 0, 4]);
        order(&mut all);
        assert_eq!(indices(&all), [0, 1, 2]);
    }
}
