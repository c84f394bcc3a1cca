//! Carries a reload out: reads, asks the programs, adopts, and says how it went.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use config::{Config, Files, Loaded, Problems, Snapshot};
use process::control::{self, Order, Verdict};
use sd_notify::NotifyState;
use tokio::sync::oneshot;
use tracing::{error, info, warn};

use super::child::Child;
use super::core;
use super::executor::{Supervisor, notify};
use super::files::FileWatch;
use super::program::{Program, Wanted};
use super::reload::{Effect, Event, Problem, What};
use super::requests::Outcome;
use crate::clock::now;
use crate::host;
use crate::trust::files::{Rule, Sources, look_at_files};
use crate::trust::programs::look_at_programs;
use rustix::process::Signal;

/// A configuration as programs get it.
#[derive(Clone, Debug)]
pub(super) struct Generation {
    pub(super) number: u64,
    pub(super) snapshot: Snapshot,
    pub(super) config: Config,
    pub(super) sources: Sources,
}

/// Who wants to know how a reload went.
#[derive(Debug)]
pub(super) enum Requester {
    /// SIGHUP: the log does.
    Signal,
    /// A file that a check names has changed: only a failure is news.
    Files,
    /// Whoever asked at the socket.
    Client(oneshot::Sender<Outcome>),
}

impl Generation {
    /// Reads the configuration at `path` and everything that it needs; `rule`: if others may write it.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(super) fn read(path: &Path, number: u64, rule: Rule) -> Result<(Self, Loaded), Problems> {
        let (snapshot, loaded) = Snapshot::read(path, &host::addresses())?;
        let sources = Sources::of(path, &loaded);
        let loaded = look_at_files(look_at_programs(loaded)?, &sources, rule)?;
        let config = loaded.config.clone();
        let snapshot = snapshot.with_files(Files::of(&config));
        Ok((Self { number, snapshot, config, sources }, loaded))
    }

    /// What a program is given: keys are for the one that shows them.
    pub(super) fn content_for(&self, program: Program) -> Vec<u8> {
        match program {
            Program::Lbproxy => self.snapshot.to_bytes(),
            Program::Vrrpd | Program::Runner | Program::Console => {
                self.snapshot.with_files(Files::default()).to_bytes()
            }
        }
    }
}

impl Supervisor {
    /// Somebody wants a reload. One that is under way may have read what has changed since: another
    /// follows it, one for all that ask meanwhile.
    pub(super) async fn request(&mut self, what: What, requester: Requester) {
        self.next_requesters.push(requester);
        self.decide_reload(Event::Request(what)).await;
    }

    /// Tells what happened to the coordinator, and does what it says.
    pub(super) async fn decide_reload(&mut self, event: Event) {
        let mut effects = self.reload.handle(event, now());
        while !effects.is_empty() {
            let mut more = Vec::new();
            for effect in effects {
                if let Some(event) = self.carry_out_reload(effect).await {
                    more.extend(self.reload.handle(event, now()));
                }
            }
            effects = more;
        }
    }

    async fn carry_out_reload(&mut self, effect: Effect) -> Option<Event> {
        match effect {
            Effect::Read(what) => return Some(self.read_candidate(what)),
            Effect::Prepare { program, generation } => {
                let candidate = self.candidate.as_ref()?;
                let content = control::sealed(&candidate.content_for(program));
                let sent = content.and_then(|content| {
                    self.order(program, Order::Prepare { generation }, Some(content.as_fd()))
                });
                let verdict = Verdict::Refused(format!("cannot be asked: {}", sent.err()?));
                return Some(Event::Answered { program, generation, verdict });
            }
            Effect::Commit { program, generation } => {
                // One that cannot be told does not say that it did: it is killed for that.
                self.order(program, Order::Commit { generation }, None).ok();
            }
            Effect::Abort { program, generation } => {
                // What it has prepared goes when it is asked about another one.
                self.order(program, Order::Abort { generation }, None).ok();
            }
            Effect::Adopt { generation } => self.adopt_candidate(generation).await,
            Effect::Kill(program) => {
                error!(%program, "killing the program: it does not take the new configuration over");
                let pids = self.core.running().filter(|(one, _)| *one == program);
                let children = pids.filter_map(|(_, pid)| self.children.get(&pid));
                children.for_each(|child| child.signal(Signal::KILL));
            }
            Effect::Taken => self.taken(),
            Effect::Refused(problems) => self.refused(&words(&problems), || {
                for Problem { program, words } in &problems {
                    error!(%program, reason = words.trim_end(), "cannot take the configuration over");
                }
            }),
        }
        None
    }

