//! The answer to whoever asks for the status.

use std::time::Duration;

use tokio::sync::oneshot;

use super::Daemon;
use crate::clock::now;
use crate::status::Status;

impl Daemon {
    /// The status is put together beside the daemon's other work.
    pub(super) fn answer(&self, answer: oneshot::Sender<Status>) {
        let driver = self.routers.driver().clone();
        let tracking = self.tracking.clone();
        let paused = self.pause.is_on();
        let routers = self.config.routers.clone();
        let moment = now();
        let mut rivals: Vec<_> =
            routers.iter().map(|router| self.rivals.status(router, moment)).collect();
        let managed = self.routers.managed();
        let uptime = moment.duration_since(self.started);
        tokio::spawn(async move {
            let Some(mut report) = driver.report().await else { return };
            for status in &mut report.routers {
                let position = routers.iter().position(|config| config.id == status.id);
                let config = position.map(|position| &routers[position]);
                status.rivals =
                    position.map(|p| std::mem::take(&mut rivals[p])).unwrap_or_default();
                let managed = managed.get(&status.id).copied().unwrap_or_default();
                status.deletions = managed.deletions;
                let left = managed.lease_ends.map(|end| end.saturating_duration_since(moment));
                status.lease_left_ms = left.map(millis);
                let tracked = config.iter().flat_map(|config| &config.track);
                status.trackers =
                    tracked.filter_map(|t| tracking.health(&t.name).cloned()).collect();
            }
            let status = Status {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                pid: std::process::id(),
                uptime_ms: millis(uptime),
                paused,
                routers: report.routers,
                discarded: report.discarded,
                rejected: report.rejected,
            };
            // Whoever asked may have left.
            answer.send(status).ok();
        });
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
