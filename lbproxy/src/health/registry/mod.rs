//! What is known of every server. Results of checks, replies of agents and orders go in, with the time;
//! effects come out, for others to carry out. Pure.

pub(crate) mod effect;
mod example;
pub(crate) mod names;
pub(crate) mod orders;
mod pair;
pub(crate) mod proxy;
pub(crate) mod server;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use config::{Followed, ProxyConfig};
use vocabulary::{Endpoint, Name, TrackerHealth};

use self::effect::{Effect, Event};
use self::example::Example;
use self::names::{Found, OwnAddresses};
use self::orders::{Orders, StandingOrder};
use self::pair::pair;
use self::proxy::ProxyRecord;
use self::server::ServerRecord;
use super::check::Check;
use super::outcome::{CheckId, Report, Reported};
use super::score::score;
use crate::plan::imbalance::to_move;
use crate::plan::state::{Order, State};

/// Every proxy and its servers.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    pub(crate) proxies: Vec<ProxyRecord>,
    ids: Ids,
    /// What was ordered of servers that are not here yet, by proxy and server.
    absent: BTreeMap<(Name, Name), Orders>,
    /// What names must not lead to.
    own: OwnAddresses,
}

/// The numbers of checks.
#[derive(Debug, Default)]
struct Ids {
    last: u64,
}

impl Ids {
    fn next(&mut self) -> CheckId {
        self.last += 1;
        CheckId(self.last)
    }
}

/// Why an order cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OrderError {
    /// Not configured.
    #[error("there is no proxy {0}")]
    NoProxy(Name),
    /// Not configured.
    #[error("there is no server {server} of {proxy}")]
    NoServer { proxy: Name, server: Name },
    /// Out of range.
    #[error("the weight is {0}, but must be 0 to 256")]
    Weight(u16),
}

/// How a server is after an order.
#[derive(Debug)]
pub(crate) struct Ordered {
    pub(crate) state: State,
    pub(crate) weight: u16,
    pub(crate) effects: Vec<Effect>,
}

impl Registry {
    /// Takes a configuration over. What is known of a server stays where its proxy's name, its
    /// address and the check are the same, and its checks go on. `checks` are those of `configs`, in
    /// their order.
    pub(crate) fn replace(
        &mut self,
        configs: &[ProxyConfig],
        checks: Vec<Check>,
        now: Instant,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        let same = |record: &ProxyRecord, config: &ProxyConfig| record.config.name == config.name;
        let (pairs, gone) = pair(std::mem::take(&mut self.proxies), configs, same);
        for mut server in gone.into_iter().flat_map(|proxy| proxy.servers) {
            server.stop(&mut effects);
        }
        for ((before, config), check) in pairs.into_iter().zip(checks) {
            let check = Arc::new(check);
            let new = || ProxyRecord::new(config.clone(), Arc::clone(&check));
            let mut proxy = before.unwrap_or_else(new);
            proxy.replace(config, check, &mut self.ids, now, &mut effects);
            self.proxies.push(proxy);
        }
        self.recall(now, &mut effects);
        self.absent.retain(|(proxy, server), _| may_come(configs, proxy, server));
        self.follow(now, &mut effects);
        effects.push(Effect::Publish);
        effects
    }

    /// Makes servers like those that they follow. One that is followed follows nobody.
    fn follow(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let example = |followed: &Followed| {
            let proxy = self.proxies.iter().find(|proxy| proxy.config.name == followed.proxy)?;
            let of_it = |record: &&ServerRecord| record.entry == followed.server;
            let examples = proxy.servers.iter().filter(of_it).map(ServerRecord::example);
            Some((followed.clone(), examples.collect()))
        };
        let followed = self.proxies.iter().flat_map(|proxy| &proxy.servers);
        let followed = followed.filter_map(|record| record.follows.as_ref());
        let examples: HashMap<Followed, Vec<Example>> = followed.filter_map(example).collect();
        for proxy in &mut self.proxies {
            for record in &mut proxy.servers {
                let followed = record.follows.as_ref();
                let examples = followed.and_then(|followed| examples.get(followed));
                if let Some(example) = examples.and_then(|all| Example::for_one(all, record)) {
                    record.follow(&proxy.config, example.clone(), now, effects);
                }
            }
        }
    }

    /// What names must not lead to from now on.
    pub(crate) fn avoid(&mut self, own: OwnAddresses) {
        self.own = own;
    }

    /// Takes over what was ordered of servers that come with the next configuration.
    pub(crate) fn restore(&mut self, orders: Vec<StandingOrder>) {
        for StandingOrder { proxy, server, order, until } in orders {
            self.absent.entry((proxy, server)).or_default().set(order, until);
        }
    }

