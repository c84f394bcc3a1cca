//! A program's place: whether it runs, and when it is started again.

use std::time::{Duration, Instant};

use tracing::error;

use super::Options;
use super::backoff::Backoff;
use super::child::{Child, Death, Event, Program, Start};
use crate::clock::now;

/// The least time before another try when the system gives no process.
const NO_PROCESS: Duration = Duration::from_millis(100);

/// A place for a program.
#[derive(Debug)]
pub(super) struct Slot {
    program: Program,
    /// The program, while it runs.
    pub(super) child: Option<Child>,
    backoff: Backoff,
    /// When to start it; none while it runs or is not wanted.
    pub(super) start_at: Option<Instant>,
}

impl Slot {
    /// A place without a program.
    pub(super) fn new(program: Program) -> Self {
        Self { program, child: None, backoff: Backoff::default(), start_at: None }
    }

    /// Whether it is time to start the program.
    pub(super) fn is_due(&self) -> bool {
        self.start_at.is_some_and(|at| now() >= at)
    }

    /// Wants the program to run, if it does not.
    pub(super) fn want(&mut self, at: Instant) {
        if self.child.is_none() && self.start_at.is_none() {
            self.start_at = Some(at);
        }
    }

    /// Starts the program, or says when it is tried again.
    pub(super) fn start(&mut self, options: &Options, arguments: &[String]) {
        let start = Start {
            program: self.program,
            config: &options.config,
            runtime_dir: &options.runtime_dir,
            arguments,
        };
        self.start_at = None;
        match Child::start(start) {
            Ok(child) => self.child = Some(child),
            Err(error) => {
                let moment = now();
                let pause = self.backoff.pause(moment, moment).max(NO_PROCESS);
                error!(program = %self.program, %error, "cannot start a program; trying again in {pause:?}");
                self.start_at = Some(moment + pause);
            }
        }
    }

    /// Waits for the child's death; for ever without a child. Cancel-safe.
    pub(super) async fn death(&mut self) -> Death {
        match &mut self.child {
            Some(child) => child.death().await,
            None => std::future::pending().await,
        }
    }

    /// Waits until the child hangs or dies; for ever without a child. Cancel-safe.
    pub(super) async fn event(&mut self) -> Event {
        match &mut self.child {
            Some(child) => child.event().await,
            None => std::future::pending().await,
        }
    }

    /// Takes the dead child away and plans its successor.
    pub(super) fn bury(&mut self, death: Death) -> Option<Child> {
        let child = self.child.take()?;
        let moment = now();
        let pause = self.backoff.pause(child.started(), moment);
        let when = match pause {
            Duration::ZERO => "at once".to_owned(),
            pause => format!("in {pause:?}"),
        };
        error!(program = %self.program, %death, "a program died; it is started again {when}");
        self.start_at = Some(moment + pause);
        Some(child)
    }
}
