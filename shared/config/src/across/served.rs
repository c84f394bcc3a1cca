//! Whether virtual addresses lead to the proxies, and move when those cannot serve.

use std::collections::BTreeSet;
use std::net::IpAddr;

use vocabulary::{Family, Name};

use super::known::{Known, Listen, Virtual, are_near, plain};
use crate::check::Check;
use crate::code::Code;
use crate::raw::{RawFile, RawRouter};
use crate::spanned::Spanned;
use crate::{ProxyConfig, RouterConfig, TrackerConfig, TrackerKind};

/// What the file makes of routers and proxies, and where it stands.
struct Served<'a> {
    file: &'a RawFile,
    known: &'a Known,
    routers: &'a [RouterConfig],
    proxies: &'a [ProxyConfig],
    trackers: &'a [TrackerConfig],
}

/// Looks at every listen address, and at every table of routers.
pub(super) fn look(
    file: &RawFile,
    (routers, trackers): (&[RouterConfig], &[TrackerConfig]),
    proxies: &[ProxyConfig],
    known: &Known,
    check: &mut Check<'_>,
) {
    let served = Served { file, known, routers, proxies, trackers };
    let told = served.misspelt(check);
    for (table, raw) in file.vrrp.iter().map(Spanned::get_ref).enumerate() {
        served.nobody_there(table, raw, &told, check);
        served.unmoved(table, raw, check);
    }
}

