//! What the daemon tells of itself: one snapshot that every view renders.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use shared::{
    AdvertInterval, InterfaceName, Priority, RouterId, TrackerHealth, VirtualAddress, Vrid,
};

use crate::election::StateName;

/// The whole daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Release of the program.
    pub version: String,
    /// Process.
    pub pid: u32,
    /// Milliseconds since it started.
    pub uptime_ms: u64,
    /// Every router.
    pub routers: Vec<RouterStatus>,
    /// Packets discarded before a router was found, by reason.
    pub discarded: BTreeMap<String, u64>,
}

/// One router.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouterStatus {
    /// Name and family.
    pub id: RouterId,
    /// Where it speaks.
    pub interface: InterfaceName,
    /// Virtual router identifier.
    pub vrid: Vrid,
    /// Version of the protocol.
    pub version: u8,
    /// Where the election stands.
    pub state: StateName,
    /// Milliseconds since it stands there.
    pub since_ms: u64,
    /// How often it changed since the daemon started or took the router on.
    pub transitions: u64,
    /// Priority as configured.
    pub priority: Priority,
    /// Priority as tracking leaves it.
    pub effective_priority: Priority,
    /// After how many milliseconds it takes over from a living router of lower priority; none: never.
    pub preempt_delay_ms: Option<u64>,
    /// Our interval.
    pub advert_interval: AdvertInterval,
    /// Our source address; none while there is none to be had.
    pub source: Option<IpAddr>,
    /// Addresses that follow the Active router.
    pub addresses: Vec<VirtualAddress>,
    /// The Active router, while it is another.
    pub active: Option<ActiveStatus>,
    /// What waits to be proven or is unusable.
    pub trackers: Vec<TrackerHealth>,
    /// Adverts sent.
    pub sent: u64,
    /// Adverts that could not be sent.
    pub send_errors: u64,
    /// Adverts heard.
    pub received: u64,
    /// Adverts discarded, by reason.
    pub discarded: BTreeMap<String, u64>,
    /// The last changes, latest first.
    pub history: Vec<Change>,
}

/// The Active router a Backup follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveStatus {
    /// Its address.
    pub address: IpAddr,
    /// Its priority.
    pub priority: Priority,
    /// Its interval.
    pub interval: AdvertInterval,
}

/// A change of state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Counts the router's changes, from 1.
    pub number: u64,
    /// Before.
    pub from: StateName,
    /// After.
    pub to: StateName,
    /// Why, as a word that does not change between releases.
    pub reason: String,
    /// Why, in words.
    pub cause: String,
    /// What was known then.
    pub evidence: Evidence,
    /// Milliseconds ago.
    pub ago_ms: u64,
}

/// What a router knew when its state changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Our effective priority.
    pub priority: Priority,
    /// The Active router that it followed as Backup.
    pub heard: Option<LastHeard>,
    /// By how many microseconds we were late, where a deadline made the change.
    pub lag_us: Option<u64>,
}

/// An advert, as remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastHeard {
    /// Who sent it.
    pub address: IpAddr,
    /// The priority it had.
    pub priority: Priority,
    /// How many microseconds before the change it came.
    pub ago_us: u64,
}
