//! Two files as the two nodes of a pair: what keeps them from understanding each other.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use config::{Audience, Auth, Checksum, Code, Dialect, Loaded, RouterConfig};

/// The routers of two files that are one virtual router, by their places in each.
pub(super) type Match = (usize, usize);

/// Both files of a pair, and how they are named.
pub(super) struct Two<'a> {
    pub(super) names: [String; 2],
    pub(super) loaded: [&'a mut Loaded; 2],
}

/// One difference: where it is told, and the words.
struct Difference {
    node: usize,
    key: &'static str,
    code: Code,
    title: String,
    help: &'static str,
}

impl Two<'_> {
    /// Tells what differs and must not; returns the routers that are one.
    pub(super) fn compare(&mut self) -> Vec<Match> {
        let matches = self.matches();
        for &(one, other) in &matches {
            let routers = [self.router(0, one).clone(), self.router(1, other).clone()];
            for difference in self.differences(&routers) {
                self.tell(&routers[difference.node], difference);
            }
        }
        self.tell_lonely(&matches);
        matches
    }

    /// Whether a file cannot be used, or not with the other.
    pub(super) fn any_error(&self) -> bool {
        self.loaded.iter().any(|loaded| loaded.warnings.any_error())
    }

    pub(super) fn router(&self, node: usize, position: usize) -> &RouterConfig {
        &self.loaded[node].config.routers[position]
    }

    /// Most alike first: by their addresses, by the VRID, by the name.
    fn matches(&self) -> Vec<Match> {
        let [first, second] = [0, 1].map(|node| &self.loaded[node].config.routers);
        let mut candidates = Vec::new();
        for (one, a) in first.iter().enumerate() {
            for (other, b) in second.iter().enumerate() {
                let shared = !ips(a).is_disjoint(&ips(b));
                let alike = [shared, a.vrid == b.vrid, a.id.name == b.id.name];
                if a.id.family == b.id.family && alike.contains(&true) {
                    candidates.push((alike, one, other));
                }
            }
        }
        candidates.sort_by_key(|(alike, one, other)| (alike.map(|same| !same), *one, *other));
        let mut matches: Vec<Match> = Vec::new();
        for (_, one, other) in candidates {
            if matches.iter().all(|(a, b)| *a != one && *b != other) {
                matches.push((one, other));
            }
        }
        matches.sort_unstable();
        matches
    }

    fn differences(&self, routers: &[RouterConfig; 2]) -> Vec<Difference> {
        let [a, b] = routers;
        let theirs = &self.names[0];
        let mut found = Vec::new();
        let mut differ = |key, code, words: String, help| {
            found.push(Difference { node: 1, key, code, title: words, help });
        };
        if a.vrid != b.vrid {
            let words = format!("`vrid` is {}, but {} in {theirs}", b.vrid, a.vrid);
            differ("vrid", Code::PairVrid, words, "both nodes of a virtual router have the same");
        }
        let versions = [a, b].map(|router| if router.is_version_2() { 2 } else { 3 });
        if versions[0] != versions[1] {
            let words = format!("version {} here, but {} in {theirs}", versions[1], versions[0]);
            let help = "neither takes the other's adverts: both have the addresses";
            differ("version", Code::PairVersion, words, help);
        }
        let [ours, other] =
            [b, a].map(|r| humantime::format_duration(r.advert_interval.duration()));
        if a.advert_interval != b.advert_interval {
            let words = format!("`advert_interval` is {ours}, but {other} in {theirs}");
            if versions == [2, 2] {
                let help =
                    "version 2 discards adverts of another interval: both have the addresses";
                differ("advert_interval", Code::PairInterval, words, help);
            } else if versions == [3, 3] {
                let help = "a Backup goes by the Active router's: how long a failure takes depends on who fails";
                differ("advert_interval", Code::PairPace, words, help);
            }
        }
        if ips(a) != ips(b) {
            let only = |one: &RouterConfig, other: &RouterConfig| {
                let only: Vec<String> =
                    ips(one).difference(&ips(other)).map(IpAddr::to_string).collect();
                if only.is_empty() { "none".to_owned() } else { only.join(", ") }
            };
            let words = format!(
                "`addresses` differ: only here {}, only in {theirs} {}",
                only(b, a),
                only(a, b)
            );
            let help = "what only one file has is on no node while the other is Active; a keepalived would discard such adverts";
            differ("addresses", Code::PairAddresses, words, help);
        }
        dialects(a.dialect, b.dialect, theirs, &mut differ);
        if a.priority == b.priority {
            let words = format!("`priority` is {} in both files", b.priority);
            let help = "the higher of the nodes' own addresses decides; give the node that shall have the addresses more";
            differ("priority", Code::PairPriority, words, help);
        }
        if let Some(source) = a.source.filter(|_| a.source == b.source) {
            let words = format!("`source` is {source} in both files");
            let help = "each node speaks from its own address; both would be Active";
            differ("source", Code::PairSource, words, help);
        }
        found.extend(self.audiences(routers));
        found.extend(self.listens(routers));
        found
    }

    /// Who has the addresses after a takeover must listen on them as the other does.
    fn listens(&self, routers: &[RouterConfig; 2]) -> Vec<Difference> {
        let ports = |node: usize, ip: IpAddr| -> BTreeSet<u16> {
            let proxies = self.loaded[node].config.proxies.iter();
            let listens = proxies.flat_map(|proxy| &proxy.listen).filter(|listen| {
                let all = listen.ip().is_unspecified() && listen.is_ipv4() == ip.is_ipv4();
                all || listen.ip() == ip
            });
            listens.map(SocketAddr::port).collect()
        };
        let [first, second] = [&routers[0], &routers[1]].map(|r| r.managed.ips().collect());
        let both: BTreeSet<IpAddr> = BTreeSet::intersection(&first, &second).copied().collect();
        let mut found = Vec::new();
        for ip in both {
            for node in [0, 1] {
                let lacks: Vec<String> = ports(1 - node, ip)
                    .difference(&ports(node, ip))
                    .map(|port| SocketAddr::new(ip, *port).to_string())
                    .collect();
                if !lacks.is_empty() {
                    let name = &self.names[1 - node];
                    let title = format!("nothing listens on {}, as in {name}", lacks.join(", "));
                    let help = "its clients are refused while this node is Active";
                    let (key, code) = ("addresses", Code::PairListens);
                    found.push(Difference { node, key, code, title, help });
                }
            }
        }
        found
    }

    /// Unicast peers must point at each other.
    fn audiences(&self, routers: &[RouterConfig; 2]) -> Vec<Difference> {
        let at = |node: usize, title: String, help| {
            Some(Difference { node, key: "peers", code: Code::PairPeers, title, help })
        };
        let (peers, others) = match [&routers[0].audience, &routers[1].audience] {
            [Audience::Multicast, Audience::Multicast] => return Vec::new(),
            [Audience::Peers(first), Audience::Peers(second)] => ([first, second], [second, first]),
            [_, ours] => {
                let unicast = usize::from(matches!(ours, Audience::Peers(_)));
                let title = format!(
                    "adverts go to `peers` here, but to all in {}",
                    self.names[1 - unicast]
                );
                return at(unicast, title, "name the peer in both files, or in neither")
                    .into_iter()
                    .collect();
            }
        };
        let fault = |node: usize| {
            let (own, other) = (routers[node].source, routers[1 - node].source);
            let name = &self.names[1 - node];
            if let Some(other) = other.filter(|other| !peers[node].contains(other)) {
                let title = format!("`peers` does not have {other}, which {name} speaks from");
                return at(node, title, "its adverts are discarded: both have the addresses");
            }
            // Without `source` in either file: one of the two names itself.
            let same = own.is_none() && other.is_none() && peers[node].len() == 1;
            if same && node == 1 && peers[node] == others[node] {
                return at(
                    node,
                    format!("`peers` is the same as in {name}"),
                    "each node names the other",
                );
            }
            None
        };
        [0, 1].into_iter().filter_map(fault).collect()
    }

    /// A router that nobody takes over from.
    fn tell_lonely(&mut self, matches: &[Match]) {
        for node in [0, 1] {
            for position in 0..self.loaded[node].config.routers.len() {
                let matched = |pair: &Match| [pair.0, pair.1][node] == position;
                if matches.iter().any(matched) {
                    continue;
                }
                let router = self.router(node, position).clone();
                let title = format!("{} is not in {}", router.id, self.names[1 - node]);
                let help = "when this node fails nobody takes its addresses over; add it there";
                self.tell(
                    &router,
                    Difference { node, key: "name", code: Code::PairLonely, title, help },
                );
            }
        }
    }

    fn tell(&mut self, router: &RouterConfig, difference: Difference) {
        let Difference { node, key, code, title, help } = difference;
        self.say(node, router, key, code, &title, help);
    }

    /// Tells something of a router's key, unless either file allows it.
    pub(super) fn say(
        &mut self,
        node: usize,
        router: &RouterConfig,
        key: &'static str,
        code: Code,
        title: &str,
        help: &str,
    ) {
        if !self.loaded[1 - node].warnings.allows(code) {
            self.loaded[node].fault(&router.id.name, key, code, title, help);
        }
    }
}

