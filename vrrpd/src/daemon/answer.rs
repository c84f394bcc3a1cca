//! The answer to whoever asks for the status: put together here, and nowhere else.

use std::time::{Duration, Instant};

use config::{Preempt, RouterConfig};
use process::messages::HookFailure;
use tokio::sync::oneshot;
use vocabulary::TrackerHealth;

use super::{Daemon, others};
use crate::clock::now;
use crate::driver::RouterReport;
use crate::reconciler::Managed;
use crate::status::{ConflictStatus, HookStatus, RefusedRoute, RouterStatus, StaleStatus, Status};
use vrrp::reconciler::StaleAddress;
use vrrp::tracking::Tracking;

impl Daemon {
    /// The status is put together beside the daemon's other work.
    pub(super) fn answer(&self, answer: oneshot::Sender<Status>) {
        let driver = self.routers.driver().clone();
        let tracking = self.tracking.clone();
        let paused = self.pause.is_on();
        let routers = self.config.routers.clone();
        let configs = routers.clone();
        let moment = now();
        let mut conflicts: Vec<_> =
            routers.iter().map(|router| self.conflicts.status(router, moment)).collect();
        let managed = self.routers.managed();
        let failing_hooks = self.failing_hooks.clone();
        let uptime = moment.duration_since(self.started);
        let interfaces = self.links.interfaces.borrow();
        let absent = routers.iter().filter_map(|router| interfaces.absence(&router.interface));
        let mut absent: Vec<String> = absent.collect();
        absent.dedup();
        drop(interfaces);
        tokio::spawn(async move {
            let Some(report) = driver.report().await else { return };
            let routers = report.routers.into_iter().map(|router| {
                // One that a reload took away tells until it has ended.
                let position = routers.iter().position(|config| config.id == router.config.id);
                let conflicts =
                    position.map(|p| std::mem::take(&mut conflicts[p])).unwrap_or_default();
                let config = position.map(|position| &routers[position]);
                let trackers = config.map(|config| trackers(config, &tracking)).unwrap_or_default();
                let managed = managed.get(&router.config.id).cloned().unwrap_or_default();
                let mut status = status(router, managed, trackers, conflicts, moment);
                let of_router = failing_hooks.iter().filter(|hook| hook.router == status.id);
                status.failing_hooks = of_router.map(hook).collect();
                status
            });
            let status = Status {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                pid: std::process::id(),
                uptime_ms: millis(uptime),
                paused,
                routers: routers.collect(),
                discarded: report.discarded,
                rejected: others::explained(report.rejected, &configs),
                absent,
            };
            // Whoever asked may have left.
            answer.send(status).ok();
        });
    }
}

fn trackers(config: &RouterConfig, tracking: &Tracking) -> Vec<TrackerHealth> {
    config.track.iter().filter_map(|tracked| tracking.health(&tracked.name).cloned()).collect()
}

/// One router's status, from all who know of it.
fn status(
    report: RouterReport,
    managed: Managed,
    trackers: Vec<TrackerHealth>,
    conflicts: Vec<ConflictStatus>,
    moment: Instant,
) -> RouterStatus {
    let config = &report.config;
    let left = managed.lease_ends.map(|end| end.saturating_duration_since(moment));
    RouterStatus {
        id: config.id.clone(),
        interface: config.interface.clone(),
        vrid: config.vrid,
        version: if config.is_version_2() { 2 } else { 3 },
        state: report.state,
        since_ms: report.since_ms,
        transitions: report.transitions,
        contests: report.contests,
        priority: config.priority,
        effective_priority: report.effective_priority,
        preempt_delay_ms: match config.preempt {
            Preempt::Never => None,
            Preempt::After(delay) => Some(millis(delay)),
        },
        advert_interval: config.advert_interval,
        source: report.source,
        addresses: config.managed.addresses.iter().map(|held| held.address).collect(),
        failing_hooks: Vec::new(),
        deletions: managed.deletions,
        refused_routes: managed.refused_routing.into_iter().map(refused).collect(),
        stale: managed.stale.into_iter().map(stale).collect(),
        timer_ms: report.timer_ms,
        lease_left_ms: left.map(millis),
        active: report.active,
        trackers,
        sent: report.sent,
        send_errors: report.send_errors,
        received: report.received,
        discarded: report.discarded,
        mismatch: report.mismatch,
        conflicts,
        history: report.history,
    }
}

fn stale(stale: StaleAddress) -> StaleStatus {
    let StaleAddress { net, interface, .. } = stale;
    StaleStatus { address: net.addr(), interface }
}

fn refused((route, error): (String, String)) -> RefusedRoute {
    RefusedRoute { route, error }
}

fn hook(failure: &HookFailure) -> HookStatus {
    let HookFailure { state, reason, tries, error, .. } = failure.clone();
    HookStatus { state, reason, tries, error }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
