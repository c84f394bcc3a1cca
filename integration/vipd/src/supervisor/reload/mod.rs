//! How a reload is decided: as one transaction over all programs. Pure: events and `now` in, effects out.
//!
//! ```text
//! Idle ─ Request ─► Read ─┬─ NoCandidate ───────────────────────────────────► Idle: refused
//!                         └─ Candidate ─► Preparing: every program is asked whether it can
//!                                 one cannot, dies or is silent ─► Abort to all ─► Idle: refused
//!                                 all can ─► Adopt, Commit to all ─► Committing
//!                                 all have, died, or were killed for silence ────► Idle: taken
//! ```
//! Until `Adopt` nothing has changed anywhere. From then on whoever starts, starts with the new one: so a
//! program that dies in the middle, or does not commit and is killed, goes over to it all the same.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use process::control::Verdict;

use super::program::Program;

/// What a program may take to say whether it can, or that it has.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// What is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    /// The files that checks name, for the configuration that is in use.
    Files,
    /// Everything.
    All,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Somebody wants a reload.
    Request(What),
    /// Whether one may begin: none does while an upgrade is under way.
    Allowed(bool),
    /// What [`Effect::Read`] asked for is right; these run, and have work in it.
    Candidate(Vec<Program>),
    /// It is not, or nothing is new.
    NoCandidate,
    /// A program was started, with the configuration that is in use.
    Started(Program),
    /// A program died.
    Died(Program),
    /// A program answered.
    Answered { program: Program, generation: u64, verdict: Verdict },
    /// Time has passed.
    Time,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Read, and tell [`Event::Candidate`] or [`Event::NoCandidate`].
    Read(What),
    /// Ask a program.
    Prepare { program: Program, generation: u64 },
    /// Let it go over.
    Commit { program: Program, generation: u64 },
    /// Let it forget.
    Abort { program: Program, generation: u64 },
    /// The candidate is the configuration in use from now on.
    Adopt { generation: u64 },
    /// Kill a program, for it neither commits nor dies.
    Kill(Program),
    /// It is over: every program has gone over.
    Taken,
    /// It is over: nothing has changed, for these reasons.
    Refused(Vec<Problem>),
}

/// Why a program does not go over to a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) program: Program,
    pub(super) words: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Idle,
    /// Somebody reads.
    Reading,
    Preparing {
        waits: BTreeSet<Program>,
        asked: BTreeSet<Program>,
        problems: Vec<Problem>,
        until: Instant,
    },
    Committing {
        waits: BTreeSet<Program>,
        until: Instant,
    },
}

/// The coordinator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reload {
    /// Of the configuration in use, or of the candidate while there is one.
    generation: u64,
    state: State,
    /// What is wanted when this one is over.
    pending: Option<What>,
    allowed: bool,
}

impl Reload {
    /// `generation` is in use.
    pub(super) fn new(generation: u64) -> Self {
        Self { generation, state: State::Idle, pending: None, allowed: true }
    }

