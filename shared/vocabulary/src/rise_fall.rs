//! `rise` and `fall`: how many results in a row change what is believed, for servers, scripts and gateways.

use std::num::NonZeroU32;

/// What is believed of something that is checked, and how many results in a row say otherwise.
///
/// `S` is what a result may prove. The first result decides; later it takes `rise` good ones in a row to
/// leave a state for a better one, and `fall` bad ones in a row, of whatever kind, to leave it for a worse
/// or another bad one, of which the last names the new state (as in HAProxy and keepalived).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RiseFall<S> {
    state: Option<S>,
    /// Results in a row against the state, and whether they are good ones.
    against: u32,
    good: bool,
}

/// How many results in a row it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Good ones.
    pub rise: NonZeroU32,
    /// Bad ones.
    pub fall: NonZeroU32,
}

impl<S: Copy + PartialEq> RiseFall<S> {
    /// Nothing is believed: the first result decides.
    #[must_use]
    pub const fn unknown() -> Self {
        Self { state: None, against: 0, good: false }
    }

    /// `state` is believed until enough results say otherwise.
    #[must_use]
    pub const fn starting_as(state: S) -> Self {
        Self { state: Some(state), against: 0, good: false }
    }

    /// What is believed, once there is something.
    #[must_use]
    pub fn state(&self) -> Option<S> {
        self.state
    }

    /// Whether results speak against the state, too few of them yet.
    #[must_use]
    pub fn is_changing(&self) -> bool {
        self.against > 0
    }

    /// Counts a result that proves `proven`, which is good or bad; returns the state if it is a new one.
    pub fn observe(&mut self, proven: S, good: bool, needed: Thresholds) -> Option<S> {
        if self.state == Some(proven) {
            self.against = 0;
            return None;
        }
        self.against = if self.good == good { self.against.saturating_add(1) } else { 1 };
        self.good = good;
        let needed = match self.state {
            None => 1,
            Some(_) if good => needed.rise.get(),
            Some(_) => needed.fall.get(),
        };
        if self.against < needed {
            return None;
        }
        *self = Self::starting_as(proven);
        self.state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thresholds(rise: u32, fall: u32) -> Thresholds {
        let count = |number| NonZeroU32::new(number).unwrap();
        Thresholds { rise: count(rise), fall: count(fall) }
    }

    /// What is believed after each result: `+` usable, `-` not.
    fn two_states(rise: u32, fall: u32, initially: Option<bool>, results: &str) -> String {
        let mut belief = initially.map_or_else(RiseFall::unknown, RiseFall::starting_as);
        let observe = |result: char| {
            let usable = result == '+';
            belief.observe(usable, usable, thresholds(rise, fall));
            if belief.state() == Some(true) { '+' } else { '-' }
        };
        results.chars().map(observe).collect()
    }

    #[test]
    fn as_many_in_a_row_as_asked_for_change_it() {
        assert_eq!(two_states(1, 1, None, "+-+-"), "+-+-");
        assert_eq!(two_states(2, 3, None, "+--+---+-++"), "++++++----+");
        assert_eq!(two_states(2, 1, Some(false), "+-++"), "---+");
        assert_eq!(two_states(1, 2, Some(true), "-+--"), "+++-");
    }

    /// The state after each of `u`p, `n`ot ready, `d`own; rise 2, fall 3.
    fn three_states(results: &str) -> String {
        let mut belief = RiseFall::unknown();
        let observe = |result: char| {
            belief.observe(result, result == 'u', thresholds(2, 3));
            belief.state().unwrap()
        };
        results.chars().map(observe).collect()
    }

    #[test]
    fn bad_ones_count_together_and_the_last_names_the_state() {
        let table = [
            ("u", "u"),
            ("n", "n"),
            ("d", "d"),
            ("uddd", "uuud"),
            ("unnn", "uuun"),
            ("uddn", "uuun"),
            ("unnd", "uuud"),
            ("udduddu", "uuuuuuu"),
            ("duu", "ddu"),
            ("nuu", "nnu"),
            ("duduu", "ddddu"),
            ("nddd", "nnnd"),
            ("dnnn", "dddn"),
            ("nddndd", "nnnnnn"),
            ("nduddd", "nnnnnd"),
            ("dunuu", "ddddu"),
        ];
        for (results, expected) in table {
            assert_eq!(three_states(results), expected, "{results}");
        }
    }

    #[test]
    fn only_news_is_returned() {
        let mut belief = RiseFall::unknown();
        let mut observe = |usable| belief.observe(usable, usable, thresholds(2, 2));
        let news = [true, true, false, false, false, true, true].map(&mut observe);
        assert_eq!(news, [Some(true), None, None, Some(false), None, None, Some(true)]);
        assert!(!belief.is_changing());
    }
}
