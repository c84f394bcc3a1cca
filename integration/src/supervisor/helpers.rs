//! The programs that no address depends on: the runner of hooks and scripts, and the exporter of metrics.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use shared::config::{Config, TrackerConfig, TrackerKind};

use super::Options;
use super::child::{Death, Program};
use super::slot::Slot;
use crate::runner::FAREWELL;

/// What a helper may take to end.
const END: Duration = Duration::from_secs(1);

/// Their places.
#[derive(Debug)]
pub(super) struct Helpers {
    pub(super) runner: Slot,
    pub(super) exporter: Slot,
}

impl Helpers {
    pub(super) fn new() -> Self {
        Self { runner: Slot::new(Program::Runner), exporter: Slot::new(Program::Exporter) }
    }

    /// Waits until one dies, and plans its successor. Cancel-safe.
    pub(super) async fn death(&mut self) {
        let Self { runner, exporter } = self;
        let (slot, death): (&mut Slot, Death) = tokio::select! {
            death = runner.death() => (runner, death),
            death = exporter.death() => (exporter, death),
        };
        slot.bury(death);
    }

    /// When the next is to be started.
    pub(super) fn start_at(&self) -> Option<Instant> {
        [self.runner.start_at, self.exporter.start_at].into_iter().flatten().min()
    }

    /// Wants those that the configuration has work for.
    pub(super) fn want(&mut self, config: &Config, at: Instant) {
        if wants_runner(config) {
            self.runner.want(at);
        }
        if config.metrics.is_some() {
            self.exporter.want(at);
        }
    }

    pub(super) fn start_what_is_due(&mut self, options: &Options) {
        for slot in [&mut self.runner, &mut self.exporter] {
            if slot.is_due() {
                slot.start(options, &[]);
            }
        }
    }

    /// Has them read the configuration again.
    pub(super) fn reload(&self) {
        let children = [&self.runner.child, &self.exporter.child].into_iter().flatten();
        children.for_each(|child| child.signal(Signal::HUP));
    }

    /// Ends those that the configuration has no work for.
    pub(super) async fn end_unwanted(&mut self, config: &Config) {
        if !wants_runner(config) {
            end(&mut self.runner, END + FAREWELL).await;
        }
        if config.metrics.is_none() {
            end(&mut self.exporter, END).await;
        }
    }

    /// Ends them all. A node whose helpers fail has handed its addresses over all the same.
    pub(super) async fn end(&mut self) {
        end(&mut self.exporter, END).await;
        end(&mut self.runner, END + FAREWELL).await;
    }
}

async fn end(slot: &mut Slot, limit: Duration) {
    slot.start_at = None;
    if let Some(mut child) = slot.child.take() {
        child.end(limit).await;
    }
}

/// Whether there is a router, and a program to be run for it.
fn wants_runner(config: &Config) -> bool {
    let script = |tracker: &TrackerConfig| matches!(tracker.kind, TrackerKind::Script(_));
    let has_scripts = config.trackers.iter().any(script);
    !config.routers.is_empty() && (has_scripts || !config.notify.is_empty())
}
