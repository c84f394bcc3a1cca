//! `track`: servers whose health is that of another backend's.

use crate::Import;
use crate::draft::{Proxy, Server};
use crate::source::{Place, Statement};

/// Finds for the servers that track others the proxy that these have come to.
pub(super) fn resolve(import: &mut Import) {
    let proxies = import.draft.proxies.clone();
    for proxy in &mut import.draft.proxies {
        let lines = proxy.servers.iter().filter_map(|server| Some(&server.track.as_ref()?.0));
        let lines: Vec<Statement> = lines.cloned().collect();
        let Some(first) = lines.first() else { continue };
        match leader(proxy, &proxies) {
            Ok(leader) => {
                proxy.check.track = Some(leader.name.clone());
                proxy.check.from = vec![Place::clone(first.place())];
            }
            Err(why) => {
                lines.iter().for_each(|line| import.report.unsupported(line, why.clone()));
            }
        }
    }
}

/// The one proxy that all of a proxy's servers track, each the one that stands for it there.
fn leader<'a>(proxy: &Proxy, proxies: &'a [Proxy]) -> Result<&'a Proxy, String> {
    let mut leader: Option<&Proxy> = None;
    for server in &proxy.servers {
        let Some((_, target)) = &server.track else {
            return Err("`track`: all servers of a proxy are as those of another, or none".into());
        };
        let (backend, name) = target.split_once('/').unwrap_or(("", target));
        let was = |other: &&Proxy| {
            let named = |from: &str| {
                ["backend", "listen"].iter().any(|kind| from == format!("{kind} {backend}"))
            };
            other.from.iter().any(|from| named(&from.value))
        };
        let Some(found) = proxies.iter().find(was) else {
            return Err(format!("`track`: there is no backend {backend:?} that is imported"));
        };
        if leader.is_some_and(|leader| leader.name != found.name) {
            return Err("`track`: all servers of a proxy are as those of one other proxy".into());
        }
        if found.servers.iter().any(|other| other.track.is_some()) {
            return Err(format!("`track`: {backend} tracks another itself; name that one"));
        }
        if stands_for(server, found).is_none_or(|other| other.name.as_deref() != Some(name)) {
            let why =
                "there, the server of the same name decides, or the only one at the same host";
            return Err(format!("`track`: {why}"));
        }
        leader = Some(found);
    }
    leader.ok_or_else(|| "`track` without a server".into())
}

/// As the configuration has it.
fn stands_for<'a>(server: &Server, leader: &'a Proxy) -> Option<&'a Server> {
    let same_name = |other: &&Server| other.name.is_some() && other.name == server.name;
    leader.servers.iter().find(same_name).or_else(|| {
        let host = server.address.host();
        let mut same = leader.servers.iter().filter(|other| other.address.host() == host);
        same.next().filter(|_| same.next().is_none())
    })
}
