//! Does what the decisions say: the only place where the supervisor touches processes and the kernel.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::future::poll_fn;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::task::Poll;

use config::Config;
use process::control::{self, PACKET_LIMIT, Pause};
use process::messages::Tick;
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::{error, info, warn};
use vocabulary::RouterId;
use vrrpd::cli::{PAUSED, resume_argument};

use super::channels::Channels;
use super::child::{Child, Heard, Start};
use super::core::{Core, Effect, Event, Role};
use super::files::FileWatch;
use super::orphans::{self, Orphans};
use super::pause::PauseMark;
use super::program::{Program, Wanted};
use super::reload::{self, Reload};
use super::reloading::{Generation, Requester};
use super::requests::Asked;
use super::runtime_dir::RuntimeDir;
use super::upgrade::{self, Adopted};
use super::{ENDED_AT_ONCE, Options, cleanup};
use crate::clock::{now, sleep_until};
use crate::runner::HOOKS_USER;
use crate::users::{Role as User, Users};

/// Tells `lbproxy` to take over from the one that runs.
const TAKE_OVER: &str = "--take-over";

/// Tells `lbproxy` and the console where their files are to be.
const RUNTIME_DIR: &str = "--runtime-dir";

/// The running supervisor.
pub(super) struct Supervisor {
    pub(super) options: Options,
    pub(super) core: Core,
    pub(super) reload: Reload,
    /// What programs are started with.
    pub(super) current: Generation,
    /// What they are asked about.
    pub(super) candidate: Option<Generation>,
    /// Who waits for the reload that is under way, and for the one after it.
    pub(super) requesters: Vec<Requester>,
    pub(super) next_requesters: Vec<Requester>,
    pub(super) files: FileWatch,
    /// The last configuration with routers: what `vrrpd` may have left in the kernel.
    pub(super) released_by: Config,
    pub(super) children: BTreeMap<i32, Child>,
    pub(super) channels: Channels,
    /// For what they say.
    buffer: Vec<u8>,
    orphans: Orphans,
    /// Kept locked.
    pub(super) directory: RuntimeDir,
    /// Whom the programs run as.
    users: Users,
    pause: PauseMark,
    /// The binary's path when it was started: after an upgrade of the package, the new one's.
    pub(super) binary: PathBuf,
    pub(super) trial: Option<JoinHandle<Result<(), String>>>,
    exit: Option<ExitCode>,
    asked: mpsc::Receiver<Asked>,
    upgrade_asked: Signal,
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    /// Some child has ended, known or not.
    deaths: Signal,
}

enum Woken {
    Heard,
    Death,
    Timer,
    Stop,
    Reload,
    Asked(Asked),
    LookAtFiles,
    LookAtDirectory,
    Upgrade,
    Tried(Result<(), String>),
}

impl Supervisor {
    pub(super) fn new(
        options: &Options,
        current: Generation,
        directory: RuntimeDir,
        users: Users,
        asked: mpsc::Receiver<Asked>,
    ) -> io::Result<Self> {
        Ok(Self {
            options: options.clone(),
            core: Core::new(),
            reload: Reload::new(current.number),
            files: FileWatch::of(current.snapshot.files()),
            released_by: current.config.clone(),
            current,
            candidate: None,
            requesters: Vec::new(),
            next_requesters: Vec::new(),
            children: BTreeMap::new(),
            channels: Channels::default(),
            buffer: vec![0; PACKET_LIMIT],
            orphans: Orphans::default(),
            directory,
            users,
            pause: PauseMark::of(&options.runtime_dir),
            binary: std::env::current_exe()?,
            trial: None,
            exit: None,
            asked,
            upgrade_asked: signal(SignalKind::user_defined2())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            deaths: signal(SignalKind::child())?,
        })
    }

    /// Runs until told to end.
    pub(super) async fn run(mut self, adopted: Option<Adopted>) -> ExitCode {
        if let Some(adopted) = adopted {
            self.adopt(adopted).await;
        }
        self.decide(Event::Wanted(Wanted::by(&self.current.config))).await;
        self.connect();
        notify(&[NotifyState::Ready]);
        loop {
            if let Some(code) = self.exit {
                return code;
            }
            match self.wake().await {
                Woken::Heard => self.hear().await,
                Woken::Death => self.reap().await,
                Woken::Timer => self.time_passed().await,
                Woken::Stop => self.stop().await,
                Woken::Reload => self.request(reload::What::All, Requester::Signal).await,
                Woken::Asked(asked) => {
                    self.request(reload::What::All, Requester::Client(asked.reply)).await;
                }
                Woken::LookAtFiles => self.look_at_files().await,
                Woken::LookAtDirectory => self.look_at_directory(),
                Woken::Upgrade => self.try_upgrade(),
                Woken::Tried(outcome) => self.tried(outcome).await,
            }
            let allowed = self.trial.is_none() && !self.core.is_upgrading();
            self.decide_reload(reload::Event::Allowed(allowed)).await;
            self.connect();
        }
    }

