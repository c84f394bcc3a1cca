//! Sends the announcements that are due.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use tracing::warn;
use vocabulary::{Family, InterfaceName};

use super::burst::{Burst, Schedule};
use super::place::Held;
use super::{AddressKeeper, Wish};
use crate::clock::now;

/// Failures are logged this often: reminders may fail ten times a second.
const LOG_PAUSE: Duration = Duration::from_secs(60);

/// Which addresses are announced, and when.
pub(super) struct Announcing {
    burst: Burst,
    /// Those of this burst; a reminder is for all.
    addresses: Vec<(InterfaceName, IpAddr)>,
    /// A burst is to begin with the next frames.
    anew: bool,
    /// When a failure was logged.
    logged: Option<Instant>,
}

impl Announcing {
    pub(super) fn nothing(schedule: Schedule, now: Instant) -> Self {
        let burst = Burst::begin(schedule, now);
        Self { burst, addresses: Vec::new(), anew: true, logged: None }
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
    fn log_is_due(&mut self, now: Instant) -> bool {
        let due = self.logged.is_none_or(|logged| now >= logged + LOG_PAUSE);
        if due {
            self.logged = Some(now);
        }
        due
    }

    /// An address is new, or back: it is announced with those whose burst is not over.
    pub(super) fn add(&mut self, held: &Held, now: Instant) {
        if self.burst.refreshes() {
            self.addresses.clear();
            self.anew = true;
        }
        self.again(now);
        let this = (held.placed.config.interface.clone(), held.ip());
        if !self.addresses.contains(&this) {
            self.addresses.push(this);
        }
    }
}

impl AddressKeeper {
    /// Sends the frames that are due.
    pub(super) fn announce(&mut self, wish: Wish) {
        let Some(holding) = &mut self.holding else { return };
        let (now, announcing) = (now(), &mut holding.announcing);
        announcing.burst.follow(&holding.plan.schedule, now);
        let again = holding.announcements != wish.announcements;
        if again {
            holding.announcements = wish.announcements;
            announcing.again(now);
        }
        if std::mem::take(&mut announcing.anew) {
            announcing.burst = Burst::begin(holding.plan.schedule.clone(), now);
        }
        if announcing.next().is_none_or(|at| now < at) {
            return;
        }
        if again || announcing.burst.refreshes() {
            let all = holding.addresses.iter();
            announcing.addresses =
                all.map(|held| (held.placed.config.interface.clone(), held.ip())).collect();
        }
        let Announcing { burst, addresses, .. } = announcing;
        let due = burst.due(addresses.len(), now, |length| {
            let interfaces: BTreeSet<_> =
                addresses.iter().map(|(interface, _)| interface).collect();
            self.means.turns.take(&self.router, interfaces.into_iter(), length, now)
        });
        let (mut failed, mut stations) = (None, BTreeMap::new());
        let interfaces = self.interfaces.borrow();
        for (interface, address) in &addresses[due] {
            let (key, announcer) = ((interface, Family::of(*address)), &self.means.announcer);
            let found = stations.get(&key).copied().map_or_else(
                || {
                    let there = interfaces.named(interface).ok_or(ErrorKind::NotFound)?;
                    announcer.station(there, key.1)
                },
                Ok,
            );
            let sent = found.and_then(|found| {
                stations.insert(key, found);
                announcer.announce(*address, &found)
            });
            // One that was lost does not keep the others back; it has further rounds.
            failed = sent.err().or(failed);
        }
        if let Some(error) = failed
            && announcing.log_is_due(now)
        {
            let router = &self.router;
            warn!(%router, %error, "cannot announce the addresses; hosts may still look for them elsewhere");
        }
    }
}

#[cfg(test)]
mod tests {
    use config::Announce;

    use super::*;

    #[test]
    fn failures_are_logged_once_a_minute() {
        let start = now();
        let advert_interval = Duration::from_millis(100);
        let schedule = Schedule { announce: Announce::default(), advert_interval };
        let mut announcing = Announcing::nothing(schedule, start);
        let mut at = |millis| announcing.log_is_due(start + Duration::from_millis(millis));
        assert_eq!(
            [0, 100, 59_999, 60_000, 60_100].map(&mut at),
            [true, false, false, true, false]
        );
    }
}
