//! The steps of an upgrade, once this is the new binary: the proxy hands over, then the others are
//! replaced.

use std::time::Instant;

use super::{Core, Effect, Role, signal};
use crate::supervisor::notice::Notice;
use crate::supervisor::program::Program;
use crate::supervisor::slot::{Slot, SlotState};

/// What of an upgrade is still to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Upgrade {
    /// Until there is a new `lbproxy`.
    Starting,
    /// Until that serves, and it is known what `vrrpd` does.
    Proxy,
    /// Until the others have been replaced.
    Others,
}

impl Core {
    /// This is the new binary.
    pub(super) fn begin_upgrade(&mut self, effects: &mut Vec<Effect>) {
        self.upgrade = Some(Upgrade::Proxy);
        let program = Program::Lbproxy;
        if let SlotState::Running(_) = self.slot(program).state {
            self.upgrade = Some(Upgrade::Starting);
            effects.push(Effect::Start { program, role: Role::Successor });
        }
    }

    /// A process was started.
    pub(super) fn successor_started(&mut self, program: Program) {
        if program == Program::Lbproxy && self.upgrade == Some(Upgrade::Starting) {
            self.upgrade = Some(Upgrade::Proxy);
        }
    }

    /// Takes the next step, if it is time.
    pub(super) fn go_on_upgrading(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self.upgrade == Some(Upgrade::Proxy) {
            let handing = matches!(self.slot(Program::Lbproxy).state, SlotState::Handing { .. });
            // A successor of vrrpd goes on with what its ticks say.
            if !handing && self.slot(Program::Vrrpd).is_known() {
                self.upgrade = Some(Upgrade::Others);
                signal(self.slot(Program::Vrrpd).replace(), effects);
                for program in [Program::Console, Program::Runner] {
                    signal(self.slot(program).restart(program.end_limit(), now), effects);
                }
            }
        }
        if self.upgrade == Some(Upgrade::Others) && self.slots.iter().all(Slot::is_settled) {
            self.upgrade = None;
            effects.push(Effect::Say(Notice::Upgraded));
        }
    }
}
