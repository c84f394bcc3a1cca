//! The configuration as it is put together: typed values, each with the line it came from.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use vocabulary::{Endpoint, Name};

use super::source::{Place, Statement};

/// A value and the statement it came from; none where the import itself added it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Got<T> {
    pub(super) value: T,
    pub(super) from: Option<Place>,
}

impl<T> Got<T> {
    pub(super) fn from(place: &Place, value: T) -> Self {
        Self { value, from: Some(place.clone()) }
    }

    pub(super) fn added(value: T) -> Self {
        Self { value, from: None }
    }
}

/// Everything imported so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    pub(super) routers: Vec<Router>,
    pub(super) trackers: Vec<Tracker>,
    pub(super) proxies: Vec<Proxy>,
    /// The path of a FIFO, and who reads it.
    pub(super) fifo: Option<(Got<String>, String)>,
    /// Who wants access lines in HAProxy's form.
    pub(super) tcplog: Option<Place>,
    /// Where monitoring asks.
    pub(super) metrics: Option<Got<SocketAddr>>,
}

/// A `[[vrrp]]` table.
#[derive(Clone, Debug)]
pub(super) struct Router {
    pub(super) from: Place,
    pub(super) name: String,
    pub(super) interface: Option<Got<String>>,
    pub(super) vrid: Option<Got<u8>>,
    pub(super) version: Got<u8>,
    pub(super) priority: Option<Got<u8>>,
    pub(super) addresses: Vec<Got<String>>,
    pub(super) excluded: Vec<Got<String>>,
    pub(super) announce: Option<Announce>,
    /// `[[vrrp.address]]`, `[[vrrp.route]]` and `[[vrrp.rule]]`.
    pub(super) tables: Vec<Table>,
    pub(super) advert_interval: Option<Got<Duration>>,
    pub(super) preempt: Option<Got<bool>>,
    pub(super) preempt_delay: Option<Got<Duration>>,
    pub(super) peers: Vec<Got<IpAddr>>,
    pub(super) source: Option<Got<IpAddr>>,
    pub(super) auth_pass: Option<Got<String>>,
    pub(super) virtual_mac: Option<VirtualMac>,
    pub(super) sync_group: Option<Got<String>>,
    pub(super) track: Vec<Got<String>>,
    /// Keys and commands.
    pub(super) hooks: Vec<(&'static str, Got<Vec<String>>)>,
    pub(super) notify_user: Option<Got<String>>,
}

impl Router {
    pub(super) fn new(from: &Place, name: String) -> Self {
        Self {
            from: from.clone(),
            name,
            interface: None,
            vrid: None,
            version: Got::added(2),
            priority: None,
            addresses: Vec::new(),
            excluded: Vec::new(),
            announce: None,
            tables: Vec::new(),
            advert_interval: None,
            preempt: None,
            preempt_delay: None,
            peers: Vec::new(),
            source: None,
            auth_pass: None,
            virtual_mac: None,
            sync_group: None,
            track: Vec::new(),
            hooks: Vec::new(),
            notify_user: None,
        }
    }
}

/// A virtual MAC address.
#[derive(Clone, Debug)]
pub(super) struct VirtualMac {
    pub(super) wanted: Got<bool>,
    /// Its interface's name; none: by default.
    pub(super) name: Option<Got<String>>,
}

impl Router {
    /// Every address, with its prefix if it has one.
    pub(super) fn every_address(&self) -> impl Iterator<Item = &str> {
        let listed = self.addresses.iter().chain(&self.excluded).map(|got| got.value.as_str());
        listed.chain(self.tables.iter().filter_map(|table| match table.get("address") {
            Some(Value::Text(text)) => Some(text.as_str()),
            _ => None,
        }))
    }

    /// Whether any address is in its adverts.
    pub(super) fn advertises(&self) -> bool {
        let in_full = |table: &Table| table.has("address") && !table.has("advertise");
        !self.addresses.is_empty() || self.tables.iter().any(in_full)
    }
}

/// A table within a `[[vrrp]]` table.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) from: Place,
    pub(super) header: &'static str,
    pub(super) lines: Vec<(&'static str, Value)>,
}

/// A value in such a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    Number(u64),
    Bool(bool),
}

