//! How a server is: folded from the outcomes of its checks. Pure; [`probe`] finds the outcomes.

mod agent;
mod answer;
mod bounded;
mod examine;
pub(crate) mod keeper;
pub(crate) mod kept;
pub(crate) mod probe;
mod prober;
pub(crate) mod score;
pub(crate) mod thread;
pub(crate) mod tls;
mod verifier;

use std::fmt;

pub use self::examine::{Examination, examine};
pub use self::tls::Distrust;

use serde::{Deserialize, Serialize};

/// What is known of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// No check has ended yet.
    Unknown,
    /// Takes new connections.
    Up,
    /// Alive, but says it is not ready: no new connections, old ones stay.
    Draining,
    /// Dead: no connections.
    Down,
    /// Taken out by an operator and not checked: no new connections, old ones stay.
    Maint,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Draining => "draining",
            Self::Down => "down",
            Self::Maint => "maint",
        })
    }
}

/// What comes of checks and agents.
#[derive(Debug)]
pub(crate) enum News {
    /// A check has ended.
    Checked(probe::Found),
    /// The agent of the server that this prober checks has said something.
    Said { prober: u64, said: agent::Said },
}

/// What one check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// As expected.
    Pass,
    /// It answered over HTTP that it is not ready.
    NotReady,
    /// Refused, mute, or not speaking what it should.
    Dead,
}

impl Verdict {
    fn proves(self) -> State {
        match self {
            Self::Pass => State::Up,
            Self::NotReady => State::Draining,
            Self::Dead => State::Down,
        }
    }
}

/// A server's state and the outcomes in a row that speak against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Health {
    state: State,
    passes: u32,
    failures: u32,
}

impl Health {
    /// Before the first check.
    pub(crate) const UNKNOWN: Self = Self::new(State::Unknown);

    const fn new(state: State) -> Self {
        Self { state, passes: 0, failures: 0 }
    }

    pub(crate) fn state(self) -> State {
        self.state
    }

    /// Whether outcomes speak against the state, too few of them yet.
    pub(crate) fn is_changing(self) -> bool {
        self.passes > 0 || self.failures > 0
    }

    /// Folds in one outcome. The first decides; later it takes `rise` passes in a row to come up,
    /// and `fall` failures in a row to leave `Up` or to go between `Draining` and `Down`, of which
    /// the last one names the new state.
    #[must_use]
    pub(crate) fn observe(self, verdict: Verdict, rise: u32, fall: u32) -> Self {
        let proven = verdict.proves();
        if self.state == State::Unknown || self.state == proven {
            return Self::new(proven);
        }
        let (passes, failures) = match verdict {
            Verdict::Pass => (self.passes + 1, 0),
            Verdict::NotReady | Verdict::Dead => (0, self.failures + 1),
        };
        if passes >= rise || failures >= fall {
            Self::new(proven)
        } else {
            Self { passes, failures, ..self }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// States after each of the outcomes: `p`ass, `n`ot ready, `d`ead; rise 2, fall 3.
    fn story(outcomes: &str) -> String {
        let mut health = Health::UNKNOWN;
        outcomes
            .chars()
            .map(|outcome| {
                let verdict = match outcome {
                    'p' => Verdict::Pass,
                    'n' => Verdict::NotReady,
                    _ => Verdict::Dead,
                };
                health = health.observe(verdict, 2, 3);
                match health.state() {
                    State::Unknown => '?',
                    State::Up => 'U',
                    State::Draining => 'N',
                    State::Down => 'D',
                    State::Maint => 'M',
                }
            })
            .collect()
    }

    #[test]
    fn rise_and_fall() {
        let table = [
            // The first outcome decides.
            ("p", "U"),
            ("n", "N"),
            ("d", "D"),
            // Three failures in a row, of whatever kind; the last names the state.
            ("pddd", "UUUD"),
            ("pnnn", "UUUN"),
            ("pddn", "UUUN"),
            ("pnnd", "UUUD"),
            // Not in a row.
            ("pddpddp", "UUUUUUU"),
            // Two passes in a row.
            ("dpp", "DDU"),
            ("npp", "NNU"),
            ("dpdpp", "DDDDU"),
            ("npnpp", "NNNNU"),
            // Between draining and down it takes three as well.
            ("nddd", "NNND"),
            ("dnnn", "DDDN"),
            ("nddndd", "NNNNNN"),
            ("ndpddd", "NNNNND"),
            ("dpnpp", "DDDDU"),
        ];
        for (outcomes, expected) in table {
            assert_eq!(story(outcomes), expected, "{outcomes}");
        }
    }

    #[test]
    fn one_is_enough_where_rise_and_fall_are_one() {
        let up = Health::UNKNOWN.observe(Verdict::Pass, 1, 1);
        let down = up.observe(Verdict::Dead, 1, 1);
        assert_eq!(down.state(), State::Down);
        assert_eq!(down.observe(Verdict::Pass, 1, 1).state(), State::Up);
    }
}
