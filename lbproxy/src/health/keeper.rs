//! Keeps what is known of every server: starts the checks, folds their outcomes, says what changed.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use shared::config::{CheckConfig, ProxyConfig};
use shared::{Name, TrackerHealth};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::{info, warn};

use super::probe::{Found, Outcome, Probe, Target};
use super::score::score;
use super::{Health, State};
use crate::backend::{Backend, BackendSet, Server};
use crate::plan::ProxyCounters;
use crate::queue::Queue;
use crate::status::{Mode, Order};

/// The first checks of a proxy's servers are spread over this time at most, so that a proxy is
/// judged soon after its start.
const SPREAD: Duration = Duration::from_millis(100);

/// Every proxy and its servers.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(crate) proxies: Vec<KeptProxy>,
    results: mpsc::Sender<Found>,
    probers: u64,
}

/// One proxy.
#[derive(Debug)]
pub(crate) struct KeptProxy {
    pub(crate) config: ProxyConfig,
    pub(crate) counters: Arc<ProxyCounters>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) servers: Vec<KeptServer>,
}

/// One server.
#[derive(Debug)]
pub(crate) struct KeptServer {
    pub(crate) server: Arc<Server>,
    pub(crate) weight: Weight,
    pub(crate) mode: Mode,
    pub(crate) health: Health,
    /// Since when it is in its state.
    pub(crate) since: Instant,
    /// What the last change of state was for, in words.
    pub(crate) reason: String,
    /// What the last check found, in words.
    pub(crate) last: String,
    denied: bool,
    prober: u64,
    checks: Checks,
    /// Checks it until dropped; none in maintenance.
    task: Option<Task>,
}

/// A task that ends with its owner.
#[derive(Debug)]
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// How a server is checked.
#[derive(Clone, Debug)]
struct Checks {
    probe: Probe,
    target: Target,
    results: mpsc::Sender<Found>,
}

/// A server's share of the connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Weight {
    configured: u16,
    /// What an operator put in its place.
    ordered: Option<u16>,
}

impl Weight {
    /// The one that counts.
    pub(crate) fn now(self) -> u16 {
        self.ordered.unwrap_or(self.configured)
    }
}

impl Keeper {
    /// Keeps nothing yet; outcomes come in by `results`.
    pub(crate) fn new(results: mpsc::Sender<Found>) -> Self {
        Self { proxies: Vec::new(), results, probers: 0 }
    }

    /// Takes a configuration over. What is known of a server stays where its proxy's name, its
    /// address and the check are the same. `probes` are those of `configs`, in their order.
    pub(crate) fn replace(&mut self, configs: &[ProxyConfig], probes: Vec<Probe>, now: Instant) {
        let mut old = std::mem::take(&mut self.proxies);
        for (config, probe) in configs.iter().zip(probes) {
            let position = old.iter().position(|proxy| proxy.config.name == config.name);
            let before = position.map(|position| old.swap_remove(position));
            let (check, counters, queue, mut known) = match before {
                Some(proxy) => {
                    (Some(proxy.config.check), proxy.counters, proxy.queue, proxy.servers)
                }
                None => (None, Arc::default(), Arc::default(), Vec::new()),
            };
            let same_check = check.as_ref() == Some(&config.check);
            let count = u32::try_from(config.servers.len()).unwrap_or(u32::MAX);
            let window = config.check.interval.min(SPREAD);
            let mut servers = Vec::new();
            for (place, wanted) in (0_u32..).zip(&config.servers) {
                let address = wanted.address;
                let position = known.iter().position(|s| s.server.address == address);
                let before = position.map(|position| known.swap_remove(position));
                let counters = before.as_ref().map(|before| Arc::clone(&before.server.counters));
                let server = Server {
                    name: wanted.name.clone(),
                    address,
                    backup: wanted.backup,
                    source: wanted.source,
                    max_connections: wanted.max_connections,
                    queue: Arc::clone(&queue),
                    counters: counters.unwrap_or_default(),
                };
                let checks = Checks {
                    probe: probe.clone(),
                    target: Target { address, source: wanted.source },
                    results: self.results.clone(),
                };
                let mut kept = KeptServer::new(server, wanted.weight, checks, now);
                if let Some(before) = before {
                    kept.inherit(before, same_check);
                }
                if kept.mode != Mode::Maint {
                    kept.check_after(window * place / count, self.prober());
                }
                servers.push(kept);
            }
            self.proxies.push(KeptProxy { config: config.clone(), counters, queue, servers });
        }
    }

    fn prober(&mut self) -> u64 {
        self.probers += 1;
        self.probers
    }

    /// Does what an operator wants of a server.
    ///
    /// # Errors
    /// There is no such server; in words.
    pub(crate) fn order(
        &mut self,
        proxy: &Name,
        server: &Name,
        order: Order,
        now: Instant,
    ) -> Result<String, String> {
        if let Order::Weight(weight @ 257..) = order {
            return Err(format!("the weight is {weight}, but must be 0 to 256"));
        }
        let prober = self.prober();
        let kept = self.find(proxy, Some(server))?.next();
        let kept = kept.ok_or_else(|| format!("there is no server {server} of {proxy}"))?;
        kept.order(order, prober, now);
        info!(%proxy, %server, "by an operator: {}, weight {}", kept.state(), kept.weight.now());
        Ok(format!("{proxy}/{server} is {}, weight {}", kept.state(), kept.weight.now()))
    }

