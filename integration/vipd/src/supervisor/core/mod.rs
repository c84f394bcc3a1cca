//! Every decision of the supervisor. Pure: events and `now` in, effects out, in order.
//!
//! A `vrrpd` that dies or hangs is replaced while no peer can have taken over yet, and its successor
//! goes on as Active. If there is no time for that, the addresses are removed when the first peer may
//! take over: so they are neither missing nor on two nodes for long. It ends with the addresses handed
//! over, then the proxy, then the others: hooks are told of the end as well.

mod stop;
#[cfg(test)]
mod tests;
mod upgrade;

use std::process::ExitStatus;
use std::time::{Duration, Instant};

use process::messages::Tick;
use rustix::process::Signal;
use vocabulary::RouterId;

use self::stop::Stop;
use self::upgrade::Upgrade;
use super::abandoned::{self, AbandonedRouters, Resumption};
use super::channels::{self, Running};
use super::instance::{Ending, Exit, Instance};
use super::notice::Notice;
use super::program::{Program, Wanted};
use super::slot::{Outcome, Slot};

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Time has passed, and every tick that came meanwhile has been told.
    Time,
    /// A configuration has work for these.
    Wanted(Wanted),
    /// What [`Effect::Start`] asked for runs.
    Started { program: Program, pid: i32 },
    /// The system gave no process, in words.
    NotStarted { program: Program, error: String },
    /// A process is ours from before an upgrade.
    Adopted { program: Program, pid: i32, retired: bool },
    /// A process ticked.
    Ticked { pid: i32, tick: Tick },
    /// It closed its control socket, for it is dying; or it said that it retires.
    Closed { pid: i32 },
    /// It ended.
    Exited { pid: i32, status: ExitStatus },
    /// Whether processes are there that a dead runner had started.
    Orphans { left: bool },
    /// This is another binary than the one which started what runs.
    Upgraded,
    /// Told to end.
    Stop,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Start a program, and tell [`Event::Started`] or [`Event::NotStarted`].
    Start { program: Program, role: Role },
    /// Send a signal.
    Signal { pid: i32, signal: Signal },
    /// Remove what these routers have in the kernel.
    Release(Vec<RouterId>),
    /// Remove what any router has there.
    ReleaseAll,
    /// Kill what a dead runner had started, and tell [`Event::Orphans`].
    KillOrphans,
    /// Log it.
    Say(Notice),
    /// Everything has ended; whether in order.
    Exit { clean: bool },
    /// End at once, whatever runs.
    ExitAtOnce,
}

/// As what a program starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// As the only one, that goes on with these routers, each for so many milliseconds.
    Alone { resume: Vec<(RouterId, u64)> },
    /// To take over from the one that runs.
    Successor,
}

/// The supervisor's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Core {
    slots: [Slot; 4],
    /// Each an `lbproxy` of before an upgrade; they end with their last connections.
    retired: Vec<Instance>,
    abandoned: AbandonedRouters,
    wanted: Wanted,
    /// What a dead runner had started is still there: no other starts before that is gone.
    orphans_left: bool,
    upgrade: Option<Upgrade>,
    stop: Option<Stop>,
}

impl Core {
    /// Nothing runs, and nothing shall.
    pub(super) fn new() -> Self {
        Self {
            slots: Program::ALL.map(Slot::new),
            retired: Vec::new(),
            abandoned: AbandonedRouters::default(),
            wanted: Wanted::default(),
            orphans_left: false,
            upgrade: None,
            stop: None,
        }
    }

