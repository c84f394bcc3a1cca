//! What the daemon tells of itself: one snapshot that every view renders.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use vocabulary::{
    AdvertInterval, InterfaceName, Priority, RouterId, TrackerHealth, VirtualAddress, Vrid,
};

use vrrp::election::StateName;
pub use vrrp::router::{Evidence, LastHeard};

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
    /// What was discarded of late.
    #[serde(default)]
    pub rejected: Rejected,
    /// Interfaces of the configuration that are not there, and which are, in words.
    #[serde(default)]
    pub absent: Vec<String>,
}

/// What was discarded of late, by who sent it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// What was meant for a router of ours.
    pub ours: Vec<RejectedSender>,
    /// What concerns none of our routers, such as the adverts of another pair on the link.
    pub foreign: Vec<RejectedSender>,
}

/// Who sent packets that were discarded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedSender {
    /// Where they arrived.
    pub interface: InterfaceName,
    /// Who sent them, or claims to.
    pub address: IpAddr,
    /// How many, since the sender was first noted.
    pub total: u64,
    /// The last of them, latest first; the same one again is counted, not repeated.
    pub adverts: Vec<RejectedAdvert>,
}

/// A discarded packet, as far as it can be read; nothing in it is to be trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedAdvert {
    /// The reason, by the name it is counted under.
    pub reason: String,
    /// The reason in words; where two nodes are configured differently, with what to change.
    pub explanation: String,
    /// How often it came in a row.
    pub times: u64,
    /// Milliseconds since the last of those.
    pub ago_ms: u64,
    /// Version of the protocol.
    pub version: Option<u8>,
    /// Virtual router identifier.
    pub vrid: Option<u8>,
    /// Priority.
    pub priority: Option<u8>,
    /// Milliseconds between adverts.
    pub interval_ms: Option<u64>,
    /// Authentication type, in version 2.
    pub auth_type: Option<u8>,
    /// How many addresses it claims to list.
    pub count: Option<u8>,
    /// The first 20 of those that are there.
    pub addresses: Vec<IpAddr>,
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
    /// How often another router was Active while it was.
    #[serde(default)]
    pub contests: u64,
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
    /// How often others deleted one of them; it was added again each time.
    #[serde(default)]
    pub deletions: u64,
    /// Its routes and rules that the kernel refuses; they are tried again.
    #[serde(default)]
    pub refused_routes: Vec<RefusedRoute>,
    /// Hooks of its that failed, and are run again.
    #[serde(default)]
    pub failing_hooks: Vec<HookStatus>,
    /// Those of them that are on this node although it is not Active: two nodes may have them.
    #[serde(default)]
    pub stale: Vec<StaleStatus>,
    /// Milliseconds until its timer ends: the next advert of an Active router, the down timer of a
    /// Backup, the last moment of one that resigned.
    #[serde(default)]
    pub timer_ms: Option<u64>,
    /// Milliseconds until the kernel deletes the addresses unless their leases are renewed.
    #[serde(default)]
    pub lease_left_ms: Option<u64>,
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
    /// How the addresses that a peer advertises differ from ours.
    #[serde(default)]
    pub mismatch: Option<Mismatch>,
    /// Other stations that claimed addresses while they were held here, latest first.
    #[serde(default)]
    pub conflicts: Vec<ConflictStatus>,
    /// The last changes, latest first.
    pub history: Vec<Change>,
}

/// A peer whose adverts are heard although they list other addresses than ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mismatch {
    /// The peer.
    pub peer: IpAddr,
    /// What differs and what to change, in words.
    pub explanation: String,
    /// Milliseconds since it was heard.
    pub ago_ms: u64,
}

/// A hook that failed, and is run again until it works or the state changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookStatus {
    /// The state that it tells, in keepalived's words.
    pub state: String,
    /// The cause of that, as one word.
    pub reason: String,
    /// How often it has failed.
    pub tries: u32,
    /// Why, the last time.
    pub error: String,
}

/// A route or a rule that the kernel refuses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedRoute {
    /// Which, in words.
    pub route: String,
    /// The kernel's word.
    pub error: String,
}

/// A virtual address on a node that is not Active.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaleStatus {
    /// The address.
    pub address: IpAddr,
    /// The interface that has it.
    pub interface: InterfaceName,
}

/// A station that claimed an address which was held here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConflictStatus {
    /// The address.
    pub address: IpAddr,
    /// The station's MAC address.
    pub mac: String,
    /// How often it was heard to.
    pub times: u64,
    /// Milliseconds since the last.
    pub ago_ms: u64,
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