    /// Ends the connections of a server, or of all; returns how many there were.
    ///
    /// # Errors
    /// There is no such server; in words.
    pub(crate) fn end_sessions(
        &mut self,
        proxy: &Name,
        server: Option<&Name>,
    ) -> Result<u32, String> {
        let end = |kept: &mut KeptServer| {
            kept.server.counters.end_all(true);
            kept.server.counters.live.load(Ordering::Relaxed)
        };
        let found: Vec<u32> = self.find(proxy, server)?.map(end).collect();
        match server {
            Some(server) if found.is_empty() => {
                Err(format!("there is no server {server} of {proxy}"))
            }
            _ => Ok(found.iter().sum()),
        }
    }

    /// A proxy's servers, or the one with this name.
    fn find<'a>(
        &'a mut self,
        proxy: &Name,
        server: Option<&'a Name>,
    ) -> Result<impl Iterator<Item = &'a mut KeptServer>, String> {
        let known = self.proxies.iter_mut().find(|known| known.config.name == *proxy);
        let known = known.ok_or_else(|| format!("there is no proxy {proxy}"))?;
        let wanted = move |kept: &&mut KeptServer| server.is_none_or(|s| kept.server.name == *s);
        Ok(known.servers.iter_mut().filter(wanted))
    }

    /// Folds in an outcome; returns whether a state changed. That of a check that has been replaced
    /// meanwhile is ignored.
    pub(crate) fn observe(&mut self, found: Found, now: Instant) -> bool {
        let Some((proxy, server)) = self.proxies.iter_mut().find_map(|proxy| {
            let server = proxy.servers.iter_mut().find(|s| s.prober == found.prober)?;
            Some((&proxy.config, server))
        }) else {
            return false;
        };
        server.observe(proxy, found.outcome, now)
    }

    /// The health of every proxy.
    pub(crate) fn scores(&self) -> Vec<TrackerHealth> {
        self.proxies.iter().map(KeptProxy::score).collect()
    }
}

impl KeptProxy {
    /// Its health as a whole.
    pub(crate) fn score(&self) -> TrackerHealth {
        let states: Vec<State> = self.servers.iter().map(|s| s.state()).collect();
        score(&self.config.name, &states)
    }

    /// Its servers as they are now.
    pub(crate) fn set(&self) -> BackendSet {
        let backends = self
            .servers
            .iter()
            .map(|s| Backend {
                server: Arc::clone(&s.server),
                state: s.state(),
                weight: s.weight.now(),
            })
            .collect();
        BackendSet { balance: self.config.balance, backends }
    }
}

impl KeptServer {
    fn new(server: Server, weight: u16, checks: Checks, now: Instant) -> Self {
        Self {
            server: Arc::new(server),
            weight: Weight { configured: weight, ordered: None },
            mode: Mode::Ready,
            health: Health::UNKNOWN,
            since: now,
            reason: "not checked yet".to_owned(),
            last: "not checked yet".to_owned(),
            denied: false,
            prober: 0,
            checks,
            task: None,
        }
    }

    /// Its state for those who want to use it: an operator's word counts before its checks.
    pub(crate) fn state(&self) -> State {
        match (self.mode, self.health.state()) {
            (Mode::Maint, _) => State::Maint,
            (Mode::Drain, State::Up | State::Unknown) => State::Draining,
            (_, state) => state,
        }
    }

    /// What was known of the server before a reload; its health only where it is checked alike.
    fn inherit(&mut self, before: Self, same_check: bool) {
        self.mode = before.mode;
        // A weight that is changed in the file is meant to count.
        if before.weight.configured == self.weight.configured {
            self.weight = before.weight;
        }
        if same_check || self.mode == Mode::Maint {
            self.health = before.health;
            self.since = before.since;
            self.reason = before.reason;
            self.last = before.last;
            self.denied = before.denied;
        }
    }

    fn check_after(&mut self, delay: Duration, prober: u64) {
        let Checks { probe, target, results } = self.checks.clone();
        self.prober = prober;
        self.task = Some(Task(tokio::spawn(probe.run(target, delay, prober, results))));
    }

    fn order(&mut self, order: Order, prober: u64, now: Instant) {
        let before = self.state();
        match order {
            Order::Weight(weight) => self.weight.ordered = Some(weight),
            Order::Ready => self.mode = Mode::Ready,
            Order::Drain => self.mode = Mode::Drain,
            Order::Maint => self.mode = Mode::Maint,
        }
        match (self.mode, &self.task) {
            (Mode::Maint, Some(_)) => self.task = None,
            (Mode::Ready | Mode::Drain, None) => {
                self.health = Health::UNKNOWN;
                self.check_after(Duration::ZERO, prober);
            }
            _ => {}
        }
        if self.state() != before {
            self.since = now;
            self.reason = match self.mode {
                Mode::Ready => self.last.clone(),
                Mode::Drain | Mode::Maint => "by an operator".to_owned(),
            };
        }
    }

    fn observe(&mut self, proxy: &ProxyConfig, outcome: Outcome, now: Instant) -> bool {
        let CheckConfig { rise, fall, .. } = proxy.check;
        let from = self.state();
        self.health = self.health.observe(outcome.verdict, rise, fall);
        let to = self.state();
        if outcome.denied && !self.denied {
            warn!(
                proxy = %proxy.name, server = %self.server.name,
                "{}: counted as alive; let strangers ask for this path to know more",
                outcome.words
            );
        }
        self.denied = outcome.denied;
        self.last.clone_from(&outcome.words);
        if to == from {
            return false;
        }
        self.reason = outcome.words;
        self.since = now;
        let (name, address) = (&self.server.name, self.server.address);
        if to == State::Up {
            info!(proxy = %proxy.name, server = %name, %address, "{from} → {to}: {}", self.reason);
        } else {
            warn!(proxy = %proxy.name, server = %name, %address, "{from} → {to}: {}", self.reason);
        }
        if to == State::Down {
            // Its connections belong to the past from here on; the next plan ends them.
            self.server.counters.end_all(false);
        }
        true
    }
}
