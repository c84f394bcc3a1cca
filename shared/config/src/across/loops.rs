//! Servers that lead back to the proxy itself: each connection would make another, until no file is left.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::known::{Known, Listen};
use crate::check::Check;
use crate::code::Code;
use crate::raw::{RawFile, RawProxy};
use crate::spanned::Spanned;

/// Proxies, and which of them lead to which.
struct Ways<'a> {
    file: &'a RawFile,
    known: &'a Known,
}

/// Looks at every server, and at the ports of checks and agents.
pub(super) fn look(file: &RawFile, known: &Known, check: &mut Check<'_>) {
    let ways = Ways { file, known };
    for server in &known.servers {
        let through = ways.at(server.at).filter(|listen| ways.leads(listen.proxy, server.proxy));
        if let Some(listen) = through.min_by_key(|listen| listen.proxy != server.proxy) {
            let own = listen.proxy == server.proxy;
            let title = if own {
                format!("{} is where {} itself listens", server.at, ways.name(server.proxy))
            } else {
                let (name, other) = (ways.name(server.proxy), ways.name(listen.proxy));
                format!("{} is where {other} listens, which leads back to {name}", server.at)
            };
            let help = "each connection would make another, without end: write the server's own address and port";
            check.problems.tell(Code::ServesItself, server.span.clone(), title, help);
            continue;
        }
        let raw = file.proxy[server.proxy].get_ref();
        for (key, given) in ports(raw) {
            let Ok(port) = u16::try_from(*given.get_ref()) else { continue };
            let asked = SocketAddr::new(server.at.ip(), port);
            let mut own = ways.at(asked).filter(|listen| listen.proxy == server.proxy);
            if own.next().is_some() {
                let name = ways.name(server.proxy);
                let title = format!("{key} of {name} asks {asked}, where the proxy itself listens");
                let help = "it would say of the server what it says of itself: write the server's own port";
                check.problems.tell(Code::ServesItself, given.span(), title, help);
                break;
            }
        }
    }
}

/// The ports that servers are asked at.
fn ports(raw: &RawProxy) -> impl Iterator<Item = (&'static str, &Spanned<i64>)> {
    let check = raw.check.as_ref().and_then(|check| check.get_ref().port.as_ref());
    let agent = raw.agent.as_ref().and_then(|agent| agent.get_ref().port.as_ref());
    let named = |key, given: Option<_>| given.map(|given| (key, given));
    [named("the check", check), named("the agent", agent)].into_iter().flatten()
}

impl Ways<'_> {
    /// The listeners that a connection to `to` may come to.
    fn at(&self, to: SocketAddr) -> impl Iterator<Item = &Listen> {
        let takes = move |listen: &&Listen| {
            let exact = !listen.at.ip().is_unspecified();
            listen.takes(to) && (exact || self.known.may_be_here(to.ip()))
        };
        self.known.listens.iter().filter(takes)
    }

    /// Whether connections to a proxy may come to another, or it is that one.
    fn leads(&self, from: usize, to: usize) -> bool {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
        while let Some(proxy) = next.pop() {
            if proxy == to {
                return true;
            }
            if seen.insert(proxy) {
                next.extend(self.next(proxy));
            }
        }
        false
    }

    /// The proxies that a proxy's routes and servers lead to.
    fn next(&self, proxy: usize) -> Vec<usize> {
        let servers = self.known.servers.iter().filter(|server| server.proxy == proxy);
        let through = servers.flat_map(|server| self.at(server.at)).map(|listen| listen.proxy);
        let routes = self.file.proxy[proxy].get_ref().route.iter();
        let names = routes.filter_map(|route| route.get_ref().proxy.as_ref());
        let routed = names.filter_map(|name| {
            let named = |other: &Spanned<RawProxy>| {
                let other = other.get_ref().name.as_ref();
                other.is_some_and(|other| other.get_ref() == name.get_ref())
            };
            self.file.proxy.iter().position(named)
        });
        through.chain(routed).collect()
    }

    fn name(&self, proxy: usize) -> String {
        let name = self.file.proxy[proxy].get_ref().name.as_ref();
        name.map_or_else(|| "this proxy".to_owned(), |name| name.get_ref().clone())
    }
}