impl Table {
    pub(super) fn new(from: &Place, header: &'static str) -> Self {
        Self { from: from.clone(), header, lines: Vec::new() }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.lines.iter().find(|(known, _)| *known == key).map(|(_, value)| value)
    }

    /// The last one counts.
    pub(super) fn set(&mut self, key: &'static str, value: Value) {
        self.remove(key);
        self.lines.push((key, value));
    }

    pub(super) fn remove(&mut self, key: &str) {
        self.lines.retain(|(known, _)| *known != key);
    }
}

/// `announce = { … }`; what is not said is left to the default.
#[derive(Clone, Debug)]
pub(super) struct Announce {
    pub(super) from: Place,
    pub(super) at: Option<Vec<Duration>>,
    /// Zero: never.
    pub(super) refresh: Option<Duration>,
    pub(super) refresh_repeat: Option<u32>,
    pub(super) interval: Option<Duration>,
}

/// What a `[[track]]` table watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Watched {
    Interface(String),
    Process(String),
    File(String),
    Script(Script),
    /// One that has a weight.
    Proxy(String),
}

/// A script that is run again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Script {
    pub(super) command: Vec<String>,
    pub(super) user: String,
    pub(super) interval: Duration,
    pub(super) timeout: Option<Duration>,
    pub(super) rise: Option<u32>,
    pub(super) fall: Option<u32>,
}

/// A `[[track]]` table.
#[derive(Clone, Debug)]
pub(super) struct Tracker {
    pub(super) from: Place,
    pub(super) name: String,
    pub(super) watched: Watched,
    pub(super) weight: Option<i32>,
}

/// Where a proxy was configured: a check of that program's process becomes one of the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    Keepalived,
    Haproxy,
    Nginx,
}

impl Program {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Keepalived => "keepalived",
            Self::Haproxy => "haproxy",
            Self::Nginx => "nginx",
        }
    }
}

/// A `[[proxy]]` table.
#[derive(Clone, Debug)]
pub(super) struct Proxy {
    pub(super) program: Program,
    /// What it was, each with its place: "frontend k8s-api".
    pub(super) from: Vec<Got<String>>,
    pub(super) name: String,
    pub(super) listen: Vec<Got<SocketAddr>>,
    pub(super) balance: Option<Got<&'static str>>,
    pub(super) slow_start: Option<Got<Duration>>,
    /// Of several backup servers the first usable one alone serves.
    pub(super) one_backup: bool,
    /// What becomes of the connections of a server that goes down, where they are not reset.
    pub(super) on_down: Option<Got<&'static str>>,
    /// Networks whose connections are served, none: all; and those whose are not.
    pub(super) allow: Vec<Got<IpNet>>,
    pub(super) deny: Vec<Got<IpNet>>,
    /// None where only its routes lead somewhere.
    pub(super) servers: Vec<Server>,
    pub(super) routes: Vec<Route>,
    pub(super) hello_timeout: Option<Got<Duration>>,
    pub(super) check: Check,
    pub(super) agent: Option<Agent>,
    pub(super) connect_timeout: Option<Got<Duration>>,
    pub(super) idle_timeout: Option<Got<Duration>>,
    pub(super) half_closed_timeout: Option<Got<Duration>>,
    pub(super) queue_timeout: Option<Got<Duration>>,
    pub(super) user_timeout: Option<Got<Duration>>,
    pub(super) log_open_after: Option<Got<Duration>>,
    pub(super) send_proxy: Option<Got<&'static str>>,
}