    async fn wake(&mut self) -> Woken {
        let timer = self.core.deadline().into_iter().chain(self.reload.deadline()).min();
        let can_upgrade = self.reload.is_idle();
        let stopping = self.core.is_stopping();
        let Self { children, trial, files, directory, .. } = self;
        tokio::select! {
            biased;
            _ = self.deaths.recv() => Woken::Death,
            () = any_readable(children) => Woken::Heard,
            _ = self.terminate.recv() => Woken::Stop,
            _ = self.interrupt.recv() => Woken::Stop,
            _ = self.hang_up.recv(), if !stopping => Woken::Reload,
            Some(asked) = self.asked.recv(), if !stopping => Woken::Asked(asked),
            _ = self.upgrade_asked.recv(), if !stopping => Woken::Upgrade,
            // A reload that is under way comes to its end before.
            outcome = upgrade::tried(trial), if can_upgrade && !stopping => Woken::Tried(outcome),
            () = files.tick(), if !stopping => Woken::LookAtFiles,
            () = directory.tick(), if !stopping => Woken::LookAtDirectory,
            () = sleep_until(timer) => Woken::Timer,
        }
    }

    /// Tells what happened to the decisions, and does what they say.
    pub(super) async fn decide(&mut self, event: Event) {
        let mut effects = self.core.handle(event, now());
        // What is done may have something happen: that comes after.
        while !effects.is_empty() {
            let mut more = Vec::new();
            for effect in effects {
                if let Some(event) = self.carry_out(effect).await {
                    more.extend(self.core.handle(event, now()));
                }
            }
            effects = more;
        }
    }

