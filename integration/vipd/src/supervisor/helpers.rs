//! The programs that no address depends on: the runner of hooks and scripts, and the console.

use std::time::{Duration, Instant};

use config::{Config, TrackerConfig, TrackerKind};
use rustix::process::Signal;

use super::Options;
use super::child::{Death, Program};
use super::slot::Slot;
use super::strays::Strays;
use crate::runner::FAREWELL;

/// What a helper may take to end.
const END: Duration = Duration::from_secs(1);

/// Their places.
#[derive(Debug)]
pub(super) struct Helpers {
    pub(super) runner: Slot,
    pub(super) console: Slot,
    /// What an earlier runner left at work: no other starts before that is gone.
    strays: Strays,
}

impl Helpers {
    pub(super) fn new() -> Self {
        let (runner, console) = (Slot::new(Program::Runner), Slot::new(Program::Console));
        Self { runner, console, strays: Strays::default() }
    }

    /// Waits until one dies, and plans its successor. Cancel-safe.
    pub(super) async fn death(&mut self) {
        let Self { runner, console, strays } = self;
        let (slot, death): (&mut Slot, Death) = tokio::select! {
            death = runner.death() => {
                strays.kill();
                (runner, death)
            }
            death = console.death() => (console, death),
        };
        slot.bury(death);
    }

    /// When the next is to be started. Whoever waits for strays is woken by their end.
    pub(super) fn start_at(&mut self) -> Option<Instant> {
        let runner = self.runner.start_at.filter(|_| self.strays.are_gone());
        [runner, self.console.start_at].into_iter().flatten().min()
    }

    /// Wants those that the configuration has work for.
    pub(super) fn want(&mut self, config: &Config, at: Instant) {
        if wants_runner(config) {
            self.runner.want(at);
        }
        self.console.want(at);
    }

    pub(super) fn start_what_is_due(&mut self, options: &Options) {
        if self.runner.is_due() && self.strays.are_gone() {
            self.runner.start(options, &[]);
        }
        if self.console.is_due() {
            self.console.start(options, &[]);
        }
    }

    /// Has them read the configuration again.
    pub(super) fn reload(&self) {
        let children = [&self.runner.child, &self.console.child].into_iter().flatten();
        children.for_each(|child| child.signal(Signal::HUP));
    }

    /// Ends those that the configuration has no work for.
    pub(super) async fn end_unwanted(&mut self, config: &Config) {
        if !wants_runner(config) {
            self.end_runner().await;
        }
    }

    /// Ends them all. A node whose helpers fail has handed its addresses over all the same.
    pub(super) async fn end(&mut self) {
        end(&mut self.console, END).await;
        self.end_runner().await;
    }

    async fn end_runner(&mut self) {
        end(&mut self.runner, END + FAREWELL).await;
        // Had it to be killed, it could not end what it ran.
        self.strays.kill();
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
