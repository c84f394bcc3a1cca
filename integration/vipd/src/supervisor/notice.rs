//! What the supervisor's decisions say in the log.

use std::time::Duration;

use tracing::{error, info, warn};
use vocabulary::RouterId;

use super::instance::Exit;
use super::program::Program;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    /// A program died by itself.
    Died { program: Program, exit: Exit, pause: Duration },
    /// The system gave no process.
    NotStarted { program: Program, error: String, pause: Duration },
    /// It ended for its successor, as it should.
    Replaced { program: Program },
    /// A successor died before it served.
    SuccessorDied { program: Program, exit: Exit },
    /// No successor could be started.
    NoSuccessor { program: Program, error: String },
    /// The `lbproxy` of before an upgrade died before its successor served.
    PredecessorDied { exit: Exit },
    /// It has served its last connection.
    RetiredEnded { exit: Exit },
    /// A program that was told to end did so in disorder.
    NotInOrder { program: Program, exit: Exit },
    /// A peer may have the router's addresses before a successor of `vrrpd` could.
    TooLate { router: RouterId },
    /// Told to end.
    Stopping,
    /// Told so again.
    StoppingAtOnce,
    /// Every program is of the new release.
    Upgraded,
}

impl Notice {
    /// Writes it.
    pub(super) fn log(&self) {
        match self {
            Self::Died { program, exit, pause } => {
                error!(%program, %exit, "a program died; it is started again {}", when(*pause));
            }
            Self::NotStarted { program, error, pause } => {
                error!(%program, %error, "cannot start a program; trying again in {pause:?}");
            }
            Self::Replaced { program } => info!(%program, "ended for its successor"),
            Self::SuccessorDied { program, exit } => {
                error!(%program, %exit, "the new program died before it served; the old one goes on");
            }
            Self::NoSuccessor { program, error } => {
                error!(%program, %error, "cannot start the new program; the old one goes on");
            }
            Self::PredecessorDied { exit } => {
                warn!(%exit, "the lbproxy of before the upgrade ended early");
            }
            Self::RetiredEnded { exit } => {
                info!(%exit, "the lbproxy of before an upgrade has ended");
            }
            Self::NotInOrder { program, exit } => {
                warn!(%program, %exit, "did not end in order");
            }
            Self::TooLate { router } => {
                info!(%router, "too late to go on as Active: a peer takes over");
            }
            Self::Stopping => {
                info!("told to end: handing the addresses over, then ending the proxy");
            }
            Self::StoppingAtOnce => warn!("told to end again: ending everything at once"),
            Self::Upgraded => info!("upgraded"),
        }
    }
}

fn when(pause: Duration) -> String {
    if pause.is_zero() { "at once".to_owned() } else { format!("in {pause:?}") }
}