    /// Lets orders hold of servers that are here by now.
    fn recall(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let Self { proxies, ids, absent, .. } = self;
        if absent.is_empty() {
            return;
        }
        for proxy in proxies {
            let checked = (&proxy.config, &proxy.check);
            for record in &mut proxy.servers {
                let place = (proxy.config.name.clone(), record.server.name.clone());
                if let Some(orders) = absent.remove(&place) {
                    record.obey(orders, ids.next(), checked, now, effects);
                    effects.push(Effect::Log(ordered(&proxy.config, record)));
                }
            }
        }
    }

    /// Everything that an operator ordered and that holds.
    pub(crate) fn standing(&self) -> Vec<StandingOrder> {
        let here = self.proxies.iter().flat_map(|proxy| {
            let place = |record: &ServerRecord| (&proxy.config.name, record.server.name.clone());
            proxy.servers.iter().map(move |record| (place(record), &record.orders))
        });
        let absent =
            self.absent.iter().map(|((proxy, server), orders)| ((proxy, server.clone()), orders));
        let each = here.chain(absent).flat_map(|((proxy, server), orders)| {
            orders.each().map(move |(order, until)| StandingOrder {
                proxy: proxy.clone(),
                server: server.clone(),
                order,
                until,
            })
        });
        each.collect()
    }

    /// Lets the next plan end some idle connections of servers that have more than their share, where that is
    /// wanted; returns whether there are any.
    pub(crate) fn move_some(&self, now: Instant) -> bool {
        let wanted = self.proxies.iter().filter(|proxy| proxy.config.limits.rebalance.is_some());
        let to_move = wanted.filter_map(|proxy| {
            let (place, count) = to_move(&proxy.set(), now)?;
            Some((proxy.servers.get(place)?, count))
        });
        to_move.map(|(record, count)| record.server.counters.move_some(count)).count() > 0
    }

    /// When the first order ends by itself.
    pub(crate) fn next_end(&self) -> Option<Instant> {
        let records = self.proxies.iter().flat_map(|proxy| &proxy.servers);
        records.flat_map(|record| record.orders.ends()).flatten().min()
    }

    /// Lets the orders end that hold no longer.
    pub(crate) fn end_orders(&mut self, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        let Self { proxies, ids, absent, .. } = self;
        absent.retain(|_, orders| {
            orders.expire(now);
            !orders.is_empty()
        });
        for proxy in proxies {
            let checked = (&proxy.config, &proxy.check);
            for record in &mut proxy.servers {
                let mut orders = record.orders;
                if orders.expire(now) {
                    record.obey(orders, ids.next(), checked, now, &mut effects);
                    effects.push(Effect::Log(Event::OrderEnded {
                        proxy: proxy.config.name.clone(),
                        server: record.server.name.clone(),
                        state: record.state(),
                        weight: record.weight(),
                    }));
                }
            }
        }
        if !effects.is_empty() {
            self.follow(now, &mut effects);
            effects.push(Effect::Publish);
        }
        effects
    }

    /// Does what an operator wants of a server, until the next order or until then.
    ///
    /// # Errors
    /// There is no such server, or it cannot be like that.
    pub(crate) fn order(
        &mut self,
        proxy: &Name,
        server: &Name,
        (order, until): (Order, Option<Instant>),
        now: Instant,
    ) -> Result<Ordered, OrderError> {
        if let Order::Weight(weight @ 257..) = order {
            return Err(OrderError::Weight(weight));
        }
        let mut effects = Vec::new();
        let id = self.ids.next();
        let known = self.find(proxy)?;
        let none = || OrderError::NoServer { proxy: proxy.clone(), server: server.clone() };
        let checked = (&known.config, &known.check);
        let mut records = known.servers.iter_mut();
        let record = records.find(|record| record.server.name == *server).ok_or_else(none)?;
        let mut orders = record.orders;
        orders.set(order, until);
        record.obey(orders, id, checked, now, &mut effects);
        let (state, weight) = (record.state(), record.weight());
        effects.push(Effect::Log(ordered(checked.0, record)));
        self.follow(now, &mut effects);
        effects.push(Effect::Publish);
        Ok(Ordered { state, weight, effects })
    }

    /// Lets the next plan end the connections of a server, or of all; returns how many there are.
    ///
    /// # Errors
    /// There is no such server.
    pub(crate) fn end_sessions(
        &mut self,
        proxy: &Name,
        server: Option<&Name>,
    ) -> Result<u32, OrderError> {
        let records = &self.find(proxy)?.servers;
        if let Some(server) = server
            && !records.iter().any(|record| record.server.name == *server)
        {
            return Err(OrderError::NoServer { proxy: proxy.clone(), server: server.clone() });
        }
        let wanted =
            records.iter().filter(|record| server.is_none_or(|s| record.server.name == *s));
        let end = |record: &ServerRecord| {
            record.server.counters.end_all(true);
            record.server.counters.live.load(Ordering::Relaxed)
        };
        Ok(wanted.map(end).sum())
    }

