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
    /// An operator paused it: it takes nothing that another can serve.
    pub paused: bool,
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
    /// Priority as configured.
    pub priority: Priority,
    /// Priority as tracking leaves it.
    pub effective_priority: Priority,
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
    /// Before.
    pub from: StateName,
    /// After.
    pub to: StateName,
    /// Why, in words.
    pub cause: String,
    /// Milliseconds ago.
    pub ago_ms: u64,
}
