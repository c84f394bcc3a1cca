//! How a server is, and what an operator makes of it.

use serde::{Deserialize, Serialize};

/// What is known of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, Serialize, Deserialize)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// No check has ended yet.
    Unknown,
    /// Takes new connections.
    Up,
    /// Alive, but says it is not ready: no new connections, old ones stay.
    Draining,
    /// Dead: no connections.
    Down,
    /// Taken out by an operator and not checked: no new connections, old ones stay.
    Maint,
}

/// An operator's word on a server. It holds over reloads, until the next one or the end of the
/// process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// As its checks say.
    Ready,
    /// No new connections; old ones stay, and checks go on.
    Drain,
    /// The same without checks.
    Maint,
    /// Its share of the connections, 0 to 256, in the place of the file's.
    Weight(u16),
}

/// What an operator made of a server.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, strum::Display, Serialize, Deserialize,
)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It is used as its checks say.
    Ready,
    /// It gets no new connections.
    Drain,
    /// It gets no new connections and is not checked.
    Maint,
}
