//! The programs under supervision, and which of them a configuration has work for.

use std::fmt;
use std::time::Duration;

use config::{Config, TrackerConfig, TrackerKind};
use serde::{Deserialize, Serialize};

use crate::runner::FAREWELL;
use crate::users::Role;

/// Which program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Program {
    /// Speaks VRRP and keeps the addresses.
    Vrrpd,
    /// Balances TCP.
    Lbproxy,
    /// Runs hooks and scripts, writes the FIFO.
    Runner,
    /// Answers operators and monitoring.
    Console,
}

impl Program {
    /// All of them, in the order of their start.
    pub(super) const ALL: [Self; 4] = [Self::Vrrpd, Self::Lbproxy, Self::Runner, Self::Console];

    /// As whom it runs.
    pub(super) fn user(self) -> Role {
        match self {
            Self::Vrrpd => Role::Vrrpd,
            Self::Lbproxy => Role::Lbproxy,
            Self::Runner => Role::Runner,
            Self::Console => Role::Console,
        }
    }

    /// What it may take to end, but for what `vrrpd` waits for its peers.
    pub(super) fn end_limit(self) -> Duration {
        match self {
            Self::Vrrpd | Self::Lbproxy => Duration::from_secs(3),
            Self::Runner => Duration::from_secs(1) + FAREWELL,
            Self::Console => Duration::from_secs(1),
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vrrpd => "vrrpd",
            Self::Lbproxy => "lbproxy",
            Self::Runner => "runner",
            Self::Console => "console",
        })
    }
}

/// What a configuration has work for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) vrrpd: bool,
    pub(super) lbproxy: bool,
    pub(super) runner: bool,
    pub(super) console: bool,
    /// How long an Active router may wait for a peer to relieve it.
    pub(super) relief: Duration,
}

impl Wanted {
    /// By a configuration.
    pub(super) fn by(config: &Config) -> Self {
        let script = |tracker: &TrackerConfig| matches!(tracker.kind, TrackerKind::Script(_));
        let has_programs = config.trackers.iter().any(script) || !config.notify.is_empty();
        let longest = config.routers.iter().map(|router| router.advert_interval).max();
        Self {
            vrrpd: !config.routers.is_empty(),
            lbproxy: !config.proxies.is_empty(),
            // Hooks are told of routers.
            runner: !config.routers.is_empty() && has_programs,
            // That there is nothing else is an answer as well.
            console: true,
            relief: longest.unwrap_or_default().duration().max(Duration::from_secs(1)),
        }
    }

    /// Whether there is work for `program`.
    pub(super) fn wants(self, program: Program) -> bool {
        match program {
            Program::Vrrpd => self.vrrpd,
            Program::Lbproxy => self.lbproxy,
            Program::Runner => self.runner,
            Program::Console => self.console,
        }
    }
}