    fn find(&mut self, proxy: &Name) -> Result<&mut ProxyRecord, OrderError> {
        let known = self.proxies.iter_mut().find(|known| known.config.name == *proxy);
        known.ok_or_else(|| OrderError::NoProxy(proxy.clone()))
    }

    /// Folds in what was reported.
    pub(crate) fn observe(&mut self, report: Report, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        let what = match report.what {
            Reported::LookedUp(answer) => return self.looked_up(report.id, answer, now),
            what @ (Reported::Checked { .. } | Reported::Agent(_)) => what,
        };
        let Some((proxy, check, server)) = self.proxies.iter_mut().find_map(|proxy| {
            let server = proxy.servers.iter_mut().find(|one| one.running == Some(report.id))?;
            Some((&proxy.config, &proxy.check, server))
        }) else {
            return effects;
        };
        let changed = match what {
            Reported::Checked { outcome, certificate, confirmed } => {
                let found = (outcome, certificate, confirmed);
                server.checked((proxy, check), found, now, &mut effects)
            }
            Reported::Agent(reply) => server.agent_said(proxy, reply, now, &mut effects),
            Reported::LookedUp(_) => false,
        };
        if changed {
            self.follow(now, &mut effects);
        }
        // A check comes at least once an interval, for whatever server: good enough for a grace.
        let ended = self.expire(now);
        if changed {
            self.note_panic(&mut effects);
        }
        if changed || ended {
            effects.push(Effect::Publish);
        }
        effects
    }

    /// Goes over to the servers that a name stands for now. What an operator ordered of one that is gone
    /// holds should it come back.
    fn looked_up(
        &mut self,
        id: CheckId,
        answer: Result<Vec<Found>, String>,
        now: Instant,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        let Self { proxies, ids, own, absent } = self;
        let Some(proxy) = proxies.iter_mut().find(|proxy| proxy.looks_up(id)) else {
            return effects;
        };
        let Some(gone) = proxy.looked_up((id, answer), own, ids, now, &mut effects) else {
            return effects;
        };
        for record in gone.iter().filter(|record| !record.orders.is_empty()) {
            let place = (proxy.config.name.clone(), record.server.name.clone());
            absent.insert(place, record.orders);
        }
        self.recall(now, &mut effects);
        self.follow(now, &mut effects);
        self.note_panic(&mut effects);
        effects.push(Effect::Publish);
        effects
    }

    /// Ends the connections of servers that have been down for long enough; returns whether any.
    fn expire(&mut self, now: Instant) -> bool {
        let servers = self.proxies.iter_mut().flat_map(|proxy| &mut proxy.servers);
        servers.fold(false, |any, record| record.expire(now) | any)
    }

    /// Notes where a proxy begins or ends to use servers that are not up.
    fn note_panic(&mut self, effects: &mut Vec<Effect>) {
        effects
            .extend(self.proxies.iter_mut().filter_map(ProxyRecord::note_panic).map(Effect::Log));
    }

    /// The health of every proxy.
    pub(crate) fn scores(&self) -> Vec<TrackerHealth> {
        self.proxies.iter().map(|proxy| self.score(proxy)).collect()
    }

    /// A proxy's health as a whole: of all servers that its clients may get.
    pub(crate) fn score(&self, proxy: &ProxyRecord) -> TrackerHealth {
        let mut states = proxy.states();
        let routed = |other: &&ProxyRecord| {
            proxy.config.routes.iter().any(|route| route.proxy == other.config.name)
        };
        states.extend(self.proxies.iter().filter(routed).flat_map(ProxyRecord::states));
        score(&proxy.config.name, &states)
    }
}

/// Whether such a server may come by a look-up.
fn may_come(configs: &[ProxyConfig], proxy: &Name, server: &Name) -> bool {
    let servers = configs.iter().filter(|config| config.name == *proxy).flat_map(|c| &c.servers);
    let mut named = servers.filter(|server| matches!(server.address, Endpoint::Name { .. }));
    named.any(|entry| server.is_of(&entry.name))
}

fn ordered(proxy: &ProxyConfig, record: &ServerRecord) -> Event {
    Event::Ordered {
        proxy: proxy.name.clone(),
        server: record.server.name.clone(),
        state: record.state(),
        weight: record.weight(),
    }
}
