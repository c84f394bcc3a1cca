//! What is known of one proxy: its servers, and what is counted for it.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use config::{ProxyConfig, ServerConfig};
use vocabulary::{Endpoint, Usability};

use super::Ids;
use super::effect::{Command, Effect, Event};
use super::names::{Found, NameRecord, OwnAddresses, Wanted, wanted};
use super::pair::pair;
use super::server::ServerRecord;
use crate::health::check::Check;
use crate::health::outcome::CheckId;
use crate::health::score::score;
use crate::plan::ProxyCounters;
use crate::plan::backend::{BackendSet, Server};
use crate::plan::capacity::Clients;
use crate::plan::queue::Queue;
use crate::plan::rates::Rates;
use crate::plan::sources::Sources;
use crate::plan::state::{Mode, State};

/// The first checks of a proxy's servers are spread over this time at most, so that a proxy is
/// judged soon after its start.
const SPREAD: Duration = Duration::from_millis(100);

/// One proxy.
#[derive(Debug)]
pub(crate) struct ProxyRecord {
    pub(crate) config: ProxyConfig,
    /// How its servers are checked.
    pub(super) check: Arc<Check>,
    pub(crate) counters: Arc<ProxyCounters>,
    pub(crate) queue: Arc<Queue>,
    /// How many connections each client has; none: nobody counts.
    pub(crate) sources: Option<Arc<Sources>>,
    /// How soon each client may come again; none: nobody counts.
    pub(crate) rates: Option<Arc<Rates>>,
    /// How many clients it has, and may have.
    pub(crate) clients: Arc<Clients>,
    pub(crate) servers: Vec<ServerRecord>,
    /// Names among them.
    names: Vec<NameRecord>,
    /// Connections that took each route, in the order of the file.
    pub(crate) taken: Vec<Arc<AtomicU64>>,
    /// Whether servers that are not up are used.
    pub(crate) panics: bool,
}

impl ProxyRecord {
    /// One without servers yet.
    pub(super) fn new(config: ProxyConfig, check: Arc<Check>) -> Self {
        Self {
            config,
            check,
            counters: Arc::default(),
            queue: Arc::default(),
            sources: None,
            rates: None,
            clients: Arc::default(),
            servers: Vec::new(),
            names: Vec::new(),
            taken: Vec::new(),
            panics: false,
        }
    }

    /// Takes a configuration over.
    pub(super) fn replace(
        &mut self,
        config: &ProxyConfig,
        check: Arc<Check>,
        ids: &mut Ids,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        self.taken = self.taken_of(config);
        let limits = config.clients;
        self.clients.limit(limits.connections);
        let (sources, rates) = (self.sources.take(), self.rates.take());
        self.sources =
            limits.per_source.map(|_| sources.unwrap_or_else(|| Arc::new(Sources::new())));
        self.rates =
            limits.rate_per_source.map(|_| rates.unwrap_or_else(|| Arc::new(Rates::new(now))));
        self.check = check;
        let old = std::mem::replace(&mut self.config, config.clone());
        self.look_up(ids, effects);
        let window = config.check.interval.min(SPREAD);
        self.renew(&old, (ids, window), now, effects);
    }

    /// Looks up the names that there are now, and no others.
    fn look_up(&mut self, ids: &mut Ids, effects: &mut Vec<Effect>) {
        let is_name = |server: &&ServerConfig| matches!(server.address, Endpoint::Name { .. });
        let named: Vec<&ServerConfig> = self.config.servers.iter().filter(is_name).collect();
        let known = std::mem::take(&mut self.names);
        let (pairs, gone) = pair(known, &named, |name, server| name.is_of(server));
        effects.extend(gone.iter().map(|name| Effect::Check(Command::Stop(name.running))));
        for (before, server) in pairs {
            self.names.push(before.unwrap_or_else(|| {
                let name = NameRecord::new(server, ids.next());
                let look_up = Command::LookUp(name.running, name.endpoint().clone());
                effects.push(Effect::Check(look_up));
                name
            }));
        }
    }

    /// Whether one of its names is looked up by this number.
    pub(super) fn looks_up(&self, id: CheckId) -> bool {
        self.names.iter().any(|name| name.running == id)
    }

    /// Takes over what a look-up found. Returns the servers that are gone by it; none where nothing has
    /// changed.
    pub(super) fn looked_up(
        &mut self,
        (id, answer): (CheckId, Result<Vec<Found>, String>),
        own: &OwnAddresses,
        ids: &mut Ids,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) -> Option<Vec<ServerRecord>> {
        let name = self.names.iter_mut().find(|name| name.running == id)?;
        if !name.learn(&self.config.name, answer, own, effects) {
            return None;
        }
        let config = self.config.clone();
        Some(self.renew(&config, (ids, Duration::ZERO), now, effects))
    }

