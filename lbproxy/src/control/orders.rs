//! What an operator wants of servers and connections, and that it lasts.

use std::io;
use std::time::{Duration, Instant};

use tracing::{info, warn};
use vocabulary::Name;

use super::Control;
use super::phase::Phase;
use crate::clock;
use crate::control::handoff::PassedOrder;
use crate::control::orders_file::{Moment, OrdersFile};
use crate::control::status::{Answer, Order};
use crate::health::registry::Ordered;
use crate::health::registry::orders::StandingOrder;

/// An order holds no longer than this by itself.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

impl Control {
    /// Takes over what was ordered before our start, and writes what is ordered from now on.
    pub(crate) fn remember(&mut self, file: io::Result<OrdersFile>, now: Instant) {
        match file {
            Ok(mut file) => {
                let moment = Moment { now, since_boot: clock::since_boot() };
                self.registry.restore(file.read(moment));
                self.orders = Some(file);
            }
            Err(error) => {
                warn!(%error, "nowhere to note operators' orders: they end with this program");
            }
        }
    }

    /// Does what an operator wants of a server, for a time or until the next order.
    pub(crate) fn order(
        &mut self,
        proxy: &Name,
        server: &Name,
        (order, time): (Order, Option<Duration>),
        now: Instant,
    ) -> Answer {
        let until = time.map(|time| now + time.min(LONGEST));
        match self.registry.order(proxy, server, (order, until), now) {
            Ok(Ordered { state, weight, effects }) => {
                self.execute(effects, now);
                self.save_orders(now);
                let time = time.map(|time| format!(", for {}", humantime::format_duration(time)));
                let time = time.unwrap_or_default();
                Answer::Done(format!("{proxy}/{server} is {state}, weight {weight}{time}"))
            }
            Err(error) => Answer::Error(error.to_string()),
        }
    }

    /// Takes over what a predecessor was ordered.
    pub(crate) fn inherit(&mut self, passed: Vec<PassedOrder>, now: Instant) {
        let standing = |passed: PassedOrder| StandingOrder {
            until: passed.left_ms.map(|left| now + Duration::from_millis(left).min(LONGEST)),
            proxy: passed.proxy,
            server: passed.server,
            order: passed.order,
        };
        self.registry.restore(passed.into_iter().map(standing).collect());
    }

    /// Lets orders end whose time is over.
    pub(super) fn end_orders(&mut self, now: Instant) {
        let effects = self.registry.end_orders(now);
        self.execute(effects, now);
        self.save_orders(now);
    }

    /// Writes down what holds. A successor does from its start on.
    pub(super) fn save_orders(&mut self, now: Instant) {
        if let (Some(file), Phase::Serving | Phase::Waiting) = (&mut self.orders, self.phase) {
            let moment = Moment { now, since_boot: clock::since_boot() };
            file.save(self.registry.standing(), moment);
        }
    }

    /// Ends connections as an operator wants.
    pub(crate) fn shutdown_sessions(&mut self, proxy: &Name, server: Option<&Name>) -> Answer {
        match self.registry.end_sessions(proxy, server) {
            Ok(count) => {
                info!(%proxy, count, "connections ended by an operator");
                self.publish();
                Answer::Done(format!("{count} connections of {proxy} ended"))
            }
            Err(error) => Answer::Error(error.to_string()),
        }
    }
}
