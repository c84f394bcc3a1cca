//! The control thread's state: what is configured, known and owned, and the plan made of it.
//!
//! Everything that happens comes in as a method call from [`daemon`]'s loop. The
//! workers are told by publishing a plan, never one by one, and say when they have carried it out.

pub mod daemon;
mod due;
pub(crate) mod handoff;
mod log;
mod orders;
pub(crate) mod orders_file;
mod phase;
pub(crate) mod prepare;
mod proxy_status;
pub(crate) mod pulse;
pub(crate) mod questions;
pub mod status;
pub(crate) mod vrrpd;
pub(crate) mod watchdog;

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use config::Config;
use process::messages::{Ownership, OwnershipState, RELEASE_LIMIT, ToVrrpd};
use process::throttle::{MINUTE, SharedThrottle, Throttle};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tracing::{error, warn};
use vocabulary::{Name, RouterId, TrackerHealth};

use self::log::Log;
use self::phase::Phase;
use crate::clock;
use crate::control::handoff::ReceivedSockets;
use crate::control::orders_file::OrdersFile;
use crate::control::status::{ProxyStatus, Status, Usage};
use crate::health::check::Check;
use crate::health::outcome::Report;
use crate::health::registry::Registry;
use crate::health::registry::effect::Effect;
use crate::health::registry::names::OwnAddresses;
use crate::health::registry::proxy::ProxyRecord;
use crate::health::runner::CheckRunner;
use crate::net::listen::{ListenError, Listeners};
use crate::plan::capacity::{Capacity, Full, Share};
use crate::plan::route::Route;
use crate::plan::{Bind, Plan, ProxyPlan};

/// The listening sockets by their address.
pub(crate) type Bound = HashMap<SocketAddr, Arc<Listeners>>;

/// Clients that were not reset in time, in the log.
static NOT_RESET: SharedThrottle = SharedThrottle::new(Throttle::new(MINUTE));

/// What the control thread holds.
#[derive(Debug)]
pub(crate) struct Control {
    registry: Registry,
    checks: CheckRunner,
    listeners: Bound,
    capacity: Arc<Capacity>,
    shares: HashMap<SocketAddr, Arc<Share>>,
    /// Where an operator's orders outlive us; none: they do not.
    orders: Option<OrdersFile>,
    /// When to look next how evenly connections lie; none: nobody wants that.
    rebalance_at: Option<Instant>,
    owned: HashMap<RouterId, Ownership>,
    generation: u64,
    phase: Phase,
    workers: usize,
    plans: watch::Sender<Arc<Plan>>,
    scores: watch::Sender<Vec<TrackerHealth>>,
    applied: Vec<watch::Receiver<u64>>,
    answers: mpsc::Sender<ToVrrpd>,
    log: Log,
}

/// The other ends of a [`Control`].
#[derive(Debug)]
pub(crate) struct Ends {
    pub(crate) checks: CheckRunner,
    pub(crate) plans: watch::Sender<Arc<Plan>>,
    pub(crate) scores: watch::Sender<Vec<TrackerHealth>>,
    pub(crate) applied: Vec<watch::Receiver<u64>>,
    pub(crate) answers: mpsc::Sender<ToVrrpd>,
}

/// A plan before there is a configuration.
pub(crate) fn empty_plan() -> Arc<Plan> {
    Arc::new(Plan { generation: 0, proxies: Vec::new(), released: HashSet::new(), stopping: false })
}

/// Makes the sockets of a configuration: those that are there already stay the same, a predecessor's
/// are taken over, others are bound. Those listen from [`Control::configure`] on.
///
/// # Errors
/// An address cannot be bound; nothing has changed then.
pub(crate) fn bind(
    config: &Config,
    existing: &Bound,
    mut received: Option<&mut ReceivedSockets>,
    workers: usize,
) -> Result<Bound, ListenError> {
    let mut bound = Bound::new();
    for proxy in &config.proxies {
        let limit = proxy.limits.user;
        for address in &proxy.listen {
            let inherited = received.as_mut().and_then(|theirs| theirs.take(*address));
            let listeners = match (existing.get(address), inherited) {
                (Some(listeners), _) => Arc::clone(listeners),
                (None, Some(sockets)) => {
                    Arc::new(Listeners::inherit(*address, sockets, workers, limit)?)
                }
                (None, None) => Arc::new(Listeners::bind(*address, workers, limit)?),
            };
            bound.insert(*address, listeners);
        }
    }
    Ok(bound)
}

