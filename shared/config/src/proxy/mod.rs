//! TCP proxies, ready to run.
//!
//! [`check`] makes them of what the file says.

pub(super) mod check;
mod clients;
mod pattern;
mod probe;
mod route;
mod servers;
mod track;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::{NonZeroU16, NonZeroU32};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

pub use self::pattern::NamePattern;
use vocabulary::{Endpoint, Name};

/// Listen addresses and the servers behind them, ready to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyConfig {
    /// Its name.
    pub name: Name,
    /// Where to listen; at least one, unless a route leads to it.
    pub listen: Vec<SocketAddr>,
    /// How a server is chosen.
    pub balance: Balance,
    /// How long the weight of a server that comes back grows; none: it has all of it at once.
    pub slow_start: Option<Duration>,
    /// The servers in the order of the file; at least one, unless it has routes.
    pub servers: Vec<ServerConfig>,
    /// Connections that the servers of others get; the first that fits counts.
    pub routes: Vec<ProxyRoute>,
    /// How long to wait for a TLS client's name.
    pub hello_timeout: Duration,
    /// How the servers are checked. Where those of another proxy are followed, by the check of that one's
    /// pace that needs to know nothing, a connection; for whoever looks at a server by himself.
    pub check: CheckConfig,
    /// Where each server's host says how much it wants; none: nobody is asked.
    pub agent: Option<AgentConfig>,
    /// What becomes of the connections of a server that goes down.
    pub on_down: OnDown,
    /// Which backup servers serve.
    pub backups: Backups,
    /// Whether servers that are not up are used while none is.
    pub panic: bool,
    /// The proxy's time limits.
    pub limits: Limits,
    /// What its clients may do.
    pub clients: ClientLimits,
    /// Whether connections that end without a byte from either side have an access line.
    pub log_empty: bool,
    /// Who may wait for a server that has as many connections as it may.
    pub queue: QueueConfig,
    /// The PROXY header that servers get; none: they get none.
    pub send_proxy: Option<HeaderVersion>,
    /// The networks whose connections begin with a PROXY header.
    pub accept_proxy: Vec<IpNet>,
    /// Whose connections are served.
    pub access: Access,
}

/// Whose connections are served, by the client's address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Those of these networks; empty: all.
    pub allow: Vec<IpNet>,
    /// Not those of these, whatever the others say.
    pub deny: Vec<IpNet>,
}

/// How many connections clients may have; none: no limit. An IPv4 address is one source, of IPv6 a /64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientLimits {
    /// Open at once, all together.
    pub connections: Option<NonZeroU32>,
    /// Open at once, of one source.
    pub per_source: Option<NonZeroU32>,
    /// Opened in a second by one source, and at once after a rest: 1 to 10,000.
    pub rate_per_source: Option<NonZeroU32>,
}

/// Which backup servers serve when no other can.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backups {
    /// All of them, as the balance has it.
    #[default]
    All,
    /// The first usable one in the order of the file, alone.
    First,
}

/// Connections that another proxy's servers get: those that fulfil all it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyRoute {
    /// The other proxy; it has no routes.
    pub proxy: Name,
    /// One of them fits the name that the TLS client asks for; empty: whatever it does.
    pub server_names: Vec<NamePattern>,
    /// The client's address is in one of them; empty: wherever it is.
    pub from: Vec<IpNet>,
    /// The client connected to one of them; empty: to any.
    pub ports: Vec<u16>,
}

/// One server behind a proxy.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerConfig {
    /// Its name.
    pub name: Name,
    /// Where it listens.
    pub address: Endpoint,
    /// Its share of the connections, 0 to 256; with 0 it gets none.
    pub weight: u16,
    /// Whether it serves only while no other server can.
    pub backup: bool,
    /// Connections it gets at once; none: no limit.
    pub max_connections: Option<NonZeroU32>,
    /// Where its address is a name: how many of those that the name has are used, each as a server; 1 to 256.
    pub max_addresses: NonZeroU16,
    /// The address to connect to it from; none: the kernel chooses.
    pub source: Option<IpAddr>,
    /// The server of another proxy whose health is its own; none: it is checked.
    pub follows: Option<Followed>,
}

