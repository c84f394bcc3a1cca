//! What checks and agents report. Values only.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;

use super::agent::AgentReply;
use super::registry::names::Found;
use crate::net::certificate::Certificate;
use crate::plan::state::State;

/// Of what a check found so much is said, in characters: errors may quote what a server has sent.
const WORDS: usize = 500;

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
    /// The state that enough of them in a row lead to.
    pub(crate) fn proves(self) -> State {
        match self {
            Self::Pass => State::Up,
            Self::NotReady => State::Draining,
            Self::Dead => State::Down,
        }
    }
}

/// What one check found, with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) verdict: Verdict,
    /// In words: `GET /readyz answered 500 "[-]etcd failed"`.
    pub(crate) words: String,
    /// Passed only for being alive: the answer was 401 or 403.
    pub(crate) denied: bool,
    /// What the server showed over TLS, where it got that far.
    pub(crate) certificate: Option<CertificateDer<'static>>,
}

impl Outcome {
    /// `words` are cut and made printable.
    pub(crate) fn new(verdict: Verdict, words: impl AsRef<str>) -> Self {
        let clean = |character: char| if character.is_control() { ' ' } else { character };
        let words = words.as_ref().chars().map(clean).take(WORDS).collect();
        Self { verdict, words, denied: false, certificate: None }
    }

    /// It works.
    pub(crate) fn pass(words: &str) -> Self {
        Self::new(Verdict::Pass, words)
    }

    /// It does not work.
    pub(crate) fn dead(words: impl AsRef<str>) -> Self {
        Self::new(Verdict::Dead, words)
    }
}

/// The checks of a server from one start to their stop. What is reported by checks that were stopped
/// meanwhile is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CheckId(pub(crate) u64);

/// What is reported, and by which checks.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) id: CheckId,
    pub(crate) what: Reported,
}

/// What came of a check, or of a question to an agent.
#[derive(Debug)]
pub(crate) enum Reported {
    /// A check has ended.
    Checked {
        outcome: Outcome,
        /// What the certificate says that the server showed, where it did.
        certificate: Option<Arc<Certificate>>,
        /// Clients see the same: no further check is needed.
        confirmed: bool,
    },
    /// The server's agent has replied.
    Agent(AgentReply),
    /// A name was looked up: its addresses in the order in which the system prefers them, or why there are
    /// none.
    LookedUp(Result<Vec<Found>, String>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_printable_and_have_an_end() {
        assert_eq!(Outcome::dead("a\x1b[31m\r\nb").words, "a [31m  b");
        assert_eq!(Outcome::dead("ä".repeat(5_000)).words, "ä".repeat(500));
    }
}
