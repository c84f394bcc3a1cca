//! A program's place: whether it runs, who takes over from whom, and when it is started again. Pure.

use std::time::{Duration, Instant};

use process::messages::Tick;
use rustix::process::Signal;

use super::backoff::Backoff;
use super::channels::{Role, Running};
use super::instance::{Ending, Instance};
use super::program::Program;

/// The least time before another try when the system gives no process.
const NO_PROCESS: Duration = Duration::from_millis(100);

/// Whether the program runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SlotState {
    /// It does not, and shall not.
    Idle,
    /// It is to be started then.
    Due(Instant),
    /// It is being started.
    Starting,
    Running(Instance),
    /// Both run: `old` serves until `new` does.
    Handing {
        old: Instance,
        new: Instance,
    },
}

/// A place for a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) program: Program,
    pub(super) state: SlotState,
    wanted: bool,
    backoff: Backoff,
}

/// What the end of a process means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nobody wanted it any more.
    Ended,
    /// It ended for its successor, which is due at once.
    Replaced,
    /// It died; it is started again after the pause.
    Died { pause: Duration },
    /// The successor died before it served: the old one goes on.
    SuccessorDied,
    /// The old one died before its successor served.
    PredecessorDied,
}

impl Slot {
    /// A place without a program.
    pub(super) fn new(program: Program) -> Self {
        let (state, wanted, backoff) = (SlotState::Idle, false, Backoff::default());
        Self { program, state, wanted, backoff }
    }

    /// Wants the program to run.
    pub(super) fn want(&mut self, now: Instant) {
        self.wanted = true;
        if self.state == SlotState::Idle {
            self.state = SlotState::Due(now);
        }
    }

    /// Wants the program no more: what runs is told to end within `limit`.
    pub(super) fn unwant(&mut self, limit: Duration, now: Instant) -> Vec<(i32, Signal)> {
        self.start_no_more();
        self.each(|instance| instance.terminate(limit, now))
    }

    /// What does not run is not started any more.
    pub(super) fn start_no_more(&mut self) {
        self.wanted = false;
        if let SlotState::Due(_) = self.state {
            self.state = SlotState::Idle;
        }
    }

    /// Has what runs end within `limit`, and start again.
    pub(super) fn restart(&mut self, limit: Duration, now: Instant) -> Vec<(i32, Signal)> {
        self.each(|instance| instance.terminate(limit, now))
    }

    /// Kills what runs, which knows how to go on, for its successor.
    pub(super) fn replace(&mut self) -> Vec<(i32, Signal)> {
        self.each(Instance::replace)
    }

