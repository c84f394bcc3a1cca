//! Names among the servers of a proxy, the addresses that they have, and the servers that they stand for:
//! one for each address. Pure.

use std::net::{IpAddr, SocketAddr};

use config::{ProxyConfig, ServerConfig};
use vocabulary::{Endpoint, Name};

use super::effect::{Effect, Event};
use crate::health::outcome::CheckId;
use crate::plan::located::Located;

/// An address that a name has, and whether it is one of this node's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) address: SocketAddr,
    pub(crate) local: bool,
}

/// Where connections would come back to this node's own proxies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OwnAddresses {
    listens: Vec<SocketAddr>,
    virtual_addresses: Vec<IpAddr>,
}

impl OwnAddresses {
    /// Of these proxies, on a node that may have these virtual addresses.
    pub(crate) fn of(proxies: &[ProxyConfig], virtual_addresses: Vec<IpAddr>) -> Self {
        let listens = proxies.iter().flat_map(|proxy| proxy.listen.iter().copied()).collect();
        Self { listens, virtual_addresses }
    }

    /// Whether it is one of them: listened on itself, as one of all of this node's, or as a virtual address
    /// that the other node may have at this moment.
    fn has(&self, found: Found) -> bool {
        let Found { address, local } = found;
        let at = |listen: &SocketAddr| {
            let any = listen.ip().is_unspecified() && listen.is_ipv4() == address.is_ipv4();
            let here = local || self.virtual_addresses.contains(&address.ip());
            listen.ip() == address.ip() || (any && here)
        };
        let same_port = |listen: &&SocketAddr| listen.port() == address.port();
        let virtual_one = self.virtual_addresses.contains(&address.ip());
        self.listens.iter().filter(same_port).any(|listen| virtual_one || at(listen))
    }
}

/// What is known of a name.
#[derive(Debug)]
pub(crate) struct NameRecord {
    endpoint: Endpoint,
    /// The addresses must be of the same family.
    source: Option<IpAddr>,
    /// Addresses that are used, at most.
    most: usize,
    /// The look-ups that go on.
    pub(super) running: CheckId,
    /// Those that are used, in their order.
    addresses: Vec<SocketAddr>,
    /// Why there are none, in words, once it was looked up.
    pub(super) failure: Option<String>,
    /// It had addresses, and has none at this moment: the last ones stay.
    lost: bool,
    /// Those of this node, which are not used.
    left_out: Vec<SocketAddr>,
}

impl NameRecord {
    /// One that is looked up from now on; none where the server has an address.
    pub(super) fn new(server: &ServerConfig, running: CheckId) -> Self {
        Self {
            endpoint: server.address.clone(),
            source: server.source,
            most: usize::from(server.max_addresses.get()),
            running,
            addresses: Vec::new(),
            failure: None,
            lost: false,
            left_out: Vec::new(),
        }
    }

    /// Whether it is the one by which a server is found.
    pub(super) fn is_of(&self, server: &ServerConfig) -> bool {
        self.endpoint == server.address
            && self.source == server.source
            && self.most == usize::from(server.max_addresses.get())
    }

    /// The name, and the port.
    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Takes an answer over; returns whether the servers are others by it. A name that has no address any
    /// more keeps its last ones: whether those live, their checks tell.
    pub(super) fn learn(
        &mut self,
        proxy: &Name,
        answer: Result<Vec<Found>, String>,
        own: &OwnAddresses,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let usable = answer.and_then(|all| self.usable(proxy, all, own, effects));
        let all = match usable {
            Ok(all) => all,
            Err(why) => return self.fail(proxy, why, effects),
        };
        self.lost = false;
        let count = all.len();
        // Whom we know already stays, whatever the order of the answer.
        let mut next: Vec<SocketAddr> =
            self.addresses.iter().copied().filter(|known| all.contains(known)).collect();
        let mut others: Vec<SocketAddr> =
            all.into_iter().filter(|one| !next.contains(one)).collect();
        others.sort_unstable();
        next.extend(others);
        next.truncate(self.most);
        next.sort_unstable();
        self.failure = None;
        if next == self.addresses {
            return false;
        }
        self.addresses = next;
        let (name, addresses) = (self.endpoint.to_string(), self.addresses.clone());
        let surplus = count - addresses.len();
        effects.push(Effect::Log(Event::Found { proxy: proxy.clone(), name, addresses, surplus }));
        true
    }

