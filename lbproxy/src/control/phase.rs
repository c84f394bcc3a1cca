//! Who takes new connections: this proxy, its predecessor or its successor.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use process::messages::ToVrrpd;

use super::Control;
use crate::control::handoff::{PassedOrder, SocketHandoff};
use crate::control::orders_file::millis;
use crate::health::registry::orders::StandingOrder;
use crate::health::registry::server::ServerRecord;
use crate::plan::state::State;

/// What becomes of new connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// A predecessor still takes them.
    Waiting,
    Serving,
    /// A successor takes them.
    Draining,
    /// The old ones end as well.
    Stopping,
}

impl Control {
    /// Accepts nothing until told to [serve](Self::serve).
    pub(crate) fn wait(&mut self) {
        self.phase = Phase::Waiting;
    }

    /// Accepts connections.
    pub(crate) fn serve(&mut self) {
        self.phase = Phase::Serving;
        self.publish();
    }

    /// Accepts no more, and tells no health: a successor does. What is connected stays.
    pub(crate) fn retire(&mut self) {
        self.phase = Phase::Draining;
        self.listeners.clear();
        self.publish();
        self.scores.send_replace(Vec::new());
        // Full only where nobody reads, whom it would not reach either.
        drop(self.answers.try_send(ToVrrpd::Retire));
    }

    /// Whether every server was checked.
    pub(crate) fn knows_all(&self) -> bool {
        let servers = self.registry.proxies.iter().flat_map(|proxy| &proxy.servers);
        servers.map(ServerRecord::state).all(|state| state != State::Unknown)
    }

    /// Clients that are connected.
    pub(crate) fn live(&self) -> u64 {
        let proxies = self.registry.proxies.iter();
        proxies.map(|proxy| proxy.counters.live.load(Ordering::Relaxed)).sum()
    }

    /// Whether no worker accepts any more after the drain began, so that all clients are counted, and
    /// `vrrpd`, if there is one, was told what was to be said.
    pub(crate) fn has_drained(&self, linked: bool) -> bool {
        let closed = self.applied.iter().all(|applied| *applied.borrow() >= self.generation);
        closed && (!linked || self.answers.capacity() == self.answers.max_capacity())
    }

    /// What a successor gets.
    pub(crate) fn handoff(&self, now: Instant) -> SocketHandoff {
        let listeners = self.listeners.values().map(Arc::clone).collect();
        let passed = |standing: StandingOrder| PassedOrder {
            left_ms: standing.until.map(|until| millis(until.saturating_duration_since(now))),
            proxy: standing.proxy,
            server: standing.server,
            order: standing.order,
        };
        let orders = self.registry.standing().into_iter().map(passed);
        SocketHandoff { listeners, orders: orders.collect() }
    }
}