    /// Kills what hangs or does not end.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<(i32, Signal)> {
        self.each(|instance| instance.expire(now))
    }

    /// Whether it is time to start the program.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        matches!(self.state, SlotState::Due(at) if now >= at)
    }

    /// Somebody is about to start it.
    pub(super) fn starting(&mut self) {
        self.state = SlotState::Starting;
    }

    /// Whether nothing of it runs.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self.state, SlotState::Idle | SlotState::Due(_))
    }

    /// Whether it is known what the program does, or it does not run.
    pub(super) fn is_known(&self) -> bool {
        self.instances().all(Instance::is_seen)
    }

    /// Whether nothing of it is being ended.
    pub(super) fn is_settled(&self) -> bool {
        self.instances().all(|instance| instance.ending == Ending::None)
    }

    /// A process was started: the program, or a successor where it runs already.
    pub(super) fn started(&mut self, pid: i32, now: Instant) {
        let new = Instance::new(pid, now);
        self.state = match std::mem::replace(&mut self.state, SlotState::Idle) {
            SlotState::Idle | SlotState::Due(_) | SlotState::Starting => SlotState::Running(new),
            SlotState::Running(old) | SlotState::Handing { old, .. } => {
                SlotState::Handing { old, new }
            }
        };
    }

    /// The system gave no process; returns the time until another try, if there is to be one.
    pub(super) fn not_started(&mut self, now: Instant) -> Option<Duration> {
        if self.state != SlotState::Starting {
            return None;
        }
        let pause = self.backoff.pause(now, now).max(NO_PROCESS);
        self.state = SlotState::Due(now + pause);
        Some(pause)
    }

    /// A process ticked.
    pub(super) fn ticked(&mut self, pid: i32, tick: Tick, now: Instant) {
        if let Some(instance) = self.instances_mut().find(|instance| instance.pid == pid) {
            instance.ticked(tick, now);
        }
    }

    /// The processes, and as what they run.
    pub(super) fn talking(&self) -> Vec<Running> {
        let running = |one: &Instance, role| Running { program: self.program, pid: one.pid, role };
        match &self.state {
            SlotState::Idle | SlotState::Due(_) | SlotState::Starting => Vec::new(),
            SlotState::Running(one) => vec![running(one, Role::Serving)],
            SlotState::Handing { old, new } => {
                vec![running(old, Role::Serving), running(new, Role::Successor)]
            }
        }
    }

    /// A process closed its watchdog. The old one of two has retired: it is returned.
    pub(super) fn closed(&mut self, pid: i32) -> Option<Instance> {
        self.instances_mut().filter(|instance| instance.pid == pid).for_each(Instance::closed);
        match std::mem::replace(&mut self.state, SlotState::Idle) {
            SlotState::Handing { old, new } if old.pid == pid => {
                self.state = SlotState::Running(new);
                Some(old)
            }
            state @ (SlotState::Idle
            | SlotState::Due(_)
            | SlotState::Starting
            | SlotState::Running(_)
            | SlotState::Handing { .. }) => {
                self.state = state;
                None
            }
        }
    }

    /// A process ended; returns it, and what that means. None of another program.
    pub(super) fn exited(&mut self, pid: i32, now: Instant) -> Option<(Instance, Outcome)> {
        match std::mem::replace(&mut self.state, SlotState::Idle) {
            SlotState::Running(instance) if instance.pid == pid => {
                let outcome = self.plan_next(&instance, now);
                Some((instance, outcome))
            }
            SlotState::Handing { old, new } if new.pid == pid => {
                self.state = SlotState::Running(old);
                Some((new, if self.wanted { Outcome::SuccessorDied } else { Outcome::Ended }))
            }
            SlotState::Handing { old, new } if old.pid == pid => {
                self.state = SlotState::Running(new);
                Some((old, if self.wanted { Outcome::PredecessorDied } else { Outcome::Ended }))
            }
            state @ (SlotState::Idle
            | SlotState::Due(_)
            | SlotState::Starting
            | SlotState::Running(_)
            | SlotState::Handing { .. }) => {
                self.state = state;
                None
            }
        }
    }

    fn plan_next(&mut self, instance: &Instance, now: Instant) -> Outcome {
        if !self.wanted {
            return Outcome::Ended;
        }
        if let Ending::Replaced | Ending::Terminated { .. } | Ending::TooSlow = instance.ending {
            self.state = SlotState::Due(now);
            return Outcome::Replaced;
        }
        let pause = self.backoff.pause(instance.started, now);
        self.state = SlotState::Due(now + pause);
        Outcome::Died { pause }
    }

    /// When [`expire`](Self::expire) or a start has work to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let start = match self.state {
            SlotState::Due(at) => Some(at),
            SlotState::Idle
            | SlotState::Starting
            | SlotState::Running(_)
            | SlotState::Handing { .. } => None,
        };
        start.into_iter().chain(self.instances().filter_map(Instance::deadline)).min()
    }

    /// What runs, the one that serves first.
    pub(super) fn instances(&self) -> impl Iterator<Item = &Instance> {
        let (one, other) = match &self.state {
            SlotState::Idle | SlotState::Due(_) | SlotState::Starting => (None, None),
            SlotState::Running(instance) => (Some(instance), None),
            SlotState::Handing { old, new } => (Some(old), Some(new)),
        };
        one.into_iter().chain(other)
    }

    fn instances_mut(&mut self) -> impl Iterator<Item = &mut Instance> {
        let (one, other) = match &mut self.state {
            SlotState::Idle | SlotState::Due(_) | SlotState::Starting => (None, None),
            SlotState::Running(instance) => (Some(instance), None),
            SlotState::Handing { old, new } => (Some(old), Some(new)),
        };
        one.into_iter().chain(other)
    }

    fn each(
        &mut self,
        mut step: impl FnMut(&mut Instance) -> Option<Signal>,
    ) -> Vec<(i32, Signal)> {
        self.instances_mut().filter_map(|one| step(one).map(|signal| (one.pid, signal))).collect()
    }
}
