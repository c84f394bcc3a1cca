//! What routers' priorities follow besides proxies.
//!
//! [`check`] makes them of what the file says.

pub(super) mod check;

use std::path::PathBuf;

use crate::{InterfaceName, Name};

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
