//! What is known of one server, and what becomes of it.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use config::{AgentConfig, CheckConfig, Followed, OnDown, ProxyConfig, ServerConfig};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tracing::{info, warn};

use super::agent::{Advice, Agent, Said};
use super::probe::{Found, Probe, Target};
use super::prober::Prober;
use super::{Health, News, State};
use crate::control::status::{Mode, Order};
use crate::net::certificate::Certificate;
use crate::plan::backend::Server;

/// One server.
#[derive(Debug)]
pub(crate) struct KeptServer {
    pub(crate) server: Arc<Server>,
    /// Its share of the connections.
    pub(crate) weight: Weight,
    /// What an operator made of it.
    pub(crate) mode: Mode,
    pub(crate) health: Health,
    /// Since when it is in its state.
    pub(crate) since: Instant,
    /// What the last change of state was for, in words.
    pub(crate) reason: String,
    /// What the last check found, in words.
    pub(crate) last: String,
    /// The certificate that it showed last.
    shown: Option<Arc<Certificate>>,
    denied: bool,
    /// The number of what checks it: outcomes of others are not of interest any more.
    pub(crate) prober: u64,
    checks: Checks,
    /// Checks it until dropped, or keeps its address up to date; none in maintenance.
    task: Option<Task>,
    /// The one that decides for it.
    pub(crate) follows: Option<Followed>,
    /// Whether an operator holds that one back.
    held: bool,
    /// What the program beside it said.
    pub(crate) agent: Advice,
    /// Whether it has been away since it was up.
    away: bool,
    /// When it came back.
    pub(crate) returned: Option<Instant>,
    /// When its connections end, for it is down.
    ends: Option<Instant>,
}

/// How a server is that others follow.
#[derive(Clone, Debug)]
pub(crate) struct Example {
    state: State,
    held: bool,
    /// What the last change of state was for, in words.
    reason: String,
}

/// A task that ends with its owner.
#[derive(Debug)]
struct Task {
    pace: watch::Sender<Duration>,
    task: JoinHandle<()>,
    agent: Option<JoinHandle<()>>,
}

impl Drop for Task {
    fn drop(&mut self) {
        self.task.abort();
        self.agent.iter().for_each(JoinHandle::abort);
    }
}

/// How a server is checked.
#[derive(Clone, Debug)]
pub(crate) struct Checks {
    pub(crate) probe: Probe,
    pub(crate) target: Target,
    pub(crate) agent: Option<AgentConfig>,
    pub(crate) results: mpsc::Sender<News>,
    /// The runtime that it is checked on.
    pub(crate) runtime: Handle,
    pub(crate) config: CheckConfig,
}

impl Checks {
    /// The time between two checks of a server that is like this.
    fn pace(&self, health: Health) -> Duration {
        match health.state() {
            _ if health.is_changing() => self.config.fast_interval,
            State::Unknown => self.config.fast_interval,
            State::Down | State::Draining => self.config.down_interval,
            State::Up | State::Maint => self.config.interval,
        }
    }
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

impl KeptServer {
    /// One that is not checked yet.
    pub(crate) fn new(server: Server, wanted: &ServerConfig, checks: Checks, now: Instant) -> Self {
        Self {
            server: Arc::new(server),
            weight: Weight { configured: wanted.weight, ordered: None },
            mode: Mode::Ready,
            health: Health::UNKNOWN,
            since: now,
            reason: "not checked yet".to_owned(),
            last: "not checked yet".to_owned(),
            shown: None,
            denied: false,
            prober: 0,
            checks,
            task: None,
            follows: wanted.follows.clone(),
            held: false,
            agent: Advice::default(),
            away: false,
            returned: None,
            ends: None,
        }
    }

    /// How it is, for those that follow it.
    pub(crate) fn example(&self) -> Example {
        let held = self.mode != Mode::Ready || self.agent.mode != Mode::Ready;
        Example { state: self.state(), held, reason: self.reason.clone() }
    }

    /// Per cent of its share that count `now`, while it takes `slow_start` for that.
    pub(crate) fn part(&self, slow_start: Option<Duration>, now: Instant) -> Option<u8> {
        let (whole, returned) = (slow_start?, self.returned?);
        let part = now.saturating_duration_since(returned).as_nanos() * 100 / whole.as_nanos();
        u8::try_from(part).ok().filter(|part| *part < 100 && self.state() == State::Up)
    }

    /// Its share at this moment. Whatever happens to the others: what an operator took out stays out.
    pub(crate) fn share(&self) -> u16 {
        if self.mode != Mode::Ready || self.agent.mode != Mode::Ready || self.held {
            return 0;
        }
        let part = u32::from(self.weight.now()) * u32::from(self.agent.percent);
        u16::try_from(part.div_ceil(100)).unwrap_or(u16::MAX).min(256)
    }

    /// What an operator ordered, and still holds.
    pub(crate) fn orders(&self) -> impl Iterator<Item = Order> {
        let mode = match self.mode {
            Mode::Ready => None,
            Mode::Drain => Some(Order::Drain),
            Mode::Maint => Some(Order::Maint),
        };
        mode.into_iter().chain(self.weight.ordered.map(Order::Weight))
    }

    /// Its state for those who want to use it: an operator's word counts before its checks.
    pub(crate) fn state(&self) -> State {
        match (self.mode.max(self.agent.mode), self.health.state()) {
            (Mode::Maint, _) => State::Maint,
            _ if self.agent.down.is_some() => State::Down,
            (Mode::Drain, State::Up | State::Unknown) => State::Draining,
            (_, state) => state,
        }
    }