impl Served<'_> {
    /// Addresses that proxies listen on and that are none of this node's; returns the virtual ones that
    /// may have been meant.
    fn misspelt(&self, check: &mut Check<'_>) -> BTreeSet<IpAddr> {
        let mut told = BTreeSet::new();
        let known = self.known;
        if known.virtuals.is_empty() {
            return told;
        }
        for listen in &known.listens {
            let ip = plain(listen.at.ip());
            if ip.is_unspecified() || known.may_be_here(ip) {
                continue;
            }
            let meant = |one: &&Virtual| {
                let other = one.address.ip();
                let likely = are_near(ip, other) || self.tracks_proxies(one.table);
                other.is_ipv4() == ip.is_ipv4() && likely && self.is_unserved(one)
            };
            let meant: Vec<IpAddr> =
                known.virtuals.iter().filter(meant).map(|one| one.address.ip()).collect();
            let title = match meant[..] {
                [] if known.is_here() => format!("{ip} is neither virtual nor this host's own"),
                [] => continue,
                _ => format!("{ip} is no virtual address, and nothing listens on {}", list(&meant)),
            };
            let help = "clients of the virtual address are refused; where the node has this address of its own, allow = [\"W0207\"]";
            check.problems.tell(Code::NobodyListens, listen.span.clone(), title, help);
            told.extend(meant);
        }
        told
    }

    /// A table that follows proxies, and whose addresses lead to none.
    fn nobody_there(
        &self,
        table: usize,
        raw: &RawRouter,
        told: &BTreeSet<IpAddr>,
        check: &mut Check<'_>,
    ) {
        if !self.tracks_proxies(table) {
            return;
        }
        for family in [Family::Ipv4, Family::Ipv6] {
            let mine = |one: &&Virtual| {
                one.table == table && one.address.family() == family && one.is_for_clients()
            };
            let mine: Vec<&Virtual> = self.known.virtuals.iter().filter(mine).collect();
            let unserved = mine.iter().all(|one| self.is_unserved(one));
            let Some(first) = mine.first().filter(|_| unserved) else { continue };
            if mine.iter().any(|one| told.contains(&one.address.ip())) {
                continue;
            }
            let name = raw.name.as_ref().map_or("the router", |name| name.get_ref().as_str());
            let ips: Vec<IpAddr> = mine.iter().map(|one| one.address.ip()).collect();
            let title = format!("{name} follows a proxy, and no proxy listens on {}", list(&ips));
            let help = format!(
                "clients of it are refused; write it into `listen`, or {} for all addresses of {family}",
                if family == Family::Ipv4 { "\"0.0.0.0:PORT\"" } else { "\"[::]:PORT\"" }
            );
            check.problems.tell(Code::NobodyListens, first.span.clone(), title, &help);
        }
    }

    /// A table whose addresses lead to proxies, none of which it follows.
    fn unmoved(&self, table: usize, raw: &RawRouter, check: &mut Check<'_>) {
        let Some(name) = &raw.name else { return };
        let mut routers = self.routers.iter().filter(|router| self.is_of(router, table));
        let Some(router) = routers.next().filter(|router| !router.priority.is_owner()) else {
            return;
        };
        let followed: BTreeSet<&Name> = router.track.iter().map(|tracked| &tracked.name).collect();
        // What a program of the operator's own looks at, nobody here knows.
        let looks_at_it = |tracker: &TrackerConfig| match tracker.kind {
            TrackerKind::Script(_) | TrackerKind::Process(_) | TrackerKind::File(_) => true,
            TrackerKind::Interface(_) | TrackerKind::Gateway(_) => false,
        };
        if self.trackers.iter().any(|one| followed.contains(&one.name) && looks_at_it(one)) {
            return;
        }
        let serving: Vec<&ProxyConfig> =
            self.proxies.iter().filter(|proxy| self.serves(proxy, table)).collect();
        if serving.is_empty() || serving.iter().any(|proxy| is_followed(proxy, &followed)) {
            return;
        }
        let names: Vec<String> =
            serving.iter().map(|proxy| format!("{:?}", proxy.name.as_str())).collect();
        let span = raw.track.as_ref().map_or_else(|| name.span(), Spanned::span);
        let title =
            format!("nothing moves {} when {} has no server", name.get_ref(), serving[0].name);
        let help = format!(
            "its clients are reset as long as this node lives: write track = [{}]; or, if that is meant, allow = [\"W0208\"]",
            names.join(", ")
        );
        check.problems.tell(Code::Unmoved, span, title, &help);
    }

    fn is_of(&self, router: &RouterConfig, table: usize) -> bool {
        let name = self.file.vrrp[table].get_ref().name.as_ref();
        name.is_some_and(|name| name.get_ref() == router.id.name.as_str())
    }

    fn tracks_proxies(&self, table: usize) -> bool {
        let routers = self.routers.iter().filter(|router| self.is_of(router, table));
        let is_proxy = |name: &Name| self.proxies.iter().any(|proxy| proxy.name == *name);
        routers.flat_map(|router| &router.track).any(|tracked| is_proxy(&tracked.name))
    }

    fn is_unserved(&self, one: &Virtual) -> bool {
        let ip = one.address.ip();
        one.is_for_clients() && !self.known.listens.iter().any(|listen| listen.is_at(ip))
    }

    /// Whether clients of the table's addresses come to a proxy.
    fn serves(&self, proxy: &ProxyConfig, table: usize) -> bool {
        let mine = self.known.virtuals.iter().filter(|one| one.table == table);
        let mut mine = mine.filter(|one| one.is_for_clients()).map(|one| one.address.ip());
        mine.any(|ip| {
            let at = |listen: &Listen| listen.is_at(ip);
            proxy.listen.iter().any(|&here| at(&Listen { proxy: 0, span: 0..0, at: here }))
        })
    }
}

/// Whether a router follows a proxy, one that it sends clients to, or one that decides for its servers.
fn is_followed(proxy: &ProxyConfig, followed: &BTreeSet<&Name>) -> bool {
    let decides = |name: &Name| followed.contains(name);
    let servers = proxy.servers.iter().filter_map(|server| server.follows.as_ref());
    decides(&proxy.name)
        || proxy.routes.iter().any(|route| decides(&route.proxy))
        || servers.into_iter().any(|follows| decides(&follows.proxy))
}

fn list(ips: &[IpAddr]) -> String {
    ips.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ")
}
