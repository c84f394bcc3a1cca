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
                error!(%program, %exit, restart_in = ?pause, "a program died");
            }
            Self::NotStarted { program, error, pause } => {
                error!(%program, %error, retry_in = ?pause, "cannot start a program");
            }
            Self::Replaced { program } => info!(%program, "ended: its successor serves"),
            Self::SuccessorDied { program, exit } => {
                error!(%program, %exit, "the successor died before it served: its predecessor goes on");
            }
            Self::NoSuccessor { program, error } => {
                error!(%program, %error, "cannot start the successor: its predecessor goes on");
            }
            Self::PredecessorDied { exit } => {
                warn!(program = "lbproxy", %exit, "the predecessor died before its successor served");
            }
            Self::RetiredEnded { exit } => {
                info!(program = "lbproxy", %exit, "the predecessor has served its last connection");
            }
            Self::NotInOrder { program, exit } => {
                warn!(%program, %exit, "a program did not end in order");
            }
            Self::TooLate { router: RouterId { name, family } } => {
                warn!(router = %name, %family, "too late to go on as Active: a peer takes over");
            }
            Self::Stopping => {
                info!("stopping: hands the addresses over, then ends the proxy");
            }
            Self::StoppingAtOnce => info!("stopping at once: asked again"),
            Self::Upgraded => info!("upgraded"),
        }
    }
}