    /// What was known of the server before a reload; its health only where it is checked alike.
    pub(crate) fn inherit(&mut self, before: Self, same_check: bool) {
        self.mode = before.mode;
        // A weight that is changed in the file is meant to count.
        if before.weight.configured == self.weight.configured {
            self.weight = before.weight;
        }
        if self.checks.agent.is_some() {
            self.agent = before.agent;
        } else {
            self.server.counters.limit.store(0, Ordering::Relaxed);
        }
        if same_check || self.mode == Mode::Maint {
            self.health = before.health;
            self.since = before.since;
            self.reason = before.reason;
            self.last = before.last;
            self.shown = before.shown;
            self.denied = before.denied;
            (self.away, self.returned) = (before.away, before.returned);
            self.ends = before.ends;
        }
    }

    /// Checks it from now on, the first time after `delay`, as number `prober`.
    pub(crate) fn check_after(&mut self, delay: Duration, prober: u64) {
        let Checks { probe, target, agent, results, runtime, .. } = self.checks.clone();
        let asking = agent.map(|config| Agent {
            number: prober,
            config,
            target: target.clone(),
            results: results.clone(),
        });
        let counters = Arc::clone(&self.server.counters);
        let (pace, paced) = watch::channel(self.checks.pace(self.health));
        let running = Prober {
            number: prober,
            probe,
            target,
            pace: paced,
            counters,
            results,
            thorough: false,
            shown: None,
        };
        self.prober = prober;
        let task = match self.follows {
            None => runtime.spawn(running.run(delay)),
            Some(_) => runtime.spawn(async move { match running.target.located.keep().await {} }),
        };
        let agent = asking.map(|agent| runtime.spawn(agent.run(delay)));
        self.task = Some(Task { pace, task, agent });
    }

    /// Becomes like the server that decides for it; returns whether anything changed.
    pub(crate) fn follow(&mut self, proxy: &ProxyConfig, example: Example, now: Instant) -> bool {
        let Some(followed) = &self.follows else { return false };
        let from = self.state();
        let held = std::mem::replace(&mut self.held, example.held) != example.held;
        let words = format!("as {followed}: {}", example.reason);
        self.last.clone_from(&words);
        self.health = Health::new(example.state);
        held | self.changed(proxy, from, words, now)
    }

    /// Does what an operator wants; `prober` is a number for new checks.
    pub(crate) fn order(&mut self, order: Order, prober: u64, now: Instant) {
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
            self.returns(now);
            self.ends = None;
            self.since = now;
            self.reason = match self.mode {
                Mode::Ready => self.last.clone(),
                Mode::Drain | Mode::Maint => "by an operator".to_owned(),
            };
        }
    }

    /// Remembers whether it is away, and when it came back: it may take its time from then on.
    fn returns(&mut self, now: Instant) {
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
    pub(crate) fn expire(&mut self, now: Instant) -> bool {
        let over = self.ends.is_some_and(|at| now >= at);
        if over {
            self.ends = None;
            self.server.counters.end_all(false);
        }
        over
    }

    /// What its certificate says, as far as a check has seen it.
    pub(crate) fn certificate(&self) -> Option<&Certificate> {
        self.shown.as_deref()
    }

    /// Folds in what was found; returns whether the state changed.
    pub(crate) fn observe(&mut self, proxy: &ProxyConfig, found: Found, now: Instant) -> bool {
        let Found { outcome, certificate, confirmed, .. } = found;
        let CheckConfig { rise, fall, .. } = self.checks.config;
        let fall = if confirmed { 1 } else { fall };
        let from = self.state();
        self.health = self.health.observe(outcome.verdict, rise, fall);
        if let Some(task) = &self.task {
            task.pace.send_replace(self.checks.pace(self.health));
        }
        if outcome.denied && !self.denied {
            warn!(
                proxy = %proxy.name, server = %self.server.name,
                "{}: counted as alive; let strangers ask for this path to know more",
                outcome.words
            );
        }
        self.denied = outcome.denied;
        self.last.clone_from(&outcome.words);
        self.shown = certificate.or_else(|| self.shown.take());
        self.changed(proxy, from, outcome.words, now)
    }

    /// Takes over what its agent said; returns whether anything changed.
    pub(crate) fn heed(&mut self, proxy: &ProxyConfig, said: Said, now: Instant) -> bool {
        let (from, before, limit) = (self.state(), self.agent.clone(), &self.server.counters.limit);
        let limited = said.most.is_some_and(|most| {
            let most = most.map_or(0, NonZeroU32::get);
            limit.swap(most, Ordering::Relaxed) != most
        });
        self.agent.hear(said);
        let words = self.agent.down.clone().unwrap_or_else(|| self.agent.mode.to_string());
        let changed = self.changed(proxy, from, format!("its agent says {words}"), now);
        changed | (self.agent != before) | limited
    }

    /// Does what follows from a change of state; returns whether it is one.
    fn changed(&mut self, proxy: &ProxyConfig, from: State, why: String, now: Instant) -> bool {
        let to = self.state();
        if to == from {
            return false;
        }
        self.returns(now);
        self.reason = why;
        self.since = now;
        let (name, address) = (&self.server.name, &self.server.located);
        if to == State::Up {
            info!(proxy = %proxy.name, server = %name, %address, "{from} → {to}: {}", self.reason);
        } else {
            warn!(proxy = %proxy.name, server = %name, %address, "{from} → {to}: {}", self.reason);
        }
        self.ends = match proxy.on_down {
            OnDown::Reset(grace) if to == State::Down => Some(now + grace),
            OnDown::Reset(_) | OnDown::Keep => None,
        };
        self.expire(now);
        true
    }
}