    /// Those of an answer that can be used, each once.
    fn usable(
        &mut self,
        proxy: &Name,
        all: Vec<Found>,
        own: &OwnAddresses,
        effects: &mut Vec<Effect>,
    ) -> Result<Vec<SocketAddr>, String> {
        // A host of both families is one server: at its address that the system prefers (RFC 6724).
        let preferred = all.first().map(|found| found.address.is_ipv4());
        let family = self.source.map(|source| source.is_ipv4()).or(preferred);
        let fits = |found: &&Found| Some(found.address.is_ipv4()) == family;
        let mut left_out = Vec::new();
        let mut usable = Vec::new();
        for found in all.iter().filter(fits) {
            let list = if own.has(*found) { &mut left_out } else { &mut usable };
            if !list.contains(&found.address) {
                list.push(found.address);
            }
        }
        for address in left_out.iter().filter(|address| !self.left_out.contains(address)) {
            let (proxy, name) = (proxy.clone(), self.endpoint.to_string());
            effects.push(Effect::Log(Event::OwnAddress { proxy, name, address: *address }));
        }
        self.left_out = left_out;
        match (usable.is_empty(), self.left_out.is_empty()) {
            (false, _) => Ok(usable),
            (true, true) => Err("it has no address".to_owned()),
            (true, false) => Err("it leads to this proxy itself".to_owned()),
        }
    }

    fn fail(&mut self, proxy: &Name, why: String, effects: &mut Vec<Effect>) -> bool {
        let words = format!("look up {}: {why}", self.endpoint);
        if self.addresses.is_empty() {
            let news = self.failure.as_ref() != Some(&words);
            self.failure = Some(words);
            return news;
        }
        if !std::mem::replace(&mut self.lost, true) {
            let proxy = proxy.clone();
            effects.push(Effect::Log(Event::NameLost { proxy, words }));
        }
        false
    }
}

/// A server that is wanted, and the table of the file that wants it.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) entry: ServerConfig,
    pub(crate) name: Name,
    pub(crate) located: Located,
}

impl Wanted {
    /// What tells it from others for good.
    pub(super) fn key(&self) -> SocketAddr {
        self.located.key(self.entry.max_addresses.get() == 1)
    }
}

