//! The addresses of one router in a node's kernel, as they follow what is desired of them.

use std::time::Duration;

use config::{Announce, Refresh, RouterConfig};

use crate::election::Release;
use crate::wish::{RELIEF_HOLD, Wanted, Wish};

/// A burst of announcements is not begun anew within this.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// Reminders of one address are at least this far apart.
const REMINDER_PAUSE: Duration = Duration::from_millis(100);

/// What a kernel has of one router.
#[derive(Clone, Debug)]
pub(super) struct Kernel {
    /// It has the addresses.
    pub(super) owns: bool,
    pub(super) desired: Wish,
    /// Counts what was desired: an older desire that would come true late is void.
    pub(super) generation: u64,
    /// Counts bursts: announcements of an older one are void.
    pub(super) burst: u64,
    /// When the last burst began.
    began: Option<Duration>,
}

impl Kernel {
    pub(super) fn new() -> Self {
        Self { owns: false, desired: Wish::NOTHING, generation: 0, burst: 0, began: None }
    }

    /// Another daemon takes over; it inherits the addresses, or removes them.
    pub(super) fn inherit(&mut self, desired: Wish) {
        self.owns &= desired.wanted == Wanted::Hold;
        self.desired = desired;
        self.generation += 1;
        self.burst += 1;
        self.began = None;
    }

    /// Something else is desired: what it is, and after how long it comes true where the kernel takes
    /// `kernel` for a change.
    pub(super) fn desire(&mut self, desired: Wish, kernel: Duration) -> (bool, Duration) {
        self.desired = desired;
        self.generation += 1;
        match desired.wanted {
            Wanted::Hold => (true, kernel),
            Wanted::Release(Release::Relieved) => (false, RELIEF_HOLD + kernel),
            Wanted::Release(Release::AtOnce) => (false, kernel),
        }
    }

    /// The kernel has them now, or no more; tells whether they are to be announced.
    pub(super) fn change(&mut self, owns: bool) -> bool {
        let new = owns && !self.owns;
        self.owns = owns;
        if !owns || new {
            self.began = None;
        }
        new
    }

    /// It has the addresses, and they are not about to leave.
    pub(super) fn holds(&self) -> bool {
        self.owns && self.desired.wanted == Wanted::Hold
    }

    /// The addresses are to be announced; tells whether a burst begins.
    pub(super) fn announce(&mut self, now: Duration) -> bool {
        let anew = self.began.is_none_or(|began| now >= began + RESTART_PAUSE);
        if anew {
            (self.began, self.burst) = (Some(now), self.burst + 1);
        }
        anew
    }

    /// When the announcement number `round` of the burst is due, the first being 0; none: never.
    pub(super) fn round(
        &self,
        round: usize,
        config: &RouterConfig,
        now: Duration,
    ) -> Option<Duration> {
        let Announce { at, refresh, .. } = &config.announce;
        if let Some(after) = at.get(round) {
            return Some((self.began? + *after).max(now));
        }
        match refresh {
            Refresh::WithAdverts => {
                Some(now + config.advert_interval.duration().max(REMINDER_PAUSE))
            }
            Refresh::Every(pause) => Some(now + *pause),
            Refresh::Never => None,
        }
    }
}