impl Control {
    /// For so many workers, and `capacity` connections.
    pub(crate) fn new(ends: Ends, workers: usize, capacity: usize) -> Self {
        Self {
            registry: Registry::default(),
            checks: ends.checks,
            listeners: Bound::new(),
            capacity: Arc::new(Capacity::new(capacity)),
            shares: HashMap::new(),
            orders: None,
            rebalance_at: None,
            owned: HashMap::new(),
            generation: 0,
            phase: Phase::Serving,
            workers,
            plans: ends.plans,
            scores: ends.scores,
            applied: ends.applied,
            answers: ends.answers,
            log: Log::default(),
        }
    }

    /// Takes a configuration over whose sockets are bound and whose checks are ready.
    pub(crate) fn configure(
        &mut self,
        config: &Config,
        bound: Bound,
        checks: Vec<Check>,
        now: Instant,
    ) {
        for proxy in &config.proxies {
            for listeners in proxy.listen.iter().filter_map(|address| bound.get(address)) {
                if let Err(error) = listeners.set_user_timeout(proxy.limits.user) {
                    warn!(proxy = %proxy.name, listen = %listeners.address, %error, "cannot change user_timeout");
                }
                if let Err(error) = listeners.listen() {
                    error!(proxy = %proxy.name, listen = %listeners.address, %error, "cannot listen");
                }
            }
        }
        self.shares.retain(|address, _| bound.contains_key(address));
        for address in bound.keys() {
            let share = || Arc::new(Share::of(&self.capacity));
            self.shares.entry(*address).or_insert_with(share);
        }
        self.listeners = bound;
        self.owned.retain(|router, _| config.routers.iter().any(|wanted| wanted.id == *router));
        let virtual_addresses = config.routers.iter().flat_map(|router| router.managed.ips());
        self.registry.avoid(OwnAddresses::of(&config.proxies, virtual_addresses.collect()));
        let effects = self.registry.replace(&config.proxies, checks, now);
        self.capacity.divide(self.listeners.len());
        self.execute(effects, now);
        self.save_orders(now);
        let rebalances = config.proxies.iter().any(|proxy| proxy.limits.rebalance.is_some());
        self.rebalance_at = rebalances.then_some(now);
    }

    /// Binds what another configuration needs beyond what is bound.
    ///
    /// # Errors
    /// An address cannot be bound.
    pub(crate) fn bind_for(&self, config: &Config) -> Result<Bound, ListenError> {
        bind(config, &self.listeners, None, self.workers)
    }

    /// Folds in what a check or an agent reports.
    pub(crate) fn observe(&mut self, report: Report, now: Instant) {
        let effects = self.registry.observe(report, now);
        self.execute(effects, now);
    }

    fn execute(&mut self, effects: Vec<Effect>, now: Instant) {
        for effect in effects {
            match effect {
                Effect::Check(command) => self.checks.execute(command),
                Effect::Log(event) => self.log.events.log(&event, now),
                Effect::Publish => {
                    self.publish();
                    self.tell_scores();
                }
            }
        }
    }

    /// A new conversation with `vrrpd`: it will say again what is owned.
    pub(crate) fn forget_ownership(&mut self) {
        self.owned.clear();
    }

    /// Does what an ownership asks for.
    pub(crate) fn own(&mut self, news: Ownership) {
        self.log.owned(&news, clock::now());
        let router = news.router.clone();
        let releasing = news.state == OwnershipState::Releasing;
        self.owned.insert(router.clone(), news);
        let released = self.released();
        if releasing || released != self.plans.borrow().released {
            self.publish();
        }
        if releasing {
            let done = self.applied(RELEASE_LIMIT);
            let answers = self.answers.clone();
            tokio::spawn(async move {
                if !done.await
                    && let Some(times) = NOT_RESET.take(clock::now())
                {
                    let RouterId { name, family } = &router;
                    warn!(router = %name, %family, times, "a worker did not reset its clients in time: the addresses leave all the same");
                }
                // It fails only where the channel is gone, and nobody waits any more.
                drop(answers.send(ToVrrpd::Released { router }).await);
            });
        }
    }

    /// Tells the workers to end everything; ready when they have.
    pub(crate) fn stop(&mut self, limit: Duration) -> impl Future<Output = bool> + use<> {
        self.phase = Phase::Stopping;
        self.publish();
        self.applied(limit)
    }