/// The servers that those of the file stand for: of a name one for each of its addresses, and one that is
/// nowhere while it has none.
pub(super) fn wanted(entries: &[ServerConfig], names: &[NameRecord]) -> Vec<Wanted> {
    let of_one = |entry: &ServerConfig| {
        let one = |name: Name, located: Located| Wanted { entry: entry.clone(), name, located };
        let known = names.iter().find(|name| name.is_of(entry));
        match known.map_or(&[][..], |name| &name.addresses) {
            [] => vec![one(entry.name.clone(), Located::new(entry.address.clone()))],
            [only] => {
                vec![one(entry.name.clone(), Located::found(entry.address.clone(), *only))]
            }
            several => several
                .iter()
                .map(|address| {
                    let located = Located::found(entry.address.clone(), *address);
                    one(entry.name.at(address.ip()), located)
                })
                .collect(),
        }
    };
    entries.iter().flat_map(of_one).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::wildcard_enum_match_arm, reason = "a test that meets something else panics")]

    use super::*;

    fn proxies(text: &str) -> Vec<ProxyConfig> {
        config::parse("vipd.toml", text).unwrap().config.proxies
    }

    /// A proxy that listens there, with one server `cp`.
    fn table(listen: &str, more: &str) -> Vec<ProxyConfig> {
        proxies(&format!(
            "[[proxy]]\nname = \"p\"\nlisten = [\"{listen}\"]\n\
             [[proxy.server]]\nname = \"cp\"\naddress = \"cp.test:6443\"\n{more}\n"
        ))
    }

    fn answer(addresses: &[&str]) -> Result<Vec<Found>, String> {
        let found = |text: &&str| {
            let (local, ip) = text.strip_prefix('!').map_or((false, *text), |ip| (true, ip));
            Found { address: SocketAddr::new(ip.parse().unwrap(), 6443), local }
        };
        Ok(addresses.iter().map(found).collect())
    }

    /// A name and its servers, answer by answer.
    struct Story {
        proxies: Vec<ProxyConfig>,
        own: OwnAddresses,
        name: NameRecord,
    }

    impl Story {
        fn of(proxies: Vec<ProxyConfig>) -> Self {
            let own = OwnAddresses::of(&proxies, vec!["10.0.0.100".parse().unwrap()]);
            let name = NameRecord::new(&proxies[0].servers[0], CheckId(1));
            Self { proxies, own, name }
        }

        /// What follows from an answer: the servers, if they are others, and what is logged.
        fn learn(&mut self, answer: Result<Vec<Found>, String>) -> (Option<String>, Vec<String>) {
            let mut effects = Vec::new();
            let proxy = &self.proxies[0];
            let changed = self.name.learn(&proxy.name, answer, &self.own, &mut effects);
            let servers = wanted(&proxy.servers, std::slice::from_ref(&self.name));
            let servers: Vec<String> =
                servers.iter().map(|one| format!("{} {}", one.name, one.located)).collect();
            let logs = effects.into_iter().map(|effect| {
                let Effect::Log(event) = effect else { panic!("{effect:?}") };
                match event {
                    Event::Found { addresses, surplus, .. } => {
                        format!("found {} of {}", addresses.len(), addresses.len() + surplus)
                    }
                    Event::OwnAddress { address, .. } => format!("own {address}"),
                    Event::NameLost { words, .. } => words,
                    event => panic!("{event:?}"),
                }
            });
            (changed.then(|| servers.join(", ")), logs.collect())
        }
    }

    #[test]
    fn each_address_is_a_server_and_the_last_ones_stay() {
        let mut story = Story::of(table("10.0.0.9:7000", ""));
        let nowhere = Some("cp cp.test:6443".to_owned());
        assert_eq!(story.learn(Err("no such host".to_owned())), (nowhere, vec![]));
        assert_eq!(story.name.failure.as_deref(), Some("look up cp.test:6443: no such host"));
        assert_eq!(story.learn(Err("no such host".to_owned())), (None, vec![]), "no news");
        let lost = "look up cp.test:6443: timed out".to_owned();
        let empty = "look up cp.test:6443: it has no address".to_owned();
        for (answer, servers, logs) in [
            (answer(&["10.0.0.1"]), Some("cp 10.0.0.1:6443"), vec!["found 1 of 1"]),
            (
                answer(&["10.0.0.2", "10.0.0.1", "10.0.0.2"]),
                Some("cp@10.0.0.1 10.0.0.1:6443, cp@10.0.0.2 10.0.0.2:6443"),
                vec!["found 2 of 2"],
            ),
            (answer(&["10.0.0.1", "10.0.0.2"]), None, vec![]),
            (Err("timed out".to_owned()), None, vec![lost.as_str()]),
            (Err("timed out".to_owned()), None, vec![]),
            (answer(&["10.0.0.1", "10.0.0.2"]), None, vec![]),
            (answer(&[]), None, vec![empty.as_str()]),
            (answer(&["10.0.0.3"]), Some("cp 10.0.0.3:6443"), vec!["found 1 of 1"]),
        ] {
            let servers = servers.map(str::to_owned);
            let logs: Vec<String> = logs.into_iter().map(str::to_owned).collect();
            assert_eq!(story.learn(answer.clone()), (servers, logs), "{answer:?}");
        }
    }

    #[test]
    fn one_family_counts_and_not_too_many() {
        let found = |more: &str, addresses: &[&str]| {
            let mut story = Story::of(table("10.0.0.9:7000", more));
            story.learn(answer(addresses)).0.unwrap()
        };
        let both = ["fd00::1", "10.0.0.1", "10.0.0.2"];
        assert_eq!(found("", &both), "cp [fd00::1]:6443", "as the system prefers it");
        let from = "source = \"10.0.0.9\"";
        assert_eq!(found(from, &both), "cp@10.0.0.1 10.0.0.1:6443, cp@10.0.0.2 10.0.0.2:6443");
        assert_eq!(found("max_addresses = 1", &["10.0.0.2", "10.0.0.1"]), "cp 10.0.0.1:6443");
        let many: Vec<String> = (0..100).map(|host| format!("10.0.1.{host}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let mut story = Story::of(table("10.0.0.9:7000", ""));
        let (servers, logs) = story.learn(answer(&many));
        assert_eq!(
            (servers.unwrap().split(',').count(), logs[0].as_str()),
            (32, "found 32 of 100")
        );
        // Which ones are used does not depend on the order of the answer.
        let turned: Vec<&str> = many.iter().rev().copied().collect();
        assert_eq!(story.learn(answer(&turned)).0, None);
    }

    #[test]
    fn a_name_that_leads_back_is_left_out() {
        for (listen, addresses, servers, logs) in [
            // A virtual address with a port that is listened on, whoever has it.
            ("10.0.0.100:6443", vec!["10.0.0.100", "10.0.0.1"], "cp 10.0.0.1:6443", 1),
            ("0.0.0.0:6443", vec!["10.0.0.100", "10.0.0.1"], "cp 10.0.0.1:6443", 1),
            ("0.0.0.0:6443", vec!["!10.0.0.9", "10.0.0.1"], "cp 10.0.0.1:6443", 1),
            ("10.0.0.9:6443", vec!["!10.0.0.9", "10.0.0.1"], "cp 10.0.0.1:6443", 1),
            ("0.0.0.0:6443", vec!["!10.0.0.9"], "cp cp.test:6443", 1),
            // Another port, or another family's.
            ("0.0.0.0:7000", vec!["!10.0.0.9"], "cp 10.0.0.9:6443", 0),
            ("[::]:6443", vec!["!10.0.0.9"], "cp 10.0.0.9:6443", 0),
            ("10.0.0.8:6443", vec!["!10.0.0.9"], "cp 10.0.0.9:6443", 0),
        ] {
            let mut story = Story::of(table(listen, ""));
            let (found, seen) = story.learn(answer(&addresses));
            assert_eq!(found.as_deref(), Some(servers), "{listen} {addresses:?}");
            let own = seen.iter().filter(|log| log.starts_with("own ")).count();
            assert_eq!(own, logs, "{listen} {addresses:?}");
            let (_, seen) = story.learn(answer(&addresses));
            assert_eq!(seen, [""; 0], "said once");
        }
    }
}