    fn order(
        &self,
        program: Program,
        order: Order,
        content: Option<std::os::fd::BorrowedFd<'_>>,
    ) -> io::Result<()> {
        let retired: Vec<i32> = self.core.retired().collect();
        let runs = |child: &&Child| child.program == program && !retired.contains(&child.id());
        let child = self.children.values().find(runs);
        child.ok_or(io::ErrorKind::NotFound)?.order(order, content)
    }

    fn read_candidate(&mut self, what: What) -> Event {
        self.requesters = std::mem::take(&mut self.next_requesters);
        let number = self.current.number + 1;
        let candidate = match what {
            What::All => match Generation::read(&self.options.config, number, Rule::Refuse) {
                Ok((candidate, loaded)) => {
                    info!(path = %self.options.config.display(), "reloading");
                    loaded.warnings.log();
                    candidate
                }
                Err(problems) => {
                    self.refused(&problems.to_string(), || problems.log());
                    return Event::NoCandidate;
                }
            },
            What::Files => {
                let files = Files::of(&self.current.config);
                if files == *self.current.snapshot.files() {
                    self.requesters.clear();
                    return Event::NoCandidate;
                }
                let snapshot = self.current.snapshot.with_files(files);
                Generation { number, snapshot, ..self.current.clone() }
            }
        };
        let wanted = Wanted::by(&candidate.config);
        let asked = self.core.running().map(|(program, _)| program);
        let asked = asked.filter(|program| wanted.wants(*program)).collect();
        self.candidate = Some(candidate);
        Event::Candidate(asked)
    }

    async fn adopt_candidate(&mut self, generation: u64) {
        let Some(candidate) = self.candidate.take() else { return };
        match NotifyState::monotonic_usec_now() {
            Ok(moment) => notify(&[NotifyState::Reloading, moment]),
            Err(error) => warn!(%error, "cannot notify systemd"),
        }
        self.current = Generation { number: generation, ..candidate };
        self.files = FileWatch::of(self.current.snapshot.files());
        if !self.current.config.routers.is_empty() {
            self.released_by = self.current.config.clone();
        }
        let wanted = core::Event::Wanted(Wanted::by(&self.current.config));
        Box::pin(self.decide(wanted)).await;
    }

    fn taken(&mut self) {
        notify(&[NotifyState::Ready]);
        info!(generation = self.current.number, "reloaded");
        self.answer(&Outcome::Taken);
    }

    /// Nothing has changed.
    fn refused(&mut self, problems: &str, log: impl FnOnce()) {
        self.candidate = None;
        if self.requesters.iter().all(|one| matches!(one, Requester::Files)) {
            warn!("files that checks name have changed and cannot be used: the last ones stay");
        } else {
            error!("reload refused: everything stays as it was");
        }
        log();
        self.answer(&Outcome::Refused(problems.to_owned()));
    }

    fn answer(&mut self, outcome: &Outcome) {
        for requester in self.requesters.drain(..) {
            if let Requester::Client(reply) = requester {
                // Who asked may have left.
                drop(reply.send(outcome.clone()));
            }
        }
    }

    /// Nobody is to wait for what does not come any more.
    pub(super) fn answer_everybody(&mut self, why: &str) {
        self.requesters.append(&mut self.next_requesters);
        self.answer(&Outcome::Failed(why.to_owned()));
    }

    /// Looks whether files that checks name have changed.
    pub(super) async fn look_at_files(&mut self) {
        if self.files.have_changed() {
            self.request(What::Files, Requester::Files).await;
        }
    }
}

fn words(problems: &[Problem]) -> String {
    let line = |Problem { program, words }: &Problem| {
        let end = if words.ends_with('\n') { "" } else { "\n" };
        format!("error: {program}: {words}{end}")
    };
    problems.iter().map(line).collect()
}
