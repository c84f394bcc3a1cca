//! What is known of one server, and what follows from it.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use config::{CheckConfig, Followed, OnDown, ProxyConfig, ServerConfig};
use vocabulary::{Name, RiseFall, Thresholds};

use super::effect::{Command, Effect, Event, Settings, Start};
use super::example::Example;
use super::names::Wanted;
use super::orders::Orders;
use crate::health::agent::{AgentReply, AgentState};
use crate::health::check::Check;
use crate::health::outcome::{CheckId, Outcome, Verdict};
use crate::net::certificate::Certificate;
use crate::plan::backend::{Backend, Server};
use crate::plan::slow_start::Growth;
use crate::plan::state::{Mode, State};

/// One server.
#[derive(Debug)]
pub(crate) struct ServerRecord {
    pub(crate) server: Arc<Server>,
    /// Its share of the connections, as the file has it.
    weight: u16,
    /// What an operator ordered.
    pub(crate) orders: Orders,
    /// What its checks say, or the server that it follows.
    health: RiseFall<State>,
    /// Since when it is in its state.
    pub(crate) since: Instant,
    /// What the last change of state was for, in words.
    pub(crate) reason: String,
    /// What the last check found, in words.
    pub(crate) last_check: String,
    /// What the certificate says that it showed last.
    pub(crate) certificate: Option<Arc<Certificate>>,
    /// Whether the last check passed only for being alive.
    denied: bool,
    /// The checks that go on; none in maintenance.
    pub(super) running: Option<CheckId>,
    /// The one whose state it takes.
    pub(super) follows: Option<Followed>,
    /// Its name in the file, which several have that are found by one name.
    pub(super) entry: Name,
    /// Whether an operator or an agent holds that one back.
    held: bool,
    /// What its agent said.
    pub(crate) agent: AgentState,
    /// Whether it has been away since it was up.
    away: bool,
    /// When it came back.
    returned: Option<Instant>,
    /// When its connections end, for it is down.
    ends: Option<Instant>,
}

impl ServerRecord {
    /// One that was not checked yet.
    pub(super) fn new(server: Server, wanted: &ServerConfig, now: Instant) -> Self {
        Self {
            server: Arc::new(server),
            entry: wanted.name.clone(),
            weight: wanted.weight,
            orders: Orders::default(),
            health: RiseFall::unknown(),
            since: now,
            reason: "not checked yet".to_owned(),
            last_check: "not checked yet".to_owned(),
            certificate: None,
            denied: false,
            running: None,
            follows: wanted.follows.clone(),
            held: false,
            agent: AgentState::default(),
            away: false,
            returned: None,
            ends: None,
        }
    }

    /// Whether it is about the server that is `wanted`.
    pub(super) fn is_of(&self, wanted: &Wanted) -> bool {
        self.server.located == wanted.located && self.server.source == wanted.entry.source
    }

    /// Its name has no address: it is down, and why.
    pub(super) fn is_nowhere(
        &mut self,
        proxy: &ProxyConfig,
        why: &str,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let from = self.state();
        self.health = RiseFall::starting_as(State::Down);
        why.clone_into(&mut self.last_check);
        self.changed(proxy, from, why.to_owned(), now, effects);
    }

    /// Takes over what was known before a reload; its health only where it is checked alike, and what its
    /// agent said only where it is still asked.
    pub(super) fn carry_over(&mut self, before: Self, same_check: bool, asked: bool) {
        self.orders = before.orders;
        // A weight that is changed in the file is meant to count.
        if before.weight != self.weight {
            self.orders.forget_weight();
        }
        if asked {
            self.agent = before.agent;
        } else {
            self.server.counters.limit.store(0, Ordering::Relaxed);
        }
        if same_check || self.orders.mode() == Mode::Maint {
            self.health = before.health;
            self.since = before.since;
            self.reason = before.reason;
            self.last_check = before.last_check;
            self.certificate = before.certificate;
            self.denied = before.denied;
            (self.away, self.returned) = (before.away, before.returned);
            self.ends = before.ends;
        }
    }

    /// How it is, for those that follow it.
    pub(super) fn example(&self) -> Example {
        Example {
            address: self.address(),
            state: self.state(),
            held: self.is_held_back(),
            reason: self.reason.clone(),
        }
    }

