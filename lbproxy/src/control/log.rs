//! What the control thread logs of what others cause.

use std::time::Instant;

use process::messages::{Ownership, OwnershipState};
use process::throttle::{MINUTE, Throttle, Throttles};
use tracing::info;
use vocabulary::RouterId;

use crate::health::event_log::EventLog;

/// Routers whose changes of ownership are logged each by itself; lines a minute about each, and about all.
const ROUTERS_LOGGED: usize = 512;
const OWNERSHIP_CHANGES: u32 = 4;
const OWNERSHIP_LINES: u32 = 100;

/// What the log takes.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) events: EventLog,
    ownership: Throttles<RouterId>,
}

impl Default for Log {
    fn default() -> Self {
        let each = Throttle::burst(OWNERSHIP_CHANGES, MINUTE);
        let ownership = Throttles::new(each, ROUTERS_LOGGED, OWNERSHIP_LINES);
        Self { events: EventLog::default(), ownership }
    }
}

impl Log {
    /// A router's addresses changed hands.
    pub(super) fn owned(&mut self, news: &Ownership, now: Instant) {
        let RouterId { name, family } = &news.router;
        if let Some(times) = self.ownership.take(news.router.clone(), now) {
            let left_out = (times > 1).then(|| times - 1);
            info!(router = %name, %family, state = word(news.state), left_out, "the router's addresses changed hands");
        }
    }
}

fn word(state: OwnershipState) -> &'static str {
    match state {
        OwnershipState::Active => "active",
        OwnershipState::Backup => "backup",
        OwnershipState::Releasing => "releasing",
    }
}
