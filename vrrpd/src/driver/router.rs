//! One virtual router at work: carries out what its core decides, and counts.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use config::RouterConfig;
use process::messages::Resumable;
use process::throttle::Throttle;
use tokio::sync::watch;
use tracing::{info, warn};
use vocabulary::{Name, RouterId};

use super::counters::{Discards, Lines};
use super::differences::Differences;
use super::handle::{NewRouter, RouterReport};
use super::history::{History, millis};
use super::ports::Ports;
use super::sender::Sender;
use crate::io::port::Port;
use crate::occurrence::Occurrences;
use crate::status::ActiveStatus;
use vrrp::desired::DesiredState;
use vrrp::election::{Received, State, Transition, group};
use vrrp::router::{Contested, Core, Effect, Evidence, Input};
use vrrp::wire::{Discard, Heard};

/// A router at work.
pub(super) struct Router {
    core: Core,
    sender: Sender,
    desired: watch::Sender<DesiredState>,
    received: u64,
    discards: Discards,
    history: History,
    differences: Differences,
    /// Changes of state in the log.
    log: Throttle,
    /// Contests in the log.
    contests_log: Throttle,
}

impl Router {
    pub(super) fn new(new: NewRouter, occurrences: Occurrences, now: Instant) -> Self {
        let NewRouter { config, desired, resume_until } = new;
        Self {
            history: History::new(config.id.clone(), occurrences, now),
            core: Core::new(Arc::new(config), resume_until),
            sender: Sender::default(),
            desired,
            received: 0,
            discards: Discards::default(),
            differences: Differences::default(),
            log: Throttle::changes(),
            contests_log: Throttle::changes(),
        }
    }

    pub(super) fn core(&self) -> &Core {
        &self.core
    }

    pub(super) fn config(&self) -> &RouterConfig {
        self.core.config()
    }

    pub(super) fn id(&self) -> &RouterId {
        self.core.id()
    }

    /// Whether `port` is that of its interface and family.
    pub(super) fn is_at(&self, port: &Port) -> bool {
        self.config().interface == *port.interface() && self.id().family == port.family()
    }

    /// Whether it hears what comes to `port`.
    pub(super) fn hears(&self, port: &Port) -> bool {
        self.core.place().is_some() && self.is_at(port)
    }

    /// How often its state changed.
    pub(super) fn changes(&self) -> u64 {
        self.history.count()
    }

    /// What a successor may go on with, were we to die now.
    pub(super) fn resumable(&self, now: Instant) -> Option<Resumable> {
        let within_ms = millis(self.core.resumable(now)?);
        Some(Resumable { router: self.id().clone(), within_ms })
    }

    pub(super) fn heard(&mut self, heard: &Heard, lines: &mut Lines, now: Instant, ports: &Ports) {
        self.received += 1;
        self.differences.note(self.core.config(), heard, lines, now);
        let Heard { source, advert, coverage, .. } = heard;
        let advert = Received { source: *source, claim: advert.claim, interval: advert.interval };
        self.handle(Input::Received { advert, coverage: *coverage }, now, ports);
    }

    pub(super) fn discarded(
        &mut self,
        discard: Discard,
        source: Option<IpAddr>,
        lines: &mut Lines,
        now: Instant,
    ) {
        let times = self.discards.count_and_log(discard, source, lines, now);
        let Some(times) = times else { return };
        self.history.discarded(discard, source, times);
        let RouterId { name, family } = self.id();
        let from = source.map(tracing::field::display);
        if discard.splits_the_pair() {
            warn!(router = %name, %family, from, reason = %discard, times, "discarded a peer's advert: as long as this lasts, both nodes may be Active");
        } else {
            info!(router = %name, %family, from, reason = %discard, times, "discarded an advert");
        }
    }

    /// Feeds the core, and carries out what it decides.
    pub(super) fn handle(&mut self, input: Input<'_>, now: Instant, ports: &Ports) {
        for effect in self.core.handle(input, now) {
            match effect {
                Effect::Advertise { claim, only } => {
                    self.sender.send(&self.core, claim, only, ports, now);
                }
                Effect::Desire(desired) => drop(self.desired.send_replace(desired)),
                Effect::Changed { transition, evidence } => {
                    self.changed(transition, evidence, now);
                }
                Effect::Contested(contested) => self.contested(contested, now),
                Effect::HandoverRefused { peer } => {
                    let RouterId { name, family } = self.id();
                    warn!(router = %name, %family, %peer, "handover refused: that is not a configured peer");
                }
            }
        }
    }

    fn changed(&mut self, transition: Transition, evidence: Evidence, now: Instant) {
        self.history.changed(transition, evidence, now);
        if let Some(changes) = self.log.take(now) {
            self.log_state(transition, changes);
        }
    }

    fn log_state(&self, Transition { from, to, cause }: Transition, changes: u64) {
        let RouterId { name, family } = self.id();
        let priority = self.core.election().settings().priority;
        let left_out = (changes > 1).then(|| changes - 1);
        info!(router = %name, %family, %from, %cause, %priority, left_out, "became {to}");
    }

    /// When changes of state that the log did not take are told.
    pub(super) fn log_due(&self) -> Option<Instant> {
        self.log.due()
    }

    /// Tells them, with the last one.
    pub(super) fn log_left_out(&mut self, now: Instant) {
        if let Some(changes) = self.log.take_due(now)
            && let Some(last) = self.history.last()
        {
            self.log_state(last, changes);
        }
    }

    /// Logged as rarely as it is told (`vrrp::router`).
    fn contested(&mut self, contested: Contested, now: Instant) {
        let ours = self.core.election().settings().priority;
        if let Some(times) = self.contests_log.take(now) {
            let (RouterId { name, family }, Contested { by, priority, adverts, .. }) =
                (self.id(), &contested);
            let left_out = (times > 1).then(|| times - 1);
            if contested.yielded {
                info!(router = %name, %family, %by, adverts, left_out, "the other Active router has yielded: announces the addresses again");
            } else {
                warn!(router = %name, %family, %by, theirs = %priority, %ours, left_out, "another router is Active as well, and is to yield: until it does, clients reach either");
            }
        }
        self.history.contested(contested, ours);
    }

    pub(super) fn report(&self, now: Instant) -> RouterReport {
        let election = self.core.election();
        let active = self.core.following().map(|following| ActiveStatus {
            address: following.source,
            priority: following.priority,
            interval: following.interval,
        });
        RouterReport {
            config: self.core.config().clone(),
            state: election.state().name(),
            since_ms: self.history.since_ms(now),
            transitions: self.history.count(),
            contests: self.history.contests(),
            effective_priority: election.settings().priority,
            source: self.core.place().map(|place| place.source),
            timer_ms: election.deadline().map(|at| millis(at.saturating_duration_since(now))),
            active,
            sent: self.sender.sent,
            send_errors: self.sender.errors,
            received: self.received,
            discarded: self.discards.totals(),
            mismatch: self.differences.mismatch(now),
            history: self.history.latest_first(now),
        }
    }
}

impl group::Member for Router {
    fn group(&self) -> Option<&Name> {
        self.core.group()
    }

    fn state(&self) -> &State {
        self.core.state()
    }

    fn take_news(&mut self) -> Option<Transition> {
        self.core.take_news()
    }
}
