//! A `[[proxy]]` table as it is put together.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use vocabulary::Endpoint;

use super::Got;
use crate::source::{Place, Statement};

/// Where a proxy was configured: a check of that program's process becomes one of the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    Keepalived,
    Haproxy,
    Nginx,
}

impl Program {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Keepalived => "keepalived",
            Self::Haproxy => "haproxy",
            Self::Nginx => "nginx",
        }
    }
}

/// A `[[proxy]]` table.
#[derive(Clone, Debug)]
pub(crate) struct Proxy {
    pub(crate) program: Program,
    /// What it was, each with its place: "frontend k8s-api".
    pub(crate) from: Vec<Got<String>>,
    pub(crate) name: String,
    pub(crate) listen: Vec<Got<SocketAddr>>,
    pub(crate) balance: Option<Got<&'static str>>,
    pub(crate) slow_start: Option<Got<Duration>>,
    /// Of several backup servers the first usable one alone serves.
    pub(crate) one_backup: bool,
    /// What becomes of the connections of a server that goes down, where they are not reset.
    pub(crate) on_down: Option<Got<&'static str>>,
    /// Networks whose connections are served, none: all; and those whose are not.
    pub(crate) allow: Vec<Got<IpNet>>,
    pub(crate) deny: Vec<Got<IpNet>>,
    /// Connections of clients at once.
    pub(crate) max_connections: Option<Got<u32>>,
    /// Whether connections without a byte have an access line, where they have none.
    pub(crate) log_empty: Option<Got<bool>>,
    /// None where only its routes lead somewhere.
    pub(crate) servers: Vec<Server>,
    pub(crate) routes: Vec<Route>,
    pub(crate) hello_timeout: Option<Got<Duration>>,
    pub(crate) check: Check,
    pub(crate) agent: Option<Agent>,
    pub(crate) connect_timeout: Option<Got<Duration>>,
    pub(crate) idle_timeout: Option<Got<Duration>>,
    pub(crate) half_closed_timeout: Option<Got<Duration>>,
    pub(crate) queue_timeout: Option<Got<Duration>>,
    pub(crate) user_timeout: Option<Got<Duration>>,
    pub(crate) log_open_after: Option<Got<Duration>>,
    pub(crate) send_proxy: Option<Got<&'static str>>,
}

impl Proxy {
    pub(crate) fn new(program: Program, from: Vec<Got<String>>, name: String) -> Self {
        Self {
            program,
            from,
            name,
            listen: Vec::new(),
            balance: None,
            slow_start: None,
            one_backup: false,
            on_down: None,
            allow: Vec::new(),
            deny: Vec::new(),
            max_connections: None,
            log_empty: None,
            servers: Vec::new(),
            routes: Vec::new(),
            hello_timeout: None,
            check: Check::default(),
            agent: None,
            connect_timeout: None,
            idle_timeout: None,
            half_closed_timeout: None,
            queue_timeout: None,
            user_timeout: None,
            log_open_after: None,
            send_proxy: None,
        }
    }
}

/// A `[[proxy.route]]` table.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) from: Place,
    /// The proxy that it leads to.
    pub(crate) proxy: String,
    pub(crate) names: Vec<String>,
    pub(crate) networks: Vec<IpNet>,
    /// Ports that clients connect to.
    pub(crate) ports: Vec<u16>,
}

impl Route {
    /// Whether no connection goes past it.
    pub(crate) fn takes_all(&self) -> bool {
        self.names.is_empty() && self.networks.is_empty() && self.ports.is_empty()
    }
}

/// A server of a proxy.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) from: Place,
    pub(crate) name: Option<String>,
    pub(crate) address: Endpoint,
    pub(crate) weight: Option<u32>,
    pub(crate) backup: bool,
    pub(crate) source: Option<IpAddr>,
    pub(crate) max_connections: Option<u32>,
    /// Of a name: addresses that are used, where not as many as there are.
    pub(crate) max_addresses: Option<u32>,
    /// The server whose health is its own, as the line says.
    pub(crate) track: Option<(Statement, String)>,
}

impl Server {
    /// A server that has nothing but an address.
    pub(crate) fn new(from: &Place, address: impl Into<Endpoint>) -> Self {
        Self {
            from: from.clone(),
            name: None,
            address: address.into(),
            weight: None,
            backup: false,
            source: None,
            max_connections: None,
            max_addresses: None,
            track: None,
        }
    }
}

/// `agent = { … }`.
#[derive(Clone, Debug)]
pub(crate) struct Agent {
    pub(crate) from: Place,
    pub(crate) port: u16,
    pub(crate) interval: Option<Duration>,
}

/// What a check of a server does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Probe {
    #[default]
    Tcp,
    Tls,
    Http {
        path: String,
        tls: bool,
    },
}

/// How servers are checked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Check {
    /// The statements that say so.
    pub(crate) from: Vec<Place>,
    pub(crate) probe: Probe,
    /// The proxy whose check decides in its place.
    pub(crate) track: Option<String>,
    /// The port, where it is not the one that serves.
    pub(crate) port: Option<u16>,
    /// The statuses an HTTP check expects, each one or a range, where not 200.
    pub(crate) expect: Vec<String>,
    /// What the body of the answer must hold.
    pub(crate) expect_body: Option<String>,
    /// Clients' failed connections in a row that count as a failed check.
    pub(crate) error_limit: Option<u32>,
    /// With TLS: the authorities' file, none where any certificate will do.
    pub(crate) ca: Option<String>,
    /// With TLS and authorities: the name the certificate must bear.
    pub(crate) server_name: Option<String>,
    pub(crate) interval: Option<Duration>,
    pub(crate) fast_interval: Option<Duration>,
    pub(crate) down_interval: Option<Duration>,
    /// For connecting alone, where it is not that of the whole check.
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) rise: Option<u32>,
    pub(crate) fall: Option<u32>,
}
