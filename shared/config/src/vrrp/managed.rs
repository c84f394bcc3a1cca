//! What follows the Active router in the kernel.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use ipnet::IpNet;

use vocabulary::{Family, InterfaceName, VirtualAddress};

/// What the kernel has while a router is Active, and loses when it is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagedResources {
    /// Every address: those of the adverts first, then those that are in none, of either family.
    pub addresses: Vec<AddressConfig>,
    /// Routes, of either family.
    pub routes: Vec<RouteConfig>,
    /// Routing rules, of either family.
    pub rules: Vec<RuleConfig>,
    /// Clients on the node itself shall have the node's own address as their source.
    pub own_source: bool,
}

impl ManagedResources {
    /// Every address.
    pub fn ips(&self) -> impl Iterator<Item = IpAddr> {
        self.addresses.iter().map(|config| config.address.ip())
    }
}

/// An address and how it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressConfig {
    /// The address and its prefix.
    pub address: VirtualAddress,
    /// Where.
    pub interface: InterfaceName,
    /// Its label (`IFA_LABEL`), 1 to 15 bytes; IPv4 only.
    pub label: Option<String>,
    /// How far it is valid; for IPv6 the kernel knows by itself.
    pub scope: Scope,
    /// Its broadcast address.
    pub broadcast: Option<Ipv4Addr>,
}

/// How far an address or a destination is (`RT_SCOPE_…`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Anywhere.
    Global,
    /// On this link.
    Link,
    /// On this host.
    Host,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteConfig {
    /// Where to: a network without host bits; the default route has a prefix of no bits.
    pub destination: IpNet,
    /// The next router; none: the destination is on the link.
    pub via: Option<IpAddr>,
    /// Through which interface.
    pub interface: InterfaceName,
    /// Routing table, not 0.
    pub table: u32,
    /// Which of several counts: the lowest.
    pub metric: u32,
    /// The source address of what is sent there.
    pub source: Option<IpAddr>,
    /// How far the destination is; always global for IPv6.
    pub scope: Scope,
}

/// A routing rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleConfig {
    /// Which packets' rule it is.
    pub family: Family,
    /// Matches these sources.
    pub from: Option<IpNet>,
    /// Matches these destinations.
    pub to: Option<IpNet>,
    /// Matches this mark, not 0.
    pub fwmark: Option<u32>,
    /// The table to look in, not 0.
    pub table: u32,
    /// Its place among the rules, not 0.
    pub priority: u32,
}

/// When addresses are announced: gratuitous ARP, unsolicited Neighbor Advertisements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announce {
    /// Times after taking over, ascending, zero first.
    pub at: Vec<Duration>,
    /// Afterwards.
    pub refresh: Refresh,
    /// How often in a row then, at least once.
    pub refresh_repeat: u32,
    /// Pause between two frames.
    pub interval: Duration,
}

/// When addresses are announced again that were long since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresh {
    /// Once an advert interval, as far as an interface may bear it.
    WithAdverts,
    /// Every so often.
    Every(Duration),
    /// Never.
    Never,
}

impl Default for Announce {
    /// Once for everyone, four times for those who missed it, and then for those who believed another.
    fn default() -> Self {
        Self {
            at: [0, 100, 500, 2_000, 5_000].map(Duration::from_millis).to_vec(),
            refresh: Refresh::WithAdverts,
            refresh_repeat: 1,
            interval: Duration::ZERO,
        }
    }
}