    /// Waits until every worker has carried out the newest plan; false where one has not in time.
    fn applied(&self, limit: Duration) -> impl Future<Output = bool> + use<> {
        let generation = self.generation;
        let workers = self.applied.clone();
        async move {
            let all = async {
                for mut worker in workers {
                    // A worker that has ended has no clients either.
                    drop(worker.wait_for(|applied| *applied >= generation).await);
                }
            };
            timeout(limit, all).await.is_ok()
        }
    }

    fn released(&self) -> HashSet<IpAddr> {
        self.owned
            .values()
            .filter(|ownership| ownership.state == OwnershipState::Releasing)
            .flat_map(|ownership| ownership.addresses.iter().copied())
            .collect()
    }

    fn publish(&mut self) {
        self.generation += 1;
        let proxies = self.proxy_plans();
        self.plans.send_replace(Arc::new(Plan {
            generation: self.generation,
            proxies,
            released: self.released(),
            stopping: self.phase == Phase::Stopping,
        }));
    }

    /// Routes lead from the ones to the others.
    fn proxy_plans(&self) -> Vec<Arc<ProxyPlan>> {
        let (ends, starts): (Vec<_>, Vec<_>) =
            self.registry.proxies.iter().partition(|proxy| proxy.config.routes.is_empty());
        let mut plans: Vec<_> = ends.into_iter().map(|end| self.proxy_plan(end, vec![])).collect();
        for start in starts {
            let target = |name: &Name| plans.iter().find(|plan| plan.name == *name);
            let routes = start.config.routes.iter().zip(&start.taken);
            let routes = routes.filter_map(|(config, taken)| {
                let (target, taken) = (Arc::clone(target(&config.proxy)?), Arc::clone(taken));
                Some(Route { config: config.clone(), target, taken })
            });
            let routes = routes.collect();
            plans.push(self.proxy_plan(start, routes));
        }
        plans
    }

    fn proxy_plan(&self, proxy: &ProxyRecord, routes: Vec<Route>) -> Arc<ProxyPlan> {
        let bind = |address| {
            let listeners = Arc::clone(self.listeners.get(address)?);
            let share = Arc::clone(self.shares.get(address)?);
            Some(Bind { listeners, share })
        };
        Arc::new(ProxyPlan {
            name: proxy.config.name.clone(),
            limits: proxy.config.limits,
            waiting: proxy.config.queue,
            send_proxy: proxy.config.send_proxy,
            accept_proxy: proxy.config.accept_proxy.as_slice().into(),
            access: Arc::new(proxy.config.access.clone()),
            routes,
            hello_timeout: proxy.config.hello_timeout,
            binds: match self.phase {
                Phase::Serving => proxy.config.listen.iter().filter_map(bind).collect(),
                Phase::Waiting | Phase::Draining | Phase::Stopping => Vec::new(),
            },
            set: Arc::new(proxy.set()),
            counters: Arc::clone(&proxy.counters),
            queue: Arc::clone(&proxy.queue),
            clients: Arc::clone(&proxy.clients),
            sources: proxy.sources.clone().zip(proxy.config.clients.per_source),
            rates: proxy.rates.clone().zip(proxy.config.clients.rate_per_source),
            log_empty: proxy.config.log_empty,
        })
    }

    fn tell_scores(&self) {
        if self.phase == Phase::Draining {
            return;
        }
        let scores = self.registry.scores();
        self.scores.send_if_modified(|told| {
            let changed = *told != scores;
            *told = scores;
            changed
        });
    }

    /// Why new clients of a proxy wait, if they do, at whichever of its addresses.
    fn full(&self, proxy: &ProxyRecord) -> Option<Full> {
        let shares = proxy.config.listen.iter().filter_map(|address| self.shares.get(address));
        shares.filter_map(|share| share.full(&proxy.clients)).next()
    }

    /// The proxies, for the status.
    pub(crate) fn status(&self, start: Instant, now: Instant, dropped: u64, alive: bool) -> Status {
        let proxies = self.registry.proxies.iter();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_seconds: now.saturating_duration_since(start).as_secs(),
            workers: self.workers,
            connections_per_worker: Vec::new(),
            workers_alive: alive,
            dropped_log_lines: dropped,
            usage: Usage::default(),
            proxies: proxies
                .map(|proxy| ProxyStatus {
                    full: self.full(proxy),
                    ..proxy_status::proxy_status(proxy, &self.registry, now)
                })
                .collect(),
        }
    }
}
