//! Who is told when a router's state changes: hooks, and a FIFO.
//!
//! [`check`] makes them of what the file says.

pub(super) mod check;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::CommandLine;
use vocabulary::Name;

/// Who is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotifyConfig {
    /// The hooks of each `[[vrrp]]` table that has any.
    pub hooks: BTreeMap<Name, HooksConfig>,
    /// A named pipe that gets a line for each change.
    pub fifo: Option<FifoConfig>,
}

impl NotifyConfig {
    /// Whether nobody is told.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hooks.is_empty() && self.fifo.is_none()
    }
}

/// The hooks of a `[[vrrp]]` table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HooksConfig {
    /// The user they run as; none: the hooks' own.
    pub user: Option<String>,
    /// One that runs longer is killed, with everything it started.
    pub timeout: Duration,
    /// One that fails is run again until it works or the state changes.
    pub retry: bool,
    /// Run for every state, after that state's own.
    pub any: Option<CommandLine>,
    /// Run when the router has become Active.
    pub active: Option<CommandLine>,
    /// Run when the router has become Backup.
    pub backup: Option<CommandLine>,
    /// Run when the router's interface or its address is gone.
    pub fault: Option<CommandLine>,
    /// Run when the router has ended.
    pub stop: Option<CommandLine>,
    /// Run when another router that was Active at the same time has yielded.
    pub contested: Option<CommandLine>,
}

/// A named pipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FifoConfig {
    /// Its absolute path.
    pub path: PathBuf,
    /// The user who may read it; none: the hooks' own.
    pub user: Option<String>,
}
