//! A program's place: whether it runs, and when it is started again.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use tracing::{error, info};

use super::Options;
use super::backoff::Backoff;
use super::child::{Child, Death, Event, Program, Start};
use crate::clock::now;

/// Tells `lbproxy` to take over from the one that runs.
const TAKE_OVER: &str = "--take-over";

/// The least time before another try when the system gives no process.
const NO_PROCESS: Duration = Duration::from_millis(100);

/// Which of the two something became of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Family {
    Child(Death),
    Elder(Event),
}

/// A place for a program.
#[derive(Debug)]
pub(super) struct Slot {
    program: Program,
    /// The program, while it runs.
    pub(super) child: Option<Child>,
    /// One of before an upgrade, which serves until its successor does.
    pub(super) elder: Option<Child>,
    /// The child was killed for a successor.
    replaced: bool,
    backoff: Backoff,
    /// When to start it; none while it runs or is not wanted.
    pub(super) start_at: Option<Instant>,
}

impl Slot {
    /// A place without a program.
    pub(super) fn new(program: Program) -> Self {
        let (child, elder, replaced) = (None, None, false);
        Self { program, child, elder, replaced, backoff: Backoff::default(), start_at: None }
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
        death(self.child.as_mut()).await
    }

    /// Waits until the child hangs or dies; for ever without a child. Cancel-safe.
    pub(super) async fn event(&mut self) -> Event {
        event(self.child.as_mut()).await
    }

    /// Waits until something becomes of the elder; for ever without one. Cancel-safe.
    pub(super) async fn death_or_elder(&mut self) -> Family {
        tokio::select! {
            biased;
            event = event(self.elder.as_mut()) => Family::Elder(event),
            death = death(self.child.as_mut()) => Family::Child(death),
        }
    }

    /// Whether it is known what the child does, or there is none.
    pub(super) fn is_known(&self) -> bool {
        self.child.as_ref().is_none_or(|child| child.watchdog().is_fed())
    }

    /// Starts a successor that takes over from the child, which is the elder from now on.
    pub(super) fn succeed(&mut self, options: &Options) {
        let elder = self.child.take();
        self.start(options, &[TAKE_OVER.to_owned()]);
        if self.child.is_some() {
            self.elder = elder;
        } else {
            (self.child, self.start_at) = (elder, None);
        }
    }

    /// Kills the child, which knows how to go on, for its successor.
    pub(super) fn replace(&mut self) {
        self.replaced = true;
        self.child.iter().for_each(|child| child.signal(Signal::KILL));
    }

    /// Takes the dead child away and plans its successor. Where its elder still serves, that goes on.
    pub(super) fn bury(&mut self, death: Death) -> Option<Child> {
        let child = self.child.take()?;
        let moment = now();
        if let Some(elder) = self.elder.take() {
            error!(program = %self.program, %death, "the new program died before it served; the old one goes on");
            self.child = Some(elder);
            return Some(child);
        }
        if std::mem::take(&mut self.replaced) {
            info!(program = %self.program, "ended for its successor");
            self.start_at = Some(moment);
            return Some(child);
        }
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

async fn death(child: Option<&mut Child>) -> Death {
    match child {
        Some(child) => child.death().await,
        None => std::future::pending().await,
    }
}

async fn event(child: Option<&mut Child>) -> Event {
    match child {
        Some(child) => child.event().await,
        None => std::future::pending().await,
    }
}
