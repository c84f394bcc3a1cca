//! How usable something is that a router tracks.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Name;

/// Whether clients can be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Usability {
    /// Not every check has answered once yet: nobody may win on this.
    Unknown,
    /// At least one backend takes new connections.
    Usable,
    /// None does, or whoever should tell is gone.
    Unusable,
}

impl fmt::Display for Usability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "unknown",
            Self::Usable => "usable",
            Self::Unusable => "unusable",
        })
    }
}

/// The health of one tracked thing, as a proxy reports it over its channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackerHealth {
    /// The proxy's name, as `track` names it.
    pub tracker: Name,
    /// Backends that take new connections.
    pub usable: usize,
    /// Backends configured.
    pub total: usize,
    /// The verdict.
    pub state: Usability,
    /// Why, in words, where the numbers do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
