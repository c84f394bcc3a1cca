//! An operator's order that this node rests. The supervisor remembers it: it outlives this program.

use process::control::Pause as Remembered;
use process::transaction::Transaction;
use tracing::{info, warn};

/// Whether an operator paused this node.
#[derive(Debug)]
pub(super) struct Pause {
    on: bool,
}

impl Pause {
    /// As the supervisor remembers it.
    pub(super) fn remembered(on: bool) -> Self {
        if on {
            info!(
                "paused by an operator: it takes nothing that another can serve until `vipd resume`"
            );
        }
        Self { on }
    }

    pub(super) fn is_on(&self) -> bool {
        self.on
    }

    pub(super) fn set<T>(&mut self, on: bool, supervisor: &Transaction<T>) {
        info!("{}", if on { "paused by an operator" } else { "resumed by an operator" });
        self.on = on;
        if let Err(error) = supervisor.remember(Remembered { paused: on }) {
            warn!(%error, "cannot note the pause for the next start: it counts until then");
        }
    }
}
