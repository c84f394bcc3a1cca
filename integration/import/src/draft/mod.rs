//! The configuration as it is put together: typed values, each with the line it came from.

mod proxy;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use vocabulary::Name;

pub(crate) use self::proxy::{Agent, Check, Probe, Program, Proxy, Route, Server};
use crate::source::Place;

/// A value and the statement it came from; none where the import itself added it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Got<T> {
    pub(crate) value: T,
    pub(crate) from: Option<Place>,
}

impl<T> Got<T> {
    pub(crate) fn from(place: &Place, value: T) -> Self {
        Self { value, from: Some(place.clone()) }
    }

    pub(crate) fn added(value: T) -> Self {
        Self { value, from: None }
    }
}

/// Everything imported so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    pub(crate) routers: Vec<Router>,
    pub(crate) trackers: Vec<Tracker>,
    pub(crate) proxies: Vec<Proxy>,
    /// The path of a FIFO, and who reads it.
    pub(crate) fifo: Option<(Got<String>, String)>,
    /// Who wants access lines in HAProxy's form.
    pub(crate) tcplog: Option<Place>,
    /// Where monitoring asks.
    pub(crate) metrics: Option<Got<SocketAddr>>,
}

/// A `[[vrrp]]` table.
#[derive(Clone, Debug)]
pub(crate) struct Router {
    pub(crate) from: Place,
    pub(crate) name: String,
    pub(crate) interface: Option<Got<String>>,
    pub(crate) vrid: Option<Got<u8>>,
    pub(crate) version: Got<u8>,
    pub(crate) priority: Option<Got<u8>>,
    pub(crate) addresses: Vec<Got<String>>,
    pub(crate) excluded: Vec<Got<String>>,
    pub(crate) announce: Option<Announce>,
    /// `[[vrrp.address]]`, `[[vrrp.route]]` and `[[vrrp.rule]]`.
    pub(crate) tables: Vec<Table>,
    pub(crate) advert_interval: Option<Got<Duration>>,
    pub(crate) preempt: Option<Got<bool>>,
    pub(crate) preempt_delay: Option<Got<Duration>>,
    pub(crate) peers: Vec<Got<IpAddr>>,
    pub(crate) source: Option<Got<IpAddr>>,
    pub(crate) auth_pass: Option<Got<String>>,
    pub(crate) virtual_mac: Option<VirtualMac>,
    pub(crate) sync_group: Option<Got<String>>,
    pub(crate) track: Vec<Got<String>>,
    /// Keys and commands.
    pub(crate) hooks: Vec<(&'static str, Got<Vec<String>>)>,
    pub(crate) notify_user: Option<Got<String>>,
}

impl Router {
    pub(crate) fn new(from: &Place, name: String) -> Self {
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
pub(crate) struct VirtualMac {
    pub(crate) wanted: Got<bool>,
    /// Its interface's name; none: by default.
    pub(crate) name: Option<Got<String>>,
}

impl Router {
    /// Every address, with its prefix if it has one.
    pub(crate) fn every_address(&self) -> impl Iterator<Item = &str> {
        let listed = self.addresses.iter().chain(&self.excluded).map(|got| got.value.as_str());
        listed.chain(self.tables.iter().filter_map(|table| match table.get("address") {
            Some(Value::Text(text)) => Some(text.as_str()),
            _ => None,
        }))
    }

    /// Whether any address is in its adverts.
    pub(crate) fn advertises(&self) -> bool {
        let in_full = |table: &Table| table.has("address") && !table.has("advertise");
        !self.addresses.is_empty() || self.tables.iter().any(in_full)
    }
}

/// A table within a `[[vrrp]]` table.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) from: Place,
    pub(crate) header: &'static str,
    pub(crate) lines: Vec<(&'static str, Value)>,
}

/// A value in such a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    Number(u64),
    Bool(bool),
}

impl Table {
    pub(crate) fn new(from: &Place, header: &'static str) -> Self {
        Self { from: from.clone(), header, lines: Vec::new() }
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.lines.iter().find(|(known, _)| *known == key).map(|(_, value)| value)
    }

    /// The last one counts.
    pub(crate) fn set(&mut self, key: &'static str, value: Value) {
        self.remove(key);
        self.lines.push((key, value));
    }

    pub(crate) fn remove(&mut self, key: &str) {
        self.lines.retain(|(known, _)| *known != key);
    }
}

/// `announce = { … }`; what is not said is left to the default.
#[derive(Clone, Debug)]
pub(crate) struct Announce {
    pub(crate) from: Place,
    pub(crate) at: Option<Vec<Duration>>,
    /// Zero: never.
    pub(crate) refresh: Option<Duration>,
    pub(crate) refresh_repeat: Option<u32>,
    pub(crate) interval: Option<Duration>,
}

/// What a `[[track]]` table watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Watched {
    Interface(String),
    Process(String),
    File(String),
    Script(Script),
    /// One that has a weight.
    Proxy(String),
}

/// A script that is run again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Script {
    pub(crate) command: Vec<String>,
    pub(crate) user: String,
    pub(crate) interval: Duration,
    pub(crate) timeout: Option<Duration>,
    pub(crate) rise: Option<u32>,
    pub(crate) fall: Option<u32>,
}

/// A `[[track]]` table.
#[derive(Clone, Debug)]
pub(crate) struct Tracker {
    pub(crate) from: Place,
    pub(crate) name: String,
    pub(crate) watched: Watched,
    pub(crate) weight: Option<i32>,
}

impl Draft {
    /// `wanted` made into a name that nothing in `taken` has.
    pub(crate) fn name(wanted: &str, taken: &[&str]) -> String {
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
    pub(crate) fn tracked_name(&self, wanted: &str) -> String {
        let proxies = self.proxies.iter().map(|proxy| proxy.name.as_str());
        let trackers = self.trackers.iter().map(|tracker| tracker.name.as_str());
        Self::name(wanted, &proxies.chain(trackers).collect::<Vec<_>>())
    }

    /// A name for a router.
    pub(crate) fn router_name(&self, wanted: &str) -> String {
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