    pub(super) fn address(&self) -> Option<IpAddr> {
        self.server.located.address().ok().map(|address| address.ip())
    }

    fn is_held_back(&self) -> bool {
        self.orders.mode() != Mode::Ready || self.agent.mode != Mode::Ready
    }

    /// As workers see it.
    pub(super) fn backend(&self) -> Backend {
        Backend {
            server: Arc::clone(&self.server),
            state: self.state(),
            weight: self.share(),
            returned: self.returned,
        }
    }

    /// Per cent of its share that count `now`, while it takes `slow_start` for that.
    pub(crate) fn slow_start(&self, slow_start: Option<Duration>, now: Instant) -> Option<u8> {
        let growth = Growth::at(slow_start, self.returned, now);
        let growth = growth.filter(|_| self.state() == State::Up)?;
        u8::try_from(growth.part_of(100)).ok()
    }

    /// Its share at this moment. Whatever happens to the others: what an operator took out stays out.
    fn share(&self) -> u16 {
        if self.is_held_back() || self.held {
            return 0;
        }
        let part = u32::from(self.weight()) * u32::from(self.agent.percent);
        u16::try_from(part.div_ceil(100)).unwrap_or(u16::MAX).min(256)
    }

    /// Its share of the connections while it has all of it.
    pub(crate) fn weight(&self) -> u16 {
        self.orders.weight().unwrap_or(self.weight)
    }

    /// Its state for those who want to use it: an operator's word counts before its checks.
    pub(crate) fn state(&self) -> State {
        match (
            self.orders.mode().max(self.agent.mode),
            self.health.state().unwrap_or(State::Unknown),
        ) {
            (Mode::Maint, _) => State::Maint,
            _ if self.agent.down.is_some() => State::Down,
            (Mode::Drain, State::Up | State::Unknown) => State::Draining,
            (_, state) => state,
        }
    }

    /// The time between two checks while it is like this.
    fn pace(&self, config: &CheckConfig) -> Duration {
        let steady = match self.health.state() {
            None | Some(State::Unknown) => config.fast_interval,
            Some(State::Down | State::Draining) => config.down_interval,
            Some(State::Up | State::Maint) => config.interval,
        };
        // A result that speaks against the state brings the next check forward, never puts it off.
        if self.health.is_changing() { steady.min(config.fast_interval) } else { steady }
    }

    /// By which its checks go on.
    pub(super) fn settings(&self, config: &CheckConfig, check: &Arc<Check>) -> Settings {
        Settings { check: Arc::clone(check), pace: self.pace(config) }
    }

    /// Checks it from now on, the first time after `delay`.
    pub(super) fn start(
        &mut self,
        id: CheckId,
        proxy: &ProxyConfig,
        check: &Arc<Check>,
        delay: Duration,
        effects: &mut Vec<Effect>,
    ) {
        self.stop(effects);
        if !self.server.located.is_known() {
            return;
        }
        self.running = Some(id);
        effects.push(Effect::Check(Command::Start(Box::new(Start {
            id,
            server: Arc::clone(&self.server),
            settings: self.settings(&proxy.check, check),
            agent: proxy.agent,
            follows: self.follows.is_some(),
            delay,
        }))));
    }

    /// Checks it no more.
    pub(super) fn stop(&mut self, effects: &mut Vec<Effect>) {
        effects.extend(self.running.take().map(|id| Effect::Check(Command::Stop(id))));
    }

    /// Becomes like the server that it follows; returns whether anything changed.
    pub(super) fn follow(
        &mut self,
        proxy: &ProxyConfig,
        example: Example,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let Some(followed) = &self.follows else { return false };
        let from = self.state();
        let held = std::mem::replace(&mut self.held, example.held) != example.held;
        let words = format!("as {followed}: {}", example.reason);
        self.last_check.clone_from(&words);
        self.health = match example.state {
            State::Unknown => RiseFall::unknown(),
            state @ (State::Up | State::Draining | State::Down | State::Maint) => {
                RiseFall::starting_as(state)
            }
        };
        held | self.changed(proxy, from, words, now, effects)
    }