/// What only one version has.
fn dialects(
    first: Dialect,
    second: Dialect,
    theirs: &str,
    differ: &mut impl FnMut(&'static str, Code, String, &'static str),
) {
    match (first, second) {
        (Dialect::V2(one), Dialect::V2(other)) if one != other => {
            let words = match (one, other) {
                (Auth::None, _) => format!("there is an `auth_pass` here, but none in {theirs}"),
                (_, Auth::None) => format!("there is no `auth_pass` here, but one in {theirs}"),
                _ => format!("`auth_pass` is another than in {theirs}"),
            };
            let help = "neither takes the other's adverts: both have the addresses";
            differ("auth_pass", Code::PairPassword, words, help);
        }
        (
            Dialect::V3(one @ (Checksum::Rfc9568 | Checksum::Rfc5798)),
            Dialect::V3(other @ (Checksum::Rfc9568 | Checksum::Rfc5798)),
        ) if one != other => {
            let words = format!("`checksum` is another than in {theirs}");
            let help = "neither takes the other's adverts: leave it out in both, or write the same";
            differ("checksum", Code::PairChecksum, words, help);
        }
        _ => {}
    }
}

fn ips(router: &RouterConfig) -> BTreeSet<IpAddr> {
    router.addresses.iter().map(|address| address.ip()).collect()
}
