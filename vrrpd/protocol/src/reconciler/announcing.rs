//! Which addresses are announced, and when.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use vocabulary::{InterfaceName, RouterId};

use super::burst::{Burst, Schedule};
use super::{ManagedAddress, Turns};

/// Failures are logged this often: reminders may fail ten times a second.
const LOG_PAUSE: Duration = Duration::from_secs(60);

/// An address, and where it is announced.
type Announced = (InterfaceName, IpAddr);

/// The announcements of a router's addresses.
#[derive(Clone, Debug)]
pub(super) struct Announcing {
    burst: Burst,
    /// Those of this burst; a reminder is for all.
    addresses: Vec<Announced>,
    /// A burst is to begin with the next frames.
    anew: bool,
    /// The latest of the election's that was begun.
    asked: u64,
    /// When a failure was logged.
    logged: Option<Instant>,
}

impl Announcing {
    /// Nothing is announced yet, and nothing asked for beyond `asked`.
    pub(super) fn nothing(schedule: Schedule, asked: u64, now: Instant) -> Self {
        let burst = Burst::begin(schedule, now);
        Self { burst, addresses: Vec::new(), anew: true, asked, logged: None }
    }

    /// When the next frame is due; none: never again.
    pub(super) fn next(&self) -> Option<Instant> {
        self.burst.next()
    }

    /// Something is to be announced; a burst that has just begun covers it.
    fn again(&mut self, now: Instant) {
        self.anew |= self.burst.is_old(now);
    }

    /// Whether a failure is to be logged; if so, it counts as logged.
    pub(super) fn log_is_due(&mut self, now: Instant) -> bool {
        let due = self.logged.is_none_or(|logged| now >= logged + LOG_PAUSE);
        if due {
            self.logged = Some(now);
        }
        due
    }

    /// An address is new, or back: it is announced with those whose burst is not over.
    pub(super) fn add(&mut self, address: &ManagedAddress, now: Instant) {
        if self.burst.refreshes() {
            self.addresses.clear();
            self.anew = true;
        }
        self.again(now);
        let this = announced(address);
        if !self.addresses.contains(&this) {
            self.addresses.push(this);
        }
    }

    /// An address has left its interface.
    pub(super) fn remove(&mut self, address: &ManagedAddress) {
        let left = announced(address);
        self.addresses.retain(|known| *known != left);
    }

    /// The frames of `router` that are due now, for what it `holds`; they count as sent.
    pub(super) fn due(
        &mut self,
        holds: &[ManagedAddress],
        schedule: &Schedule,
        asked: u64,
        router: &RouterId,
        now: Instant,
        turns: &mut Turns,
    ) -> Vec<Announced> {
        self.burst.follow(schedule, now);
        let again = self.asked != asked;
        if again {
            self.asked = asked;
            self.again(now);
        }
        if std::mem::take(&mut self.anew) {
            self.burst = Burst::begin(schedule.clone(), now);
        }
        if self.next().is_none_or(|at| now < at) {
            return Vec::new();
        }
        if again || self.burst.refreshes() {
            self.addresses = holds.iter().map(announced).collect();
        }
        let Self { burst, addresses, .. } = self;
        let due = burst.due(addresses.len(), now, |length| {
            let interfaces: BTreeSet<_> =
                addresses.iter().map(|(interface, _)| interface).collect();
            turns.take(router, interfaces.into_iter(), length, now)
        });
        addresses[due].to_vec()
    }
}

fn announced(address: &ManagedAddress) -> Announced {
    (address.config.interface.clone(), address.ip())
}

#[cfg(test)]
mod tests {
    use config::Announce;

    use super::*;

    #[test]
    fn failures_are_logged_once_a_minute() {
        #[expect(clippy::disallowed_methods, reason = "a start for the virtual clock")]
        let start = Instant::now();
        let advert_interval = Duration::from_millis(100);
        let schedule = Schedule { announce: Announce::default(), advert_interval };
        let mut announcing = Announcing::nothing(schedule, 0, start);
        let mut at = |millis| announcing.log_is_due(start + Duration::from_millis(millis));
        assert_eq!(
            [0, 100, 59_999, 60_000, 60_100].map(&mut at),
            [true, false, false, true, false]
        );
    }
}