    /// Takes what happened; returns what to do, in order.
    #[must_use]
    pub(super) fn handle(&mut self, event: Event, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Time => self.expire(now, &mut effects),
            Event::Wanted(wanted) => self.want(wanted, now, &mut effects),
            Event::Started { program, pid } => {
                self.slot(program).started(pid, now);
                self.successor_started(program);
            }
            Event::NotStarted { program, error } => {
                self.not_started(program, error, now, &mut effects);
            }
            Event::Adopted { pid, retired: true, .. } => self.retired.push(Instance::new(pid, now)),
            Event::Adopted { program, pid, retired: false } => self.slot(program).started(pid, now),
            Event::Ticked { pid, tick } => self.ticked(pid, &tick, now),
            Event::Closed { pid } => {
                self.retired.extend(self.slots.iter_mut().filter_map(|slot| slot.closed(pid)));
            }
            Event::Exited { pid, status } => self.exited(pid, status, now, &mut effects),
            Event::Orphans { left } => self.orphans_left = left,
            Event::Upgraded => self.begin_upgrade(&mut effects),
            Event::Stop => self.begin_stop(&mut effects),
        }
        self.go_on_stopping(now, &mut effects);
        self.go_on_upgrading(now, &mut effects);
        self.start_what_is_due(now, &mut effects);
        effects
    }

    /// When [`Event::Time`] has work to do next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let waits =
            |slot: &&Slot| self.orphans_left && slot.program == Program::Runner && slot.is_empty();
        let slots = self.slots.iter().filter(|slot| !waits(slot)).filter_map(Slot::deadline);
        let retired = self.retired.iter().filter(|one| one.ending != Ending::None);
        let retired = retired.filter_map(Instance::deadline);
        slots.chain(retired).chain(self.abandoned.deadline()).min()
    }

    /// Whether an upgrade is under way.
    pub(super) fn is_upgrading(&self) -> bool {
        self.upgrade.is_some()
    }

    /// Whether it is ending.
    pub(super) fn is_stopping(&self) -> bool {
        self.stop.is_some()
    }

    /// The processes that run, but for those that have retired.
    pub(super) fn running(&self) -> impl Iterator<Item = (Program, i32)> {
        let of = |slot: &Slot| {
            let program = slot.program;
            slot.instances().map(move |one| (program, one.pid)).collect::<Vec<_>>()
        };
        self.slots.iter().flat_map(of)
    }

    /// Every process, and as what it runs.
    pub(super) fn talking(&self) -> Vec<Running> {
        let retired = self.retired().map(|pid| Running {
            program: Program::Lbproxy,
            pid,
            role: channels::Role::Retired,
        });
        self.slots.iter().flat_map(Slot::talking).chain(retired).collect()
    }

    /// Those that have retired.
    pub(super) fn retired(&self) -> impl Iterator<Item = i32> {
        self.retired.iter().map(|one| one.pid)
    }

    fn slot(&mut self, program: Program) -> &mut Slot {
        // In the order of `Program::ALL`.
        let [vrrpd, lbproxy, runner, console] = &mut self.slots;
        match program {
            Program::Vrrpd => vrrpd,
            Program::Lbproxy => lbproxy,
            Program::Runner => runner,
            Program::Console => console,
        }
    }

    fn want(&mut self, wanted: Wanted, now: Instant, effects: &mut Vec<Effect>) {
        // Who ends is waited for as long as the configuration said that it ran with.
        let relief = std::mem::replace(&mut self.wanted, wanted).relief.max(wanted.relief);
        for program in Program::ALL {
            if wanted.wants(program) {
                self.slot(program).want(now);
            } else {
                let limit = self.end_limit(program, relief);
                signal(self.slot(program).unwant(limit, now), effects);
            }
        }
    }

    fn end_limit(&self, program: Program, relief: Duration) -> Duration {
        match program {
            Program::Vrrpd => program.end_limit() + relief,
            Program::Lbproxy | Program::Runner | Program::Console => program.end_limit(),
        }
    }

    fn ticked(&mut self, pid: i32, tick: &Tick, now: Instant) {
        self.slots.iter_mut().for_each(|slot| slot.ticked(pid, tick.clone(), now));
        self.abandoned.resumed(tick);
    }

    /// Whoever hangs, or does not end in time, is killed. What a hung `vrrpd` has does not wait for its
    /// end where a peer may have taken over by now: the kernel has yet to close its sockets, some 25 ms.
    fn expire(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        for slot in &mut self.slots {
            let killed = slot.expire(now);
            let hung = slot.instances().filter(|one| one.ending == Ending::Hung);
            let hung = hung.filter(|one| killed.iter().any(|(pid, _)| *pid == one.pid));
            let late = hung.flat_map(abandoned::of).filter(|one| now >= one.until);
            let late: Vec<RouterId> = late.map(|one| one.router).collect();
            signal(killed, effects);
            release(late, effects);
        }
        let retired = self.retired.iter_mut().filter(|one| one.ending != Ending::None);
        let killed = retired.filter_map(|one| one.expire(now).map(|signal| (one.pid, signal)));
        signal(killed.collect(), effects);
        release(self.abandoned.expired(now), effects);
    }

    fn not_started(
        &mut self,
        program: Program,
        error: String,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let notice = match self.slot(program).not_started(now) {
            Some(pause) => Notice::NotStarted { program, error, pause },
            None => {
                self.upgrade = None;
                Notice::NoSuccessor { program, error }
            }
        };
        effects.push(Effect::Say(notice));
    }

    fn exited(&mut self, pid: i32, status: ExitStatus, now: Instant, effects: &mut Vec<Effect>) {
        if let Some(place) = self.retired.iter().position(|one| one.pid == pid) {
            let ending = self.retired.swap_remove(place).ending;
            return effects
                .push(Effect::Say(Notice::RetiredEnded { exit: Exit { status, ending } }));
        }
        let found = self.slots.iter_mut().find_map(|slot| {
            slot.exited(pid, now).map(|(instance, outcome)| (slot.program, instance, outcome))
        });
        let Some((program, instance, outcome)) = found else { return };
        let exit = Exit { status, ending: instance.ending };
        self.say_ended(program, exit, &outcome, effects);
        if program == Program::Vrrpd {
            self.vrrpd_exited(&instance, exit, &outcome, effects);
        }
        if program == Program::Runner {
            effects.push(Effect::KillOrphans);
        }
        if let Some(stop) = &mut self.stop {
            stop.exited(program, exit);
        }
    }

    fn vrrpd_exited(
        &mut self,
        instance: &Instance,
        exit: Exit,
        outcome: &Outcome,
        effects: &mut Vec<Effect>,
    ) {
        match outcome {
            Outcome::Ended if exit.is_clean() => {}
            // Nobody will go on with them.
            Outcome::Ended => effects.push(Effect::ReleaseAll),
            Outcome::Replaced
            | Outcome::Died { .. }
            | Outcome::SuccessorDied
            | Outcome::PredecessorDied => self.abandoned.left_by(instance),
        }
    }

    fn say_ended(
        &mut self,
        program: Program,
        exit: Exit,
        outcome: &Outcome,
        effects: &mut Vec<Effect>,
    ) {
        let notice = match outcome {
            Outcome::Ended if exit.is_clean() => return,
            Outcome::Ended => Notice::NotInOrder { program, exit },
            Outcome::Replaced => Notice::Replaced { program },
            Outcome::Died { pause } => Notice::Died { program, exit, pause: *pause },
            Outcome::SuccessorDied => {
                // The new programs are not to be trusted.
                self.upgrade = None;
                Notice::SuccessorDied { program, exit }
            }
            Outcome::PredecessorDied => Notice::PredecessorDied { exit },
        };
        effects.push(Effect::Say(notice));
    }

    fn start_what_is_due(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let orphans_left = self.orphans_left || effects.contains(&Effect::KillOrphans);
        for slot in self.slots.iter_mut().filter(|slot| slot.is_due(now)) {
            let program = slot.program;
            if program == Program::Runner && orphans_left {
                continue;
            }
            slot.starting();
            let Resumption { in_time: resume, late } = match program {
                Program::Vrrpd => self.abandoned.resumption(now),
                Program::Lbproxy | Program::Runner | Program::Console => Resumption::default(),
            };
            effects.extend(late.into_iter().map(|router| Effect::Say(Notice::TooLate { router })));
            effects.push(Effect::Start { program, role: Role::Alone { resume } });
        }
    }
}

fn signal(signals: Vec<(i32, Signal)>, effects: &mut Vec<Effect>) {
    effects.extend(signals.into_iter().map(|(pid, signal)| Effect::Signal { pid, signal }));
}

fn release(routers: Vec<RouterId>, effects: &mut Vec<Effect>) {
    if !routers.is_empty() {
        effects.push(Effect::Release(routers));
    }
}
