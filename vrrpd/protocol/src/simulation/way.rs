//! One way between two nodes: what becomes of the packets on it.

use std::time::Duration;

use super::Random;

/// One way between two nodes; by default it carries everything.
#[derive(Clone, Debug, Default)]
pub struct Way {
    /// Routers whose packets it does not carry.
    pub cut: Vec<usize>,
    /// Packets in a thousand that are lost.
    pub loss: u64,
    /// Packets in a thousand that are overtaken by later ones.
    pub disorder: u64,
    /// On top of the network's own delay.
    pub delay: Duration,
    /// When the last packet arrives.
    busy_until: Duration,
}

impl Way {
    /// Everything is well again; what is under way stays so.
    pub fn heal(&mut self) {
        *self = Self { busy_until: self.busy_until, ..Self::default() };
    }

    /// Whether it carries the packets of a router.
    #[must_use]
    pub fn carries(&self, router: usize) -> bool {
        !self.cut.contains(&router)
    }

    /// Whether it loses, delays or reorders.
    #[must_use]
    pub fn is_rough(&self) -> bool {
        self.loss > 0 || self.disorder > 0 || self.delay > Duration::ZERO
    }

    /// When a packet arrives that is sent at `now` and needs `flight` on a good way.
    pub(super) fn carry(
        &mut self,
        now: Duration,
        flight: Duration,
        random: &mut Random,
    ) -> Duration {
        let arrival = now + flight + self.delay;
        if random.chance(self.disorder) {
            return arrival + flight * 20;
        }
        // A network keeps the order of what it carries.
        self.busy_until = self.busy_until.max(arrival);
        self.busy_until
    }
}
