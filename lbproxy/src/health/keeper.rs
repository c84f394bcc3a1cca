//! Keeps what is known of every server: starts the checks, folds their outcomes, says what changed.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use shared::TrackerHealth;
use shared::config::{CheckConfig, ProxyConfig};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::{info, warn};

use super::probe::{Found, Outcome, Probe, Target};
use super::score::score;
use super::{Health, State};
use crate::backend::{Backend, BackendSet, Server, ServerCounters};
use crate::plan::ProxyCounters;
use crate::queue::Queue;

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
    pub(crate) weight: u16,
    pub(crate) health: Health,
    /// Since when it is in its state.
    pub(crate) since: Instant,
    /// What the last change of state was for, in words.
    pub(crate) reason: String,
    /// What the last check found, in words.
    pub(crate) last: String,
    denied: bool,
    prober: u64,
    /// Checks it until dropped.
    _task: Task,
}

/// A task that ends with its owner.
#[derive(Debug)]
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
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
                let target = Target { address, source: wanted.source };
                let (prober, task) = self.probe(&probe, target, window * place / count);
                let mut kept = KeptServer::new(
                    prober,
                    task,
                    now,
                    wanted.weight,
                    Server {
                        name: wanted.name.clone(),
                        address,
                        backup: wanted.backup,
                        source: wanted.source,
                        max_connections: wanted.max_connections,
                        queue: Arc::clone(&queue),
                        counters: before
                            .as_ref()
                            .map_or_else(Arc::<ServerCounters>::default, |before| {
                                Arc::clone(&before.server.counters)
                            }),
                    },
                );
                if let Some(before) = before
                    && same_check
                {
                    kept.inherit(before);
                }
                servers.push(kept);
            }
            self.proxies.push(KeptProxy { config: config.clone(), counters, queue, servers });
        }
    }

    fn probe(&mut self, probe: &Probe, target: Target, delay: Duration) -> (u64, Task) {
        self.probers += 1;
        let prober = self.probers;
        let running = probe.clone().run(target, delay, prober, self.results.clone());
        (prober, Task(tokio::spawn(running)))
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
        let states: Vec<State> = self.servers.iter().map(|s| s.health.state()).collect();
        score(&self.config.name, &states)
    }

    /// Its servers as they are now.
    pub(crate) fn set(&self) -> BackendSet {
        let backends = self
            .servers
            .iter()
            .map(|s| Backend {
                server: Arc::clone(&s.server),
                state: s.health.state(),
                weight: s.weight,
            })
            .collect();
        BackendSet { balance: self.config.balance, backends }
    }
}

impl KeptServer {
    fn new(prober: u64, task: Task, now: Instant, weight: u16, server: Server) -> Self {
        Self {
            weight,
            server: Arc::new(server),
            health: Health::UNKNOWN,
            since: now,
            reason: "not checked yet".to_owned(),
            last: "not checked yet".to_owned(),
            denied: false,
            prober,
            _task: task,
        }
    }

    fn inherit(&mut self, before: Self) {
        self.health = before.health;
        self.since = before.since;
        self.reason = before.reason;
        self.last = before.last;
        self.denied = before.denied;
    }

    fn observe(&mut self, proxy: &ProxyConfig, outcome: Outcome, now: Instant) -> bool {
        let CheckConfig { rise, fall, .. } = proxy.check;
        let from = self.health.state();
        self.health = self.health.observe(outcome.verdict, rise, fall);
        let to = self.health.state();
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
            self.server.counters.epoch.fetch_add(1, Ordering::Release);
        }
        true
    }
}
