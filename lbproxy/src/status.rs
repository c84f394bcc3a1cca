//! What `lbproxy` tells of itself: the answer to `{"type":"status"}` on its socket.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use shared::{Name, Usability};

pub use crate::health::State;

/// What may be asked, one JSON line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Request {
    /// Answered with one line, a [`Status`].
    Status,
}

/// The whole proxy at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Version of the program.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Seconds since it started.
    pub uptime_seconds: u64,
    /// Worker threads.
    pub workers: usize,
    /// Whether every worker goes on; otherwise `vrrpd` and `vipd` hear nothing.
    pub workers_alive: bool,
    /// Access lines that were dropped for a slow reader of standard output.
    pub dropped_log_lines: usize,
    /// The proxies in the order of the file.
    pub proxies: Vec<ProxyStatus>,
}

/// One proxy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxyStatus {
    /// Its name.
    pub name: Name,
    /// Where it listens.
    pub listen: Vec<SocketAddr>,
    /// Client connections that are open.
    pub sessions: u64,
    /// Of these, waiting for a server below its `max_connections`.
    pub waiting: u32,
    /// Client connections ever accepted.
    pub accepted: u64,
    /// Of these, reset because no server could be reached.
    pub refused: u64,
    /// As `vrrpd` is told.
    pub state: Usability,
    /// The servers in the order of the file.
    pub servers: Vec<ServerStatus>,
}

/// One server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerStatus {
    /// Its name.
    pub name: Name,
    /// Where it listens.
    pub address: SocketAddr,
    /// How it is.
    pub state: State,
    /// For how many seconds.
    pub since_seconds: u64,
    /// Why it came to that, in words.
    pub reason: String,
    /// What the last check found, in words.
    pub last_check: String,
    /// Its share of the connections, 0 to 256.
    pub weight: u16,
    /// Whether it serves only while no other server can.
    pub backup: bool,
    /// Connections it gets at once; none: no limit.
    pub max_connections: Option<u32>,
    /// Connections that are open or being opened.
    pub sessions: u32,
    /// Connections ever established.
    pub total: u64,
    /// Attempts to connect that failed.
    pub connect_failures: u64,
}
