//! What routers' priorities follow besides proxies.
//!
//! [`check`] makes them of what the file says.

pub(super) mod check;
mod gateway;
mod script;

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use super::CommandLine;
use vocabulary::{InterfaceName, Name};

/// A tracker, ready to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackerConfig {
    /// Its name, as `track` names it.
    pub name: Name,
    /// What is watched.
    pub kind: TrackerKind,
}

/// What is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrackerKind {
    /// Usable while the interface is up and has carrier.
    Interface(InterfaceName),
    /// Usable while a process runs whose name in `/proc/PID/comm` is this, at most 15 bytes.
    Process(String),
    /// The number in a file; 0 while there is none.
    File(PathBuf),
    /// Usable while a program that is run again and again ends with 0.
    Script(ScriptConfig),
    /// Usable while a neighbour answers ARP or Neighbor Discovery.
    Gateway(GatewayConfig),
}

/// A neighbour that is asked for its MAC address again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayConfig {
    /// The neighbour.
    pub address: IpAddr,
    /// The interface it is reached through.
    pub interface: InterfaceName,
    /// From one question to the next.
    pub interval: Duration,
    /// An answer that takes longer counts as none; at most the interval.
    pub timeout: Duration,
    /// Answers in a row that make it usable.
    pub rise: NonZeroU32,
    /// Questions in a row without an answer that make it unusable.
    pub fall: NonZeroU32,
}

/// A program whose exit code tells whether something is usable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptConfig {
    /// What is run; never two at once.
    pub command: CommandLine,
    /// As whom; none: as the hooks' own user.
    pub user: Option<String>,
    /// From one start to the next.
    pub interval: Duration,
    /// One that runs longer is killed, and counts as failed.
    pub timeout: Duration,
    /// Successes in a row that make it usable.
    pub rise: NonZeroU32,
    /// Failures in a row that make it unusable.
    pub fall: NonZeroU32,
    /// Whether it counts as usable before the first results; none: they are waited for, and the first
    /// decides.
    pub initially: Option<bool>,
}

/// Something that a router's priority follows, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracked {
    /// The proxy's or the tracker's name.
    pub name: Name,
    /// Added to the priority while it is unusable if negative, while it is usable if positive; a
    /// file's number is multiplied by it. None: a node without it cannot serve.
    pub weight: Option<i16>,
}
