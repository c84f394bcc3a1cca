//! How many results in a row change what is believed. Pure.

use std::num::NonZeroU32;

use vocabulary::{Name, TrackerHealth, Usability};

/// What is believed, and how many results in a row say otherwise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Streak {
    rise: NonZeroU32,
    fall: NonZeroU32,
    usable: Option<bool>,
    /// Results in a row against what is believed.
    against: u32,
}

impl Streak {
    /// Believes `initially`; if that is nothing, the first result.
    pub(super) fn new(rise: NonZeroU32, fall: NonZeroU32, initially: Option<bool>) -> Self {
        Self { rise, fall, usable: initially, against: 0 }
    }

    /// Counts one result.
    pub(super) fn count(&mut self, success: bool) {
        let Some(usable) = self.usable else {
            self.usable = Some(success);
            return;
        };
        if success == usable {
            self.against = 0;
            return;
        }
        self.against += 1;
        let needed = if success { self.rise } else { self.fall };
        if self.against >= needed.get() {
            self.usable = Some(success);
            self.against = 0;
        }
    }

    /// What is believed, once there is something; `why` is the last result in words.
    pub(super) fn health(&self, tracker: &Name, why: &str) -> Option<TrackerHealth> {
        let usable = self.usable?;
        let (state, reason) = match usable {
            true => (Usability::Usable, None),
            false => (Usability::Unusable, (!why.is_empty()).then(|| why.to_owned())),
        };
        let (tracker, usable) = (tracker.clone(), usize::from(usable));
        Some(TrackerHealth { tracker, usable, total: 1, state, reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beliefs(rise: u32, fall: u32, initially: Option<bool>, results: &str) -> String {
        let count = |number| NonZeroU32::new(number).unwrap();
        let mut streak = Streak::new(count(rise), count(fall), initially);
        let mut seen = String::new();
        for result in results.chars() {
            streak.count(result == '+');
            seen.push(match streak.usable {
                None => '?',
                Some(true) => '+',
                Some(false) => '-',
            });
        }
        seen
    }

    #[test]
    fn as_many_in_a_row_as_asked_for_change_it() {
        assert_eq!(beliefs(1, 1, None, "+-+-"), "+-+-");
        assert_eq!(beliefs(2, 3, None, "+--+---+-++"), "++++++----+");
        assert_eq!(beliefs(2, 1, Some(false), "+-++"), "---+");
        assert_eq!(beliefs(1, 2, Some(true), "-+--"), "+++-");
    }
}