    /// Takes what happened; returns what to do, in order.
    #[must_use]
    pub(super) fn handle(&mut self, event: Event, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Request(what) => self.pending = self.pending.max(Some(what)),
            Event::Allowed(allowed) => self.allowed = allowed,
            Event::Candidate(programs) => self.prepare(programs, now, &mut effects),
            Event::NoCandidate => self.state = State::Idle,
            Event::Started(program) => self.started(program, &mut effects),
            Event::Died(program) => self.died(program),
            Event::Answered { program, generation, verdict } if generation == self.generation => {
                self.answered(program, verdict, &mut effects);
            }
            // Of one that is over.
            Event::Answered { .. } => {}
            Event::Time => self.expire(now, &mut effects),
        }
        self.decide(now, &mut effects);
        if self.state == State::Idle
            && self.allowed
            && let Some(what) = self.pending.take()
        {
            self.state = State::Reading;
            effects.push(Effect::Read(what));
        }
        effects
    }

    /// When [`Event::Time`] has work to do next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Idle | State::Reading => None,
            State::Preparing { until, .. } | State::Committing { until, .. } => Some(until),
        }
    }

    /// Whether none is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.state == State::Idle
    }

    fn prepare(&mut self, programs: Vec<Program>, now: Instant, effects: &mut Vec<Effect>) {
        self.generation += 1;
        let generation = self.generation;
        let waits: BTreeSet<Program> = programs.into_iter().collect();
        effects
            .extend(waits.iter().map(|program| Effect::Prepare { program: *program, generation }));
        let (asked, problems, until) = (waits.clone(), Vec::new(), now + ANSWER_LIMIT);
        self.state = State::Preparing { waits, asked, problems, until };
    }

    /// One that starts while the others are asked is asked as well; later ones start with the new one.
    fn started(&mut self, program: Program, effects: &mut Vec<Effect>) {
        let generation = self.generation;
        if let State::Preparing { waits, asked, .. } = &mut self.state {
            waits.insert(program);
            asked.insert(program);
            effects.push(Effect::Prepare { program, generation });
        }
    }

    fn died(&mut self, program: Program) {
        match &mut self.state {
            State::Preparing { waits, asked, problems, .. } => {
                if asked.remove(&program) {
                    waits.remove(&program);
                    problems.push(Problem { program, words: "died meanwhile".to_owned() });
                }
            }
            State::Committing { waits, .. } => {
                waits.remove(&program);
            }
            State::Idle | State::Reading => {}
        }
    }

    fn answered(&mut self, program: Program, verdict: Verdict, effects: &mut Vec<Effect>) {
        match (&mut self.state, verdict) {
            (State::Preparing { waits, .. }, Verdict::Prepared) => {
                waits.remove(&program);
            }
            (State::Preparing { waits, problems, .. }, Verdict::Refused(words)) => {
                if waits.remove(&program) {
                    problems.push(Problem { program, words });
                }
            }
            (State::Committing { waits, .. }, Verdict::Committed) => {
                waits.remove(&program);
            }
            // It said before that it could.
            (State::Committing { waits, .. }, Verdict::Refused(_)) => {
                if waits.remove(&program) {
                    effects.push(Effect::Kill(program));
                }
            }
            (State::Preparing { .. }, Verdict::Committed)
            | (State::Committing { .. }, Verdict::Prepared)
            | (State::Idle | State::Reading, _) => {}
        }
    }

    fn expire(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        match &mut self.state {
            State::Preparing { waits, problems, .. } => {
                let words = format!("did not answer within {ANSWER_LIMIT:?}");
                let silent = std::mem::take(waits).into_iter();
                problems.extend(silent.map(|program| Problem { program, words: words.clone() }));
            }
            State::Committing { waits, .. } => {
                effects.extend(std::mem::take(waits).into_iter().map(Effect::Kill));
            }
            State::Idle | State::Reading => {}
        }
    }

    /// Goes on once nobody is waited for.
    fn decide(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let generation = self.generation;
        match &mut self.state {
            State::Preparing { waits, asked, problems, .. } if waits.is_empty() => {
                let (asked, problems) = (std::mem::take(asked), std::mem::take(problems));
                if problems.is_empty() {
                    effects.push(Effect::Adopt { generation });
                    let commit =
                        |program: &Program| Effect::Commit { program: *program, generation };
                    effects.extend(asked.iter().map(commit));
                    self.state = State::Committing { waits: asked, until: now + ANSWER_LIMIT };
                    return self.decide(now, effects);
                }
                let abort = |program| Effect::Abort { program, generation };
                effects.extend(asked.into_iter().map(abort));
                effects.push(Effect::Refused(problems));
                self.state = State::Idle;
            }
            State::Committing { waits, .. } if waits.is_empty() => {
                effects.push(Effect::Taken);
                self.state = State::Idle;
            }
            State::Preparing { .. } | State::Committing { .. } | State::Idle | State::Reading => {}
        }
    }
}

#[cfg(test)]
mod tests;
