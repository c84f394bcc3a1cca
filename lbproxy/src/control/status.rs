//! What `lbproxy` can be asked and told by the console, and what it answers: JSON lines.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use vocabulary::{Endpoint, Name, Usability};

pub use crate::data::pool::Usage;
pub use crate::net::certificate::Certificate;
pub use crate::plan::capacity::Full;
use crate::plan::latency::Latency;
pub use crate::plan::state::{Mode, Order, State};

/// What may be asked, one JSON line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Request {
    /// Answered with one line, a [`Status`].
    Status,
    /// What shall become of a server; answered with an [`Answer`].
    Server {
        /// Its proxy.
        proxy: Name,
        /// Its name.
        server: Name,
        /// What shall become of it.
        order: Order,
        /// For how long, in milliseconds; none: until the next order.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        for_ms: Option<u64>,
    },
    /// Resets the connections of a server, or of all of a proxy's; answered with an [`Answer`].
    ShutdownSessions {
        /// The proxy.
        proxy: Name,
        /// The server; none: all.
        server: Option<Name>,
    },
}

impl Request {
    /// Whether it changes anything, so that only root may ask it.
    #[must_use]
    pub fn is_order(&self) -> bool {
        match self {
            Self::Status => false,
            Self::Server { .. } | Self::ShutdownSessions { .. } => true,
        }
    }
}

/// What came of an order, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It is done.
    Done(String),
    /// It is not.
    Error(String),
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
    /// How many client connections each of them has, those on their way to it included.
    #[serde(default)]
    pub connections_per_worker: Vec<usize>,
    /// Whether every worker goes on; otherwise `vrrpd` and `vipd` hear nothing.
    pub workers_alive: bool,
    /// Access lines that were dropped for a slow reader of standard output.
    pub dropped_log_lines: u64,
    /// What bytes are on their way through.
    #[serde(default)]
    pub usage: Usage,
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
    /// Servers that were tried for them after another had failed.
    #[serde(default)]
    pub retries: u64,
    /// Those that have ended, by the reason that the access line tells.
    pub ended: BTreeMap<String, u64>,
    /// As `vrrpd` is told: of its servers and those that its routes lead to.
    pub state: Usability,
    /// Whether servers that are not up are used, for none is.
    pub panics: bool,
    /// Why new clients wait in the kernel, at one of its addresses at least; none: they do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full: Option<Full>,
    /// Connections that servers have beyond their share of all.
    #[serde(default)]
    pub beyond_share: u32,
    /// Its routes in the order of the file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<RouteStatus>,
    /// The servers in the order of the file.
    pub servers: Vec<ServerStatus>,
}

/// Connections that another proxy's servers get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteStatus {
    /// The other proxy.
    pub proxy: Name,
    /// Patterns of which one fits the name that the TLS client asks for; none: whatever it does.
    pub server_names: Vec<String>,
    /// Networks of which the client is in one; none: wherever it is.
    pub from: Vec<IpNet>,
    /// Ports of which the client connected to one; none: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<u16>,
    /// Connections that took it.
    pub connections: u64,
}

/// One server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerStatus {
    /// Its name.
    pub name: Name,
    /// Where it listens.
    pub address: Endpoint,
    /// How it is.
    pub state: State,
    /// What an operator made of it.
    pub mode: Mode,
    /// Seconds until that ends by itself; none: it lasts until the next order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode_left_seconds: Option<u64>,
    /// For how many seconds.
    pub since_seconds: u64,
    /// Why it came to that, in words.
    pub reason: String,
    /// What the last check found, in words.
    pub last_check: String,
    /// The certificate that it showed to a check over TLS last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Certificate>,
    /// Its share of the connections, 0 to 256.
    pub weight: u16,
    /// Seconds until a weight ends by itself that an operator ordered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_left_seconds: Option<u64>,
    /// Per cent of that which its agent wants; none: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<u16>,
    /// Per cent of that which count by now, while it starts slowly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_start: Option<u8>,
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
    /// Bytes that clients' connections carried to it.
    pub bytes_up: u64,
    /// Bytes that they carried from it.
    pub bytes_down: u64,
    /// What connecting took, where it succeeded.
    pub connect_latency: Latency,
    /// What checks took, whatever they found.
    pub check_latency: Latency,
}
