//! What each fault will cost a pair's clients at worst, by running its own election on a virtual clock.

use std::time::{Duration, Instant};

use config::{CheckConfig, Code, Config, Preempt, ProxyConfig, RouterConfig, TrackerKind};
use process::messages::HEARTBEAT_TIMEOUT;
use serde::Serialize;
use vocabulary::Name;
use vrrp::simulation::{Fault, Pair};

use super::pair::{Match, Two};

/// What a fault costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Row {
    /// The `[[vrrp]]` table or sync group, as the first file names it.
    pub(super) router: String,
    pub(super) fault: &'static str,
    /// Milliseconds without service; none: until somebody mends it.
    pub(super) milliseconds: Option<u64>,
}

/// As it is shown to people.
pub(super) fn table(rows: &[Row]) -> String {
    let width = rows.iter().map(|row| row.fault.len()).max().unwrap_or_default();
    let mut text = "without service at worst, as these files play the real election:\n".to_owned();
    let mut router = "";
    for row in rows {
        if row.router != router {
            router = &row.router;
            text.push_str(&format!("{router}\n"));
        }
        let time = match row.milliseconds {
            Some(millis) => format!("{millis:>7} ms"),
            None => "until it is mended".to_owned(),
        };
        text.push_str(&format!("  {:<width$}  {time}\n", row.fault));
    }
    text
}

/// Routers of each node that move together.
struct Unit {
    name: String,
    nodes: [Vec<RouterConfig>; 2],
}

impl Two<'_> {
    /// Plays every fault through; tells of trackers whose failure moves nothing.
    pub(super) fn forecast(&mut self, matches: &[Match], start: Instant) -> Vec<Row> {
        let mut rows = Vec::new();
        for unit in self.units(matches) {
            let pair = Pair { nodes: [&unit.nodes[0], &unit.nodes[1]], start };
            let mut row = |fault, downtime: Option<Duration>| {
                rows.push(Row {
                    router: unit.name.clone(),
                    fault,
                    milliseconds: downtime.map(millis),
                });
            };
            row("planned stop of the Active node", pair.downtime(&Fault::Stopped));
            row("the Active node dies, or is cut off", pair.downtime(&Fault::Lost));
            row("the better node comes back", pair.downtime(&Fault::Returned));
            let active = pair.favourite();
            let config = &self.loaded[active].config;
            let proxies = followed(&unit.nodes[active], config);
            if config.proxies.iter().any(|proxy| serves(proxy, &unit.nodes[active])) {
                let moved = (!proxies.is_empty()).then(|| Fault::Unusable(proxies.clone()));
                let moved = moved.and_then(|fault| pair.downtime(&fault));
                let after = |noticed: Duration| moved.map(|moved| noticed + moved);
                row("the Active node's proxy dies", after(Duration::ZERO));
                row("the Active node's proxy hangs", after(HEARTBEAT_TIMEOUT));
                row("no server answers the Active node", after(detection(config, &proxies)));
            }
            self.tell_unmoved(&unit, &pair);
        }
        rows
    }

    fn units(&self, matches: &[Match]) -> Vec<Unit> {
        let mut units: Vec<Unit> = Vec::new();
        for &(one, other) in matches {
            let [a, b] = [self.router(0, one), self.router(1, other)];
            let name = a.sync_group.as_ref().unwrap_or(&a.id.name).to_string();
            let position = units.iter().position(|unit| unit.name == name).unwrap_or_else(|| {
                units.push(Unit { name, nodes: [Vec::new(), Vec::new()] });
                units.len() - 1
            });
            units[position].nodes[0].push(a.clone());
            units[position].nodes[1].push(b.clone());
        }
        units
    }

    /// What fails alone, and leaves the addresses where they are.
    fn tell_unmoved(&mut self, unit: &Unit, pair: &Pair<'_>) {
        let active = pair.favourite();
        let router = &unit.nodes[active][0];
        for tracked in &router.track {
            let fault = Fault::Unusable(vec![tracked.name.clone()]);
            if is_number(&tracked.name, &self.loaded[active].config)
                || pair.downtime(&fault).is_some()
            {
                continue;
            }
            let title = format!(
                "{} fails, and {} never moves to {}",
                tracked.name,
                unit.name,
                self.names[1 - active]
            );
            let help = unmoved(router, &unit.nodes[1 - active][0], tracked.weight);
            self.say(active, router, "track", Code::PairUnmoved, &title, &help);
        }
    }
}

/// Why the peer does not take the addresses, and what to do.
fn unmoved(router: &RouterConfig, peer: &RouterConfig, weight: Option<i16>) -> String {
    let (own, theirs) = (router.priority, peer.priority);
    match weight {
        _ if own.is_owner() => "priority 255 follows no tracker: write a lower one".to_owned(),
        _ if peer.preempt == Preempt::Never => {
            "its `preempt = false` leaves them to a living node, whatever its priority".to_owned()
        }
        Some(weight) => format!(
            "{own} with the weight {weight} is not below {theirs}; leave `weight` out, or let it exceed {}",
            i32::from(own.get()) - i32::from(theirs.get())
        ),
        None => "it is not below the peer".to_owned(),
    }
}

/// A file's number decides, not whether it is there.
fn is_number(name: &Name, config: &Config) -> bool {
    let tracker = config.trackers.iter().find(|tracker| tracker.name == *name);
    tracker.is_some_and(|tracker| matches!(tracker.kind, TrackerKind::File(_)))
}

/// Whether a proxy is behind some of these routers' addresses.
fn serves(proxy: &ProxyConfig, routers: &[RouterConfig]) -> bool {
    let ips = || routers.iter().flat_map(|router| router.managed.ips());
    let mut listens = proxy.listen.iter().map(|listen| listen.ip());
    listens.any(|listen| listen.is_unspecified() || ips().any(|ip| ip == listen))
}

/// The proxies that some of these routers follow.
fn followed(routers: &[RouterConfig], config: &Config) -> Vec<Name> {
    let tracked = routers.iter().flat_map(|router| &router.track).map(|tracked| &tracked.name);
    let is_proxy = |name: &&Name| config.proxies.iter().any(|proxy| proxy.name == **name);
    let mut names: Vec<Name> = tracked.filter(is_proxy).cloned().collect();
    names.dedup();
    names
}

/// How long checks take at worst until the last server of some proxy counts as down.
fn detection(config: &Config, proxies: &[Name]) -> Duration {
    let tracked = |proxy: &&ProxyConfig| proxies.contains(&proxy.name);
    let leads = |start: &ProxyConfig, end: &ProxyConfig| {
        start.name == end.name || start.routes.iter().any(|route| route.proxy == end.name)
    };
    let checks = config.proxies.iter().filter(|proxy| {
        !proxy.servers.is_empty()
            && config.proxies.iter().filter(tracked).any(|start| leads(start, proxy))
    });
    let worst = |check: &CheckConfig| {
        let more = check.fast_interval.max(check.timeout) * (check.fall - 1);
        check.interval + more + check.timeout
    };
    checks.map(|proxy| worst(&proxy.check)).max().unwrap_or_default()
}

/// Whole milliseconds, rounded up.
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_micros().div_ceil(1000)).unwrap_or(u64::MAX)
}
