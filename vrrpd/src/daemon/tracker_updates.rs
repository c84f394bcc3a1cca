//! What is told of the things that routers track.

use config::TrackerKind;
use tracing::{info, warn};
use vocabulary::{Name, TrackerHealth};

use super::Daemon;
use crate::channels::Source;
use crate::clock::now;
use crate::occurrence::Occurrence;
use crate::trackers::Found;

impl Daemon {
    /// Whether there is a tracker of this name of which `source` may speak.
    pub(super) fn is_configured(&self, source: Source, tracker: &Name) -> bool {
        match source {
            Source::Proxy => self.config.proxies.iter().any(|proxy| proxy.name == *tracker),
            Source::Runner => self.config.trackers.iter().any(|config| {
                config.name == *tracker && matches!(config.kind, TrackerKind::Script(_))
            }),
        }
    }

    /// Somebody tells how something tracked is.
    pub(super) fn told(&mut self, health: TrackerHealth) {
        self.grace.told(&health.tracker);
        if self.tracking.told(health.clone()) {
            let TrackerHealth { tracker, usable, total, state, reason } = &health;
            let reason = reason.as_deref();
            if let Some(times) = self.log.take(tracker.clone(), now()) {
                let left_out = (times > 1).then(|| times - 1);
                info!(%tracker, %state, usable, total, reason, left_out, "tracked health changed");
            }
            self.occurrences.tell(|| Occurrence::Health(health));
        }
    }

    /// Nobody tells how it is any more.
    pub(super) fn lost(&mut self, tracker: &Name) {
        self.tracking.lost(tracker);
        if let Some(health) = self.tracking.health(tracker) {
            self.occurrences.tell(|| Occurrence::Health(health.clone()));
        }
    }

    /// A tracker of our own found something out.
    pub(super) fn found(&mut self, found: Found) {
        match found {
            Found::Health(health) => self.told(health),
            Found::Number(tracker, number) => {
                self.grace.told(&tracker);
                if self.tracking.told_number(&tracker, number)
                    && let Some(times) = self.log.take(tracker.clone(), now())
                {
                    let left_out = (times > 1).then(|| times - 1);
                    info!(%tracker, number, left_out, "tracked number changed");
                }
            }
        }
    }

    /// Whoever has not told anything by now is not there.
    pub(super) fn end_health_grace(&mut self) {
        for tracker in self.grace.end() {
            warn!(%tracker, "no health was reported in time: it counts as unusable");
            self.lost(&tracker);
        }
    }
}
