//! Keeps what is known of every server: starts the checks, folds their outcomes, says what changed.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use config::{Followed, ProxyConfig};
use tokio::sync::mpsc;
use tracing::{info, warn};
use vocabulary::{Name, TrackerHealth, Usability};

use super::kept::{Checks, Example, KeptServer};
use super::probe::{Probe, Target};
use super::score::score;
use super::thread::CheckThread;
use super::{News, State};
use crate::control::status::{Mode, Order};
use crate::data::queue::Queue;
use crate::data::sources::Sources;
use crate::plan::ProxyCounters;
use crate::plan::backend::{Backend, BackendSet, Server};
use crate::plan::located::Located;

/// The first checks of a proxy's servers are spread over this time at most, so that a proxy is
/// judged soon after its start.
const SPREAD: Duration = Duration::from_millis(100);

/// Every proxy and its servers.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(crate) proxies: Vec<KeptProxy>,
    results: mpsc::Sender<News>,
    checks: CheckThread,
    probers: u64,
}

/// One proxy.
#[derive(Debug)]
pub(crate) struct KeptProxy {
    pub(crate) config: ProxyConfig,
    pub(crate) counters: Arc<ProxyCounters>,
    pub(crate) queue: Arc<Queue>,
    /// How many connections each client has; none: nobody wants to know.
    pub(crate) sources: Option<Arc<Sources>>,
    pub(crate) servers: Vec<KeptServer>,
    /// Connections that took each route, in the order of the file.
    pub(crate) taken: Vec<Arc<AtomicU64>>,
    /// Whether servers that are not up are used.
    pub(crate) panics: bool,
}

impl Keeper {
    /// Keeps nothing yet; outcomes of what runs on `checks` come in by `results`.
    pub(crate) fn new(results: mpsc::Sender<News>, checks: CheckThread) -> Self {
        Self { proxies: Vec::new(), results, checks, probers: 0 }
    }