impl Proxy {
    pub(super) fn new(program: Program, from: Vec<Got<String>>, name: String) -> Self {
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
pub(super) struct Route {
    pub(super) from: Place,
    /// The proxy that it leads to.
    pub(super) proxy: String,
    pub(super) names: Vec<String>,
    pub(super) networks: Vec<IpNet>,
    /// Ports that clients connect to.
    pub(super) ports: Vec<u16>,
}

impl Route {
    /// Whether no connection goes past it.
    pub(super) fn takes_all(&self) -> bool {
        self.names.is_empty() && self.networks.is_empty() && self.ports.is_empty()
    }
}

/// A server of a proxy.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) from: Place,
    pub(super) name: Option<String>,
    pub(super) address: Endpoint,
    pub(super) weight: Option<u32>,
    pub(super) backup: bool,
    pub(super) source: Option<IpAddr>,
    pub(super) max_connections: Option<u32>,
    /// The server whose health is its own, as the line says.
    pub(super) track: Option<(Statement, String)>,
}

impl Server {
    /// A server that has nothing but an address.
    pub(super) fn new(from: &Place, address: impl Into<Endpoint>) -> Self {
        Self {
            from: from.clone(),
            name: None,
            address: address.into(),
            weight: None,
            backup: false,
            source: None,
            max_connections: None,
            track: None,
        }
    }
}

/// `agent = { … }`.
#[derive(Clone, Debug)]
pub(super) struct Agent {
    pub(super) from: Place,
    pub(super) port: u16,
    pub(super) interval: Option<Duration>,
}

/// What a check of a server does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Probe {
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
pub(super) struct Check {
    /// The statements that say so.
    pub(super) from: Vec<Place>,
    pub(super) probe: Probe,
    /// The proxy whose check decides in its place.
    pub(super) track: Option<String>,
    /// The port, where it is not the one that serves.
    pub(super) port: Option<u16>,
    /// The status an HTTP check expects, where not 200.
    pub(super) expect: Option<u16>,
    /// What the body of the answer must hold.
    pub(super) expect_body: Option<String>,
    /// Clients' failed connections in a row that count as a failed check.
    pub(super) error_limit: Option<u32>,
    /// With TLS: the authorities' file, none where any certificate will do.
    pub(super) ca: Option<String>,
    /// With TLS and authorities: the name the certificate must bear.
    pub(super) server_name: Option<String>,
    pub(super) interval: Option<Duration>,
    pub(super) fast_interval: Option<Duration>,
    pub(super) down_interval: Option<Duration>,
    /// For connecting alone, where it is not that of the whole check.
    pub(super) connect_timeout: Option<Duration>,
    pub(super) timeout: Option<Duration>,
    pub(super) rise: Option<u32>,
    pub(super) fall: Option<u32>,
}

impl Draft {
    /// `wanted` made into a name that nothing in `taken` has.
    pub(super) fn name(wanted: &str, taken: &[&str]) -> String {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.:[]".contains(c);
        let clean: String =
            wanted.chars().map(|c| if allowed(c) { c } else { '-' }).take(58).collect();
        let clean = if Name::try_from(clean.as_str()).is_ok() { clean } else { "unnamed".into() };
        let numbered = (2..).map(|number| format!("{clean}-{number}"));
        std::iter::once(clean.clone())
            .chain(numbered)
            .find(|name| !taken.contains(&name.as_str()))
            .unwrap_or(clean)
    }

    /// A name for a proxy or a tracker: they share one space of names.
    pub(super) fn tracked_name(&self, wanted: &str) -> String {
        let proxies = self.proxies.iter().map(|proxy| proxy.name.as_str());
        let trackers = self.trackers.iter().map(|tracker| tracker.name.as_str());
        Self::name(wanted, &proxies.chain(trackers).collect::<Vec<_>>())
    }

    /// A name for a router.
    pub(super) fn router_name(&self, wanted: &str) -> String {
        let routers = self.routers.iter().map(|router| router.name.as_str());
        Self::name(wanted, &routers.collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_clean_and_differ() {
        assert_eq!(Draft::name("k8s api", &[]), "k8s-api");
        assert_eq!(Draft::name("a", &["a", "a-2"]), "a-3");
        assert_eq!(Draft::name("", &[]), "unnamed");
        assert_eq!(Draft::name(&"x".repeat(80), &[]).len(), 58);
    }
}
