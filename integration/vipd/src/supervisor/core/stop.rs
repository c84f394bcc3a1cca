//! The end: the addresses first, in order, while the proxy still serves; then the programs one by one.

use std::time::Instant;

use super::{Core, Effect, release, signal};
use crate::supervisor::instance::Exit;
use crate::supervisor::notice::Notice;
use crate::supervisor::program::Program;

/// Who ends after whom.
const ORDER: [Program; 4] = [Program::Vrrpd, Program::Lbproxy, Program::Console, Program::Runner];

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stop {
    /// Where in [`ORDER`].
    place: usize,
    /// That program has been told.
    begun: bool,
    clean: bool,
}

impl Stop {
    /// A program has ended. A node whose helpers fail has handed its addresses over all the same.
    pub(super) fn exited(&mut self, program: Program, exit: Exit) {
        let counts = matches!(program, Program::Vrrpd | Program::Lbproxy);
        self.clean &= exit.is_clean() || !counts;
    }
}

impl Core {
    /// Told to end; told again, everything ends at once.
    pub(super) fn begin_stop(&mut self, effects: &mut Vec<Effect>) {
        if self.stop.is_some() {
            effects.push(Effect::Say(Notice::StoppingAtOnce));
            return effects.extend([Effect::ReleaseAll, Effect::ExitAtOnce]);
        }
        effects.push(Effect::Say(Notice::Stopping));
        self.upgrade = None;
        self.slots.iter_mut().for_each(|slot| slot.start_no_more());
        // No successor will go on with them.
        release(self.abandoned.take(), effects);
        self.stop = Some(Stop { place: 0, begun: false, clean: true });
    }

    /// Each step begins when the one before is over.
    pub(super) fn go_on_stopping(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        while let Some(stop) = self.stop
            && let Some(program) = ORDER.get(stop.place).copied()
        {
            if !stop.begun {
                self.terminate(program, now, effects);
            }
            let gone = self.is_gone(program);
            let place = if gone { stop.place + 1 } else { stop.place };
            self.stop = Some(Stop { place, begun: !gone, ..stop });
            if !gone {
                return;
            }
            if place == ORDER.len() {
                effects.push(Effect::Exit { clean: stop.clean });
            }
        }
    }

    fn terminate(&mut self, program: Program, now: Instant, effects: &mut Vec<Effect>) {
        let limit = self.end_limit(program, self.wanted.relief);
        signal(self.slot(program).unwant(limit, now), effects);
        if program == Program::Lbproxy {
            let retired = self.retired.iter_mut();
            let told = retired.filter_map(|one| Some((one.pid, one.terminate(limit, now)?)));
            signal(told.collect(), effects);
        }
    }

    fn is_gone(&mut self, program: Program) -> bool {
        let alone = program != Program::Lbproxy || self.retired.is_empty();
        alone && self.slot(program).is_empty()
    }
}