    /// Goes over to what an operator wants now; `id` is for new checks.
    pub(super) fn obey(
        &mut self,
        orders: Orders,
        id: CheckId,
        (proxy, check): (&ProxyConfig, &Arc<Check>),
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let before = self.state();
        self.orders = orders;
        match (self.orders.mode(), self.running) {
            (Mode::Maint, _) => self.stop(effects),
            (Mode::Ready | Mode::Drain, None) => {
                self.health = RiseFall::unknown();
                self.start(id, proxy, check, Duration::ZERO, effects);
            }
            (Mode::Ready | Mode::Drain, Some(_)) => {}
        }
        if self.state() != before {
            self.note_return(now);
            self.ends = None;
            self.since = now;
            self.reason = match self.orders.mode() {
                Mode::Ready => self.last_check.clone(),
                Mode::Drain | Mode::Maint => "by an operator".to_owned(),
            };
        }
    }

    /// Remembers whether it is away, and when it came back: its share grows from then on.
    fn note_return(&mut self, now: Instant) {
        match self.state() {
            State::Up if self.away => (self.away, self.returned) = (false, Some(now)),
            State::Up | State::Unknown => {}
            State::Draining | State::Down | State::Maint => {
                (self.away, self.returned) = (true, None);
            }
        }
    }

    /// Ends its connections if it has been down for long enough; returns whether it did. They belong to the
    /// past from here on: the next plan ends them.
    pub(super) fn expire(&mut self, now: Instant) -> bool {
        let over = self.ends.is_some_and(|at| now >= at);
        if over {
            self.ends = None;
            self.server.counters.end_all(false);
        }
        over
    }

    /// Folds in what a check found; returns whether the state changed.
    pub(super) fn checked(
        &mut self,
        (proxy, check): (&ProxyConfig, &Arc<Check>),
        found: (Outcome, Option<Arc<Certificate>>, bool),
        now: Instant,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let (outcome, certificate, confirmed) = found;
        let (from, pace) = (self.state(), self.pace(&proxy.check));
        let good = outcome.verdict == Verdict::Pass;
        let needed = thresholds(&proxy.check, confirmed);
        self.health.observe(outcome.verdict.proves(), good, needed);
        if let Some(id) = self.running.filter(|_| self.pace(&proxy.check) != pace) {
            effects.push(Effect::Check(Command::Update(id, self.settings(&proxy.check, check))));
        }
        if outcome.denied && !self.denied {
            effects.push(Effect::Log(Event::Denied {
                proxy: proxy.name.clone(),
                server: self.server.name.clone(),
                words: outcome.words.clone(),
            }));
        }
        self.denied = outcome.denied;
        self.last_check.clone_from(&outcome.words);
        self.certificate = certificate.or_else(|| self.certificate.take());
        self.changed(proxy, from, outcome.words, now, effects)
    }

    /// Takes over what its agent said; returns whether anything changed.
    pub(super) fn agent_said(
        &mut self,
        proxy: &ProxyConfig,
        reply: AgentReply,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let (from, before, limit) = (self.state(), self.agent.clone(), &self.server.counters.limit);
        let limited = reply.most.is_some_and(|most| {
            let most = most.map_or(0, NonZeroU32::get);
            limit.swap(most, Ordering::Relaxed) != most
        });
        self.agent.update(reply);
        let words = self.agent.down.clone().unwrap_or_else(|| self.agent.mode.to_string());
        let changed = self.changed(proxy, from, format!("its agent says {words}"), now, effects);
        changed | (self.agent != before) | limited
    }

    /// Does what follows from a change of state; returns whether it is one.
    fn changed(
        &mut self,
        proxy: &ProxyConfig,
        from: State,
        reason: String,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let to = self.state();
        if to == from {
            return false;
        }
        self.note_return(now);
        self.reason.clone_from(&reason);
        self.since = now;
        let (proxy_name, server) = (proxy.name.clone(), self.server.name.clone());
        let address = self.server.located.to_string();
        let event = Event::Changed { proxy: proxy_name, server, address, from, to, reason };
        effects.push(Effect::Log(event));
        self.ends = match proxy.on_down {
            OnDown::Reset(grace) if to == State::Down => Some(now + grace),
            OnDown::Reset(_) | OnDown::Keep => None,
        };
        self.expire(now);
        true
    }
}

/// What it takes; one failure is enough where clients see the same.
fn thresholds(config: &CheckConfig, confirmed: bool) -> Thresholds {
    let fall = if confirmed { 1 } else { config.fall };
    let count = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
    Thresholds { rise: count(config.rise), fall: count(fall) }
}