    /// Makes the servers that are wanted now; returns those that are not any more. First checks are spread
    /// over a `window`.
    fn renew(
        &mut self,
        old: &ProxyConfig,
        (ids, window): (&mut Ids, Duration),
        now: Instant,
        effects: &mut Vec<Effect>,
    ) -> Vec<ServerRecord> {
        let wanted = wanted(&self.config.servers, &self.names);
        let known = std::mem::take(&mut self.servers);
        let (pairs, mut gone) = pair(known, &wanted, ServerRecord::is_of);
        gone.iter_mut().for_each(|server| server.stop(effects));
        let count = u32::try_from(wanted.len()).unwrap_or(u32::MAX);
        for (place, (before, wanted)) in (0_u32..).zip(pairs) {
            let delay = window * place / count;
            let mut server = self.renewed(old, before, wanted, (&mut *ids, delay), now, effects);
            let name = self.names.iter().find(|name| name.is_of(&wanted.entry));
            if let Some(why) = name.and_then(|name| name.failure.as_deref()) {
                server.is_nowhere(&self.config, why, now, effects);
            }
            self.servers.push(server);
        }
        gone
    }

    /// A server as it is wanted, with what was known of it `before`. Checks that did not change go on;
    /// others begin after a delay.
    fn renewed(
        &self,
        old: &ProxyConfig,
        before: Option<ServerRecord>,
        wanted: &Wanted,
        (ids, delay): (&mut Ids, Duration),
        now: Instant,
        effects: &mut Vec<Effect>,
    ) -> ServerRecord {
        let server = self.server(wanted, before.as_ref().map(|before| &*before.server));
        let mut record = ServerRecord::new(server, &wanted.entry, now);
        let same_check = old.check == self.config.check;
        let mut goes_on = None;
        if let Some(mut before) = before {
            let alike = same_check
                && old.agent == self.config.agent
                && before.follows.is_some() == record.follows.is_some();
            if alike {
                goes_on = before.running.take();
            }
            before.stop(effects);
            record.carry_over(before, same_check, self.config.agent.is_some());
        }
        if let Some(id) = goes_on {
            record.running = Some(id);
            let settings = record.settings(&self.config.check, &self.check);
            effects.push(Effect::Check(Command::Update(id, settings)));
        } else if record.orders.mode() != Mode::Maint {
            record.start(ids.next(), &self.config, &self.check, delay, effects);
        }
        record
    }

    /// A server for the workers; it shares with the one `before` what is counted and where it is.
    fn server(&self, wanted: &Wanted, before: Option<&Server>) -> Server {
        let Wanted { entry, name, located } = wanted;
        Server {
            name: name.clone(),
            key: wanted.key(),
            located: located.clone(),
            backup: entry.backup,
            source: entry.source,
            error_limit: self.config.check.error_limit,
            max_connections: entry.max_connections,
            queue: Arc::clone(&self.queue),
            counters: before.map(|before| Arc::clone(&before.counters)).unwrap_or_default(),
        }
    }

    /// The counters of the routes of a new configuration: those that are there already go on.
    fn taken_of(&self, config: &ProxyConfig) -> Vec<Arc<AtomicU64>> {
        let known = |route| {
            let place = self.config.routes.iter().position(|known| known == route)?;
            self.taken.get(place).map(Arc::clone)
        };
        config.routes.iter().map(|route| known(route).unwrap_or_default()).collect()
    }

    /// How its servers are.
    pub(crate) fn states(&self) -> Vec<State> {
        self.servers.iter().map(ServerRecord::state).collect()
    }

    /// Notes whether servers that are not up are used; tells where that changed.
    pub(super) fn note_panic(&mut self) -> Option<Event> {
        let own = score(&self.config.name, &self.states());
        let panics = self.config.panic && own.state == Usability::Unusable;
        let proxy = self.config.name.clone();
        match (std::mem::replace(&mut self.panics, panics), panics) {
            (false, true) => Some(Event::PanicBegan { proxy }),
            (true, false) => Some(Event::PanicEnded { proxy }),
            _ => None,
        }
    }

    /// Its servers as they are now, for the workers.
    pub(crate) fn set(&self) -> BackendSet {
        let backends = self.servers.iter().map(ServerRecord::backend).collect();
        let ProxyConfig { balance, slow_start, backups, panic, .. } = self.config;
        BackendSet { balance, slow_start, backups, panic, backends }
    }
}