    async fn carry_out(&mut self, effect: Effect) -> Option<Event> {
        match effect {
            Effect::Start { program, role } => return Some(self.start(program, role).await),
            Effect::Signal { pid, signal } => {
                self.children.get(&pid).into_iter().for_each(|child| child.signal(signal));
            }
            Effect::Release(routers) => cleanup::release(&self.released_by, &routers).await,
            Effect::ReleaseAll => {
                let all = self.released_by.routers.iter().map(|router| router.id.clone());
                let all: Vec<RouterId> = all.collect();
                cleanup::release(&self.released_by, &all).await;
            }
            Effect::KillOrphans => {
                self.orphans.kill();
                return Some(Event::Orphans { left: !self.orphans.are_gone() });
            }
            Effect::Say(notice) => notice.log(),
            Effect::Exit { clean } => {
                self.exit = Some(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE });
            }
            Effect::ExitAtOnce => self.exit = Some(ExitCode::from(ENDED_AT_ONCE)),
        }
        None
    }

    async fn start(&mut self, program: Program, role: Role) -> Event {
        let arguments = match role {
            Role::Successor => vec![TAKE_OVER.into()],
            Role::Alone { resume } => resume
                .iter()
                .flat_map(|(router, millis)| {
                    ["--resume".into(), resume_argument(router, *millis).into()]
                })
                .collect(),
        };
        // The console is to have a place for its socket.
        self.directory.restore();
        match self.spawn(program, arguments) {
            Ok(child) => {
                let pid = child.id();
                self.children.insert(pid, child);
                // A reload that is under way asks it as well.
                Box::pin(self.decide_reload(reload::Event::Started(program))).await;
                Event::Started { program, pid }
            }
            Err(error) => Event::NotStarted { program, error: error.to_string() },
        }
    }

    fn spawn(&self, program: Program, mut arguments: Vec<OsString>) -> io::Result<Child> {
        let content = control::sealed(&self.current.content_for(program))?;
        match program {
            Program::Vrrpd if self.pause.is_set() => arguments.push(PAUSED.into()),
            Program::Runner => {
                let user = self.users.of(User::Hooks).to_string();
                arguments.extend([HOOKS_USER.into(), user.into()]);
            }
            Program::Lbproxy | Program::Console => {
                arguments.extend([RUNTIME_DIR.into(), self.options.runtime_dir.clone().into()]);
            }
            Program::Vrrpd => {}
        }
        Child::start(Start {
            program,
            user: self.users.of(program.user()),
            arguments: &arguments,
            content: content.as_fd(),
            generation: self.current.number,
        })
    }

    /// Makes again what somebody deleted of the runtime directory. The console makes its socket at its start.
    fn look_at_directory(&mut self) {
        self.directory.restore();
        if self.directory.console_is_cut_off() {
            warn!("the console's socket was deleted: starting the console anew");
            let consoles = self.children.values().filter(|child| child.program == Program::Console);
            consoles.for_each(|child| child.signal(rustix::process::Signal::TERM));
        }
    }

    /// Passes on what the programs have said.
    async fn hear(&mut self) {
        let Self { children, buffer, .. } = self;
        let heard: Vec<(i32, Program, Heard)> = children
            .iter_mut()
            .flat_map(|(pid, child)| {
                let program = child.program;
                child
                    .hear(buffer)
                    .into_iter()
                    .map(|heard| (*pid, program, heard))
                    .collect::<Vec<_>>()
            })
            .collect();
        for (pid, program, heard) in heard {
            match heard {
                Heard::Tick(Tick { retired: true, .. }) => {
                    self.decide(Event::Closed { pid }).await;
                }
                Heard::Tick(tick) => self.decide(Event::Ticked { pid, tick }).await,
                Heard::Closed => self.decide(Event::Closed { pid }).await,
                Heard::Pause(Pause { paused }) if program == Program::Vrrpd => {
                    self.pause.set(paused);
                }
                Heard::Pause(_) => {}
                Heard::Answer(control::Answer { generation, verdict }) => {
                    let answered = reload::Event::Answered { program, generation, verdict };
                    self.decide_reload(answered).await;
                }
            }
        }
    }

    /// Passes on who has ended. The last ticks tell what it was doing.
    async fn reap(&mut self) {
        self.hear().await;
        let ended = |(pid, child): (&i32, &mut Child)| Some((*pid, child.program, child.ended()?));
        let ended: Vec<_> = self.children.iter_mut().filter_map(ended).collect();
        for (pid, program, status) in ended {
            self.children.remove(&pid);
            let retired = self.core.retired().any(|one| one == pid);
            self.decide(Event::Exited { pid, status }).await;
            if !retired {
                self.decide_reload(reload::Event::Died(program)).await;
            }
        }
        // What is not ours to wait for has nobody else who would. A trial is waited for by the runtime.
        if self.trial.is_none() {
            orphans::reap(&self.children.keys().copied().collect::<Vec<_>>());
        }
        let left = !self.orphans.are_gone();
        self.decide(Event::Orphans { left }).await;
    }

    /// Whoever is judged for its silence is heard before.
    async fn time_passed(&mut self) {
        self.reap().await;
        self.decide(Event::Time).await;
        self.decide_reload(reload::Event::Time).await;
    }

    async fn stop(&mut self) {
        notify(&[NotifyState::Stopping]);
        self.answer_everybody("vipd is ending");
        self.decide(Event::Stop).await;
    }

    /// Takes the children of the program before.
    async fn adopt(&mut self, adopted: Adopted) {
        let children = match adopted.children {
            Ok(children) => children,
            Err(error) => {
                error!(%error, "cannot take the running programs over: they go on unwatched, and others are started");
                return;
            }
        };
        for (child, retired) in children {
            let (program, pid) = (child.program, child.id());
            self.children.insert(pid, child);
            self.decide(Event::Adopted { program, pid, retired }).await;
        }
        // They are connected already.
        self.channels.missing(&self.core.talking());
        info!("runs in its predecessor's place, with its programs");
        self.decide(Event::Upgraded).await;
    }
}

/// Waits until one of them has something to say. Cancel-safe.
async fn any_readable(children: &BTreeMap<i32, Child>) {
    poll_fn(|context| {
        let mut ready = children.values().map(|child| child.poll_readable(context).is_ready());
        // Each of them must know whom to wake.
        let any = ready.by_ref().fold(false, |any, ready| any | ready);
        if any { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Tells systemd, if it started us.
pub(super) fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!(%error, "cannot notify systemd");
    }
}
