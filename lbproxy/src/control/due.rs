//! What happens by the clock alone: orders that end, connections that are spread anew.

use std::time::{Duration, Instant};

use super::Control;

impl Control {
    /// When the first order ends by itself, or connections may have to be moved.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.registry.next_end().into_iter().chain(self.rebalance_at).min()
    }

    /// Does what is due.
    pub(crate) fn do_what_is_due(&mut self, now: Instant) {
        if self.registry.next_end().is_some_and(|at| now >= at) {
            self.end_orders(now);
        }
        if self.rebalance_at.is_some_and(|at| now >= at) {
            self.rebalance_at = Some(now + Duration::from_secs(1));
            if self.registry.move_some(now) {
                self.publish();
            }
        }
    }
}
