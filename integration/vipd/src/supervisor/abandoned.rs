//! Routers that a dead `vrrpd` left as Active: a successor goes on with them while no peer can have taken
//! over; later their addresses go before a peer has them as well. Pure.

use std::time::{Duration, Instant};

use process::messages::{Resumable, Tick};
use vocabulary::RouterId;

use super::instance::Instance;
use crate::clock::millis_until;

/// What a successor of `vrrpd` needs at least to become Active: it starts in some 6 ms, and itself
/// does not go on too late. After a hang little time is left, for it takes 150 ms to be noticed and
/// 25 ms until the kernel has closed the sockets.
const RESUME_TIME: Duration = Duration::from_millis(15);

/// A router that is Active and has nobody who advertises it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Abandoned {
    pub(super) router: RouterId,
    /// Until then nobody else can have its addresses.
    pub(super) until: Instant,
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct AbandonedRouters(Vec<Abandoned>);

/// Which of them a successor may go on with, and for how many milliseconds; and which it may not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Resumption {
    pub(super) in_time: Vec<(RouterId, u64)>,
    pub(super) late: Vec<RouterId>,
}

/// What a `vrrpd` had when it ticked for the last time.
pub(super) fn of(vrrpd: &Instance) -> Vec<Abandoned> {
    let (tick, ticked_at) = vrrpd.last();
    let abandoned = |resumable: &Resumable| Abandoned {
        router: resumable.router.clone(),
        until: ticked_at + Duration::from_millis(resumable.within_ms),
    };
    tick.resumable.iter().map(abandoned).collect()
}

impl AbandonedRouters {
    /// A `vrrpd` has died.
    pub(super) fn left_by(&mut self, vrrpd: &Instance) {
        self.0 = of(vrrpd);
    }

    /// What a successor that starts now may go on with.
    pub(super) fn resumption(&self, now: Instant) -> Resumption {
        let (in_time, late): (Vec<_>, Vec<_>) =
            self.0.iter().partition(|abandoned| abandoned.until >= now + RESUME_TIME);
        let resumed =
            |abandoned: &Abandoned| (abandoned.router.clone(), millis_until(abandoned.until, now));
        Resumption {
            in_time: in_time.into_iter().map(resumed).collect(),
            late: late.into_iter().map(|abandoned| abandoned.router.clone()).collect(),
        }
    }

    /// A successor's tick: what it went on with is abandoned no more.
    pub(super) fn resumed(&mut self, tick: &Tick) {
        let has = |router: &RouterId| tick.resumable.iter().any(|one| one.router == *router);
        self.0.retain(|abandoned| !has(&abandoned.router));
    }

    /// Takes those out whose time is over: their addresses are to be removed.
    pub(super) fn expired(&mut self, now: Instant) -> Vec<RouterId> {
        let expired = self.0.extract_if(.., |abandoned| now >= abandoned.until);
        expired.map(|abandoned| abandoned.router).collect()
    }

    /// Takes all of them out.
    pub(super) fn take(&mut self) -> Vec<RouterId> {
        self.0.drain(..).map(|abandoned| abandoned.router).collect()
    }

    /// When the next one [expires](Self::expired).
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.0.iter().map(|abandoned| abandoned.until).min()
    }
}