    /// Takes a configuration over. What is known of a server stays where its proxy's name, its
    /// address and the check are the same. `probes` are those of `configs`, in their order.
    pub(crate) fn replace(&mut self, configs: &[ProxyConfig], probes: Vec<Probe>, now: Instant) {
        let mut old = std::mem::take(&mut self.proxies);
        for (config, probe) in configs.iter().zip(probes) {
            let position = old.iter().position(|proxy| proxy.config.name == config.name);
            let before = position.map(|position| old.swap_remove(position));
            let panics = before.as_ref().is_some_and(|before| before.panics);
            let taken = taken(config, before.as_ref());
            let counted = before.as_ref().and_then(|before| before.sources.clone());
            let sources =
                config.most_per_source.map(|_| counted.unwrap_or_else(|| Arc::new(Sources::new())));
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
                let same = |kept: &KeptServer| {
                    kept.server.located.endpoint() == &wanted.address
                        && kept.server.source == wanted.source
                };
                let position = known.iter().position(same);
                let before = position.map(|position| known.swap_remove(position));
                let counters = before.as_ref().map(|before| Arc::clone(&before.server.counters));
                let located = before.as_ref().map_or_else(
                    || Arc::new(Located::new(wanted.address.clone(), wanted.source)),
                    |before| Arc::clone(&before.server.located),
                );
                let server = Server {
                    name: wanted.name.clone(),
                    key: located.key(),
                    located: Arc::clone(&located),
                    backup: wanted.backup,
                    source: wanted.source,
                    error_limit: config.check.error_limit,
                    max_connections: wanted.max_connections,
                    queue: Arc::clone(&queue),
                    counters: counters.unwrap_or_default(),
                };
                let checks = Checks {
                    probe: probe.clone(),
                    target: Target { located, source: wanted.source },
                    agent: config.agent,
                    results: self.results.clone(),
                    runtime: self.checks.handle().clone(),
                    config: config.check.clone(),
                };
                let mut kept = KeptServer::new(server, wanted, checks, now);
                if let Some(before) = before {
                    kept.inherit(before, same_check);
                }
                if kept.mode != Mode::Maint {
                    kept.check_after(window * place / count, self.prober());
                }
                servers.push(kept);
            }
            self.proxies.push(KeptProxy {
                config: config.clone(),
                counters,
                queue,
                sources,
                servers,
                taken,
                panics,
            });
        }
        self.follow(now);
    }

    /// Makes servers like those that decide for them; returns whether anything changed. One that decides
    /// follows nobody.
    fn follow(&mut self, now: Instant) -> bool {
        let example = |followed: &Followed| {
            let proxy = self.proxies.iter().find(|proxy| proxy.config.name == followed.proxy)?;
            let kept = proxy.servers.iter().find(|kept| kept.server.name == followed.server)?;
            Some((followed.clone(), kept.example()))
        };
        let followed = self.proxies.iter().flat_map(|proxy| &proxy.servers);
        let followed = followed.filter_map(|kept| kept.follows.as_ref());
        let examples: HashMap<Followed, Example> = followed.filter_map(example).collect();
        let mut any = false;
        for proxy in &mut self.proxies {
            for kept in &mut proxy.servers {
                let followed = kept.follows.as_ref();
                if let Some(example) = followed.and_then(|followed| examples.get(followed)) {
                    any |= kept.follow(&proxy.config, example.clone(), now);
                }
            }
        }
        any
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
        let words = format!("{proxy}/{server} is {}, weight {}", kept.state(), kept.weight.now());
        self.follow(now);
        Ok(words)
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

    /// Folds in what was found or said; returns whether anything changed. That of a check that has been
    /// replaced meanwhile is ignored.
    pub(crate) fn observe(&mut self, news: News, now: Instant) -> bool {
        let number = match &news {
            News::Checked(found) => found.prober,
            News::Said { prober, .. } => *prober,
        };
        let Some((proxy, server)) = self.proxies.iter_mut().find_map(|proxy| {
            let server = proxy.servers.iter_mut().find(|s| s.prober == number)?;
            Some((&proxy.config, server))
        }) else {
            return false;
        };
        let changed = match news {
            News::Checked(found) => server.observe(proxy, found, now),
            News::Said { said, .. } => server.heed(proxy, said, now),
        };
        if !changed {
            // A check comes at least once an interval, for whatever server: good enough for a grace.
            return self.expire(now);
        }
        self.follow(now);
        self.expire(now);
        self.tell_of_panic();
        true
    }

    /// Ends the connections of servers that have been down for long enough; returns whether any.
    fn expire(&mut self, now: Instant) -> bool {
        let servers = self.proxies.iter_mut().flat_map(|proxy| &mut proxy.servers);
        servers.fold(false, |any, kept| kept.expire(now) | any)
    }

    /// Says when a proxy begins and ends to use servers that are not up.
    fn tell_of_panic(&mut self) {
        for proxy in &mut self.proxies {
            let own = score(&proxy.config.name, &proxy.states());
            let panics = proxy.config.panic && own.state == Usability::Unusable;
            match (std::mem::replace(&mut proxy.panics, panics), panics) {
                (false, true) => warn!(
                    proxy = %proxy.config.name,
                    "no server is up: using those that accept connections"
                ),
                (true, false) => info!(proxy = %proxy.config.name, "a server is up again"),
                _ => {}
            }
        }
    }

    /// The health of every proxy.
    pub(crate) fn scores(&self) -> Vec<TrackerHealth> {
        self.proxies.iter().map(|proxy| self.score(proxy)).collect()
    }

    /// A proxy's health as a whole: of all servers that its clients may get.
    pub(crate) fn score(&self, proxy: &KeptProxy) -> TrackerHealth {
        let mut states = proxy.states();
        let led = |other: &&KeptProxy| {
            proxy.config.routes.iter().any(|route| route.proxy == other.config.name)
        };
        states.extend(self.proxies.iter().filter(led).flat_map(KeptProxy::states));
        score(&proxy.config.name, &states)
    }
}

/// The counters of a proxy's routes: those that it had before go on.
fn taken(config: &ProxyConfig, before: Option<&KeptProxy>) -> Vec<Arc<AtomicU64>> {
    let known = |route| {
        let before = before?;
        let place = before.config.routes.iter().position(|known| known == route)?;
        before.taken.get(place).map(Arc::clone)
    };
    config.routes.iter().map(|route| known(route).unwrap_or_default()).collect()
}

impl KeptProxy {
    fn states(&self) -> Vec<State> {
        self.servers.iter().map(KeptServer::state).collect()
    }

    /// Its servers as they are now.
    pub(crate) fn set(&self) -> BackendSet {
        let backends = self
            .servers
            .iter()
            .map(|s| Backend {
                server: Arc::clone(&s.server),
                state: s.state(),
                weight: s.share(),
                returned: s.returned,
            })
            .collect();
        let ProxyConfig { balance, slow_start, backups, panic, .. } = self.config;
        BackendSet { balance, slow_start, backups, panic, backends }
    }
}
