//! The addresses that a file names, each with its place.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use vocabulary::address::is_link_local;
use vocabulary::{Endpoint, Priority, VirtualAddress};

use crate::problem::Span;
use crate::raw::{Given, List, RawFile, RawProxy, RawRouter};
use crate::spanned::Spanned;

/// What is known of this node's addresses and ports.
pub(super) struct Known {
    pub(super) virtuals: Vec<Virtual>,
    pub(super) listens: Vec<Listen>,
    pub(super) servers: Vec<Server>,
    /// What routers speak from.
    sources: Vec<IpAddr>,
    /// What the host has.
    host: Vec<IpAddr>,
}

/// A virtual address.
pub(super) struct Virtual {
    /// Its table's position among the `[[vrrp]]`.
    pub(super) table: usize,
    pub(super) span: Span,
    pub(super) address: VirtualAddress,
    /// It is this node's own as well (RFC 9568 §1.7: the address owner).
    pub(super) owned: bool,
}

/// Where a proxy listens.
pub(super) struct Listen {
    /// Its position among the `[[proxy]]`.
    pub(super) proxy: usize,
    pub(super) span: Span,
    pub(super) at: SocketAddr,
}

/// Where a proxy's server listens; of a name that this host's own tables have, each address.
pub(super) struct Server {
    /// Its proxy's position among the `[[proxy]]`.
    pub(super) proxy: usize,
    pub(super) span: Span,
    pub(super) at: SocketAddr,
}

impl Known {
    pub(super) fn of(file: &RawFile, own: &[IpAddr]) -> Self {
        let routers = || file.vrrp.iter().map(Spanned::get_ref).enumerate();
        let proxies = || file.proxy.iter().map(Spanned::get_ref).enumerate();
        let virtuals: Vec<Virtual> = routers().flat_map(|(at, raw)| virtuals(at, raw)).collect();
        let is_virtual = |ip: &IpAddr| virtuals.iter().any(|one| one.address.ip() == *ip);
        let host = own.iter().copied().filter(|ip| !is_virtual(ip)).collect();
        let sources = routers().filter_map(|(_, raw)| parsed(&raw.source)).collect();
        let listens = proxies().flat_map(|(at, raw)| listens(at, raw)).collect();
        let servers = proxies().flat_map(|(at, raw)| servers(at, raw)).collect();
        Self { virtuals, listens, servers, sources, host }
    }

    /// Whether a virtual address that no table calls this node's own.
    pub(super) fn virtual_not_owned(&self, ip: IpAddr) -> Option<&Virtual> {
        self.virtuals.iter().find(|one| one.address.ip() == ip && !one.owned)
    }

    /// Whether it is this node's alone, and moves nowhere.
    pub(super) fn is_own(&self, ip: IpAddr) -> bool {
        self.sources.contains(&ip) || self.host.contains(&ip)
    }

    /// Whether what is sent to it may come to this node.
    pub(super) fn may_be_here(&self, ip: IpAddr) -> bool {
        let is_virtual = self.virtuals.iter().any(|one| one.address.ip() == ip);
        ip.is_loopback() || is_virtual || self.is_own(ip)
    }

    /// Whether this host is the node that the file is for: it has an address where a virtual one belongs.
    pub(super) fn is_here(&self) -> bool {
        let belongs = |ip: &IpAddr| {
            let networks = self.virtuals.iter().map(|one| one.address.network());
            networks.filter(|net| net.prefix_len() < net.max_prefix_len()).any(|n| n.contains(ip))
        };
        self.host.iter().any(|ip| self.sources.contains(ip) || belongs(ip))
    }
}

impl Virtual {
    /// Whether clients connect to it: nobody does to a router's link-local address.
    pub(super) fn is_for_clients(&self) -> bool {
        !self.address.is_link_local_v6()
    }
}

impl Listen {
    /// Whether what is sent to `to` comes here, if it comes to this node.
    pub(super) fn takes(&self, to: SocketAddr) -> bool {
        let everywhere = self.at.ip().is_unspecified() && self.at.is_ipv4() == to.is_ipv4();
        self.at.port() == to.port() && (everywhere || plain(self.at.ip()) == plain(to.ip()))
    }

    /// Whether a client at `ip` comes here, by some port.
    pub(super) fn is_at(&self, ip: IpAddr) -> bool {
        self.takes(SocketAddr::new(ip, self.at.port()))
    }
}

fn virtuals(table: usize, raw: &RawRouter) -> Vec<Virtual> {
    let owner = i64::from(Priority::OWNER.get());
    let owned = raw.priority.as_ref().is_some_and(|priority| *priority.get_ref() == owner);
    let full = raw.address.iter().filter_map(|address| address.get_ref().address.as_ref());
    let given = elements(&raw.addresses).chain(elements(&raw.excluded)).chain(full);
    let read = |text: &Spanned<String>| {
        let address = VirtualAddress::try_from(text.get_ref().as_str()).ok()?;
        Some(Virtual { table, span: text.span(), address, owned })
    };
    given.filter_map(read).collect()
}

fn listens(proxy: usize, raw: &RawProxy) -> Vec<Listen> {
    let read = |text: &Spanned<String>| {
        Some(Listen { proxy, span: text.span(), at: text.get_ref().parse().ok()? })
    };
    elements(&raw.listen).filter_map(read).collect()
}

fn servers(proxy: usize, raw: &RawProxy) -> Vec<Server> {
    let full = raw.server.iter().filter_map(|server| server.get_ref().address.as_ref());
    let mut servers = Vec::new();
    for text in elements(&raw.servers).chain(full) {
        let Ok(endpoint) = Endpoint::try_from(text.get_ref().as_str()) else { continue };
        let addresses = match &endpoint {
            Endpoint::Address(at) => vec![plain(at.ip())],
            // RFC 6761 §6.3: a name that every host resolves to itself.
            Endpoint::Name { host, .. } if host.eq_ignore_ascii_case("localhost") => {
                vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
            }
            Endpoint::Name { .. } => vec![],
        };
        let at = |ip| SocketAddr::new(ip, endpoint.port());
        servers.extend(addresses.into_iter().map(|ip| Server {
            proxy,
            span: text.span(),
            at: at(ip),
        }));
    }
    servers
}

/// An IPv4 address that is written as one of IPv6 is that of IPv4.
pub(super) fn plain(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

pub(super) fn elements(list: &List) -> impl Iterator<Item = &Spanned<String>> {
    list.iter().flat_map(|list| list.get_ref())
}

pub(super) fn parsed(given: &Given<String>) -> Option<IpAddr> {
    given.as_ref()?.get_ref().parse().ok()
}

/// Whether two addresses are neighbours, as networks mostly are made.
pub(super) fn are_near(one: IpAddr, other: IpAddr) -> bool {
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => one.octets()[..3] == other.octets()[..3],
        (IpAddr::V6(one), IpAddr::V6(other)) => {
            one.segments()[..4] == other.segments()[..4] && !is_link_local(one)
        }
        _ => false,
    }
}