/// A server that is checked, and decides for others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Followed {
    /// Its proxy, whose servers follow none.
    pub proxy: Name,
    /// Its name.
    pub server: Name,
}

impl fmt::Display for Followed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.proxy, self.server)
    }
}

/// How a server is chosen for a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balance {
    /// Each in turn.
    RoundRobin,
    /// The one with the fewest connections for its weight.
    LeastConn,
    /// Of two at random the one with fewer connections for its weight.
    Random,
    /// Always the same for a client's address, as long as it is usable.
    Source,
    /// The first usable one in the order of the file.
    First,
}

/// Time limits of a proxy's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For reaching some server, retries included.
    pub connect: Duration,
    /// Without a byte either way.
    pub idle: Duration,
    /// Without a byte once one side has finished.
    pub half_closed: Duration,
    /// With data unacknowledged (`TCP_USER_TIMEOUT`), on both connections.
    pub user: Duration,
    /// Until a connection has an access line before its end; none: it has none.
    pub silent: Option<Duration>,
    /// Without a byte until one may be closed whose server has more than its share; none: it never is.
    pub rebalance: Option<Duration>,
}

/// What becomes of the connections of a server that goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDown {
    /// They are reset once it has been down for so long, so that their clients connect anew.
    Reset(Duration),
    /// They stay until an end of them or a time limit ends them.
    Keep,
}

/// A version of the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderVersion {
    /// Text.
    V1,
    /// Binary.
    V2,
}

/// Connections that wait because every server has as many as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueConfig {
    /// How many may wait.
    pub length: u32,
    /// For how long.
    pub timeout: Duration,
}

/// How servers are checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckConfig {
    /// What is done.
    pub kind: CheckKind,
    /// The port to check; none: the one that serves.
    pub port: Option<NonZeroU16>,
    /// What the check shows of itself over TLS.
    pub certificate: Option<ClientCertificate>,
    /// Time between two checks of a server.
    pub interval: Duration,
    /// The same while a change is under way.
    pub fast_interval: Duration,
    /// The same while the server is not up.
    pub down_interval: Duration,
    /// Clients' connections in a row that could not be opened, which count as a failed check; none:
    /// they never do.
    pub error_limit: Option<NonZeroU32>,
    /// How long one check may take.
    pub timeout: Duration,
    /// How long connecting may take of that; at most all of it.
    pub connect_timeout: Duration,
    /// Successes in a row that make a server usable.
    pub rise: u32,
    /// Failures in a row that make it down.
    pub fall: u32,
}

/// A program beside each server that says how much the server wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentConfig {
    /// The port that it listens on.
    pub port: NonZeroU16,
    /// Time between two questions.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// What a check does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckKind {
    /// Opens a connection.
    Tcp,
    /// Shakes hands over TLS.
    Tls(Verify),
    /// Asks for a path over HTTP.
    Http(HttpCheck),
    /// Asks for a path over HTTPS.
    Https(HttpCheck, Verify),
}

/// What an HTTP check asks and expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpCheck {
    /// Path and query, beginning with a slash.
    pub path: String,
    /// The statuses that mean usable.
    pub expect: Statuses,
    /// What the beginning of the body must hold.
    pub expect_body: Option<String>,
    /// File with a bearer token to send.
    pub token_file: Option<PathBuf>,
}

/// Statuses of HTTP, 100 to 599.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statuses(Vec<RangeInclusive<u16>>);

impl Statuses {
    /// These alone; ranges may overlap.
    #[must_use]
    pub fn new(ranges: Vec<RangeInclusive<u16>>) -> Self {
        Self(ranges)
    }

    /// Whether an answer of this status is as expected.
    #[must_use]
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|range| range.contains(&status))
    }
}

/// What a check shows of itself over TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// PEM file of the certificate and those between it and its authority.
    pub cert: PathBuf,
    /// PEM file of its private key.
    pub key: PathBuf,
}

/// What a TLS check demands of the certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verify {
    /// Nothing.
    Nothing,
    /// That an authority of this file signed it, for this name.
    Authority {
        /// PEM file of the authorities.
        ca: PathBuf,
        /// The name it must bear; none: the server's address.
        server_name: Option<String>,
    },
}
