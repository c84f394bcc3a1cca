//! The supervisor: starts `vrrpd`, `lbproxy` and their helpers, watches them, cleans up after them.
//!
//! ```text
//!         its socket (ticks, channels)           channels
//! vipd run ◄───────────────────────► vrrpd ◄─────────────────► lbproxy ◄──► vipd run
//! ```
//! A `vrrpd` that dies or hangs is replaced while no peer can have taken over yet, and its successor
//! goes on as Active. If there is no time for that, the addresses are removed when the first peer may
//! take over: so they are neither missing nor on two nodes for long. It ends with the addresses handed
//! over, then the proxy, then the helpers: hooks are told of the end as well.

mod backoff;
mod channels;
mod child;
mod cleanup;
mod helpers;
mod pid;
mod pid_file;
mod slot;
mod stop;
mod strays;
mod upgrade;
mod watchdog;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use config::{Config, load};
use nix::unistd::Pid;
use process::messages::Resumable;
use process::{scheduling, signals, telemetry};
use rustix::process::Signal as UnixSignal;
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tracing::{error, info, warn};
use vocabulary::RouterId;
use vrrpd::cli::resume_argument;

use self::channels::Channels;
use self::child::{Child, Death, Event, Program};
use self::helpers::Helpers;
use self::pid_file::PidFile;
use self::slot::{Family, Slot};
use self::stop::relief;
use self::upgrade::Step;
use crate::clock::{millis_until, now, sleep_until};
use crate::runner::trust::look_at_programs;

/// Exit code after a second signal: everything was ended at once.
pub const ENDED_AT_ONCE: u8 = 3;

/// Above the adverts: whoever watches must be awake.
const REALTIME: u8 = 30;

/// What a successor of `vrrpd` needs at least to become Active: it starts in some 6 ms, and itself
/// does not go on too late. After a hang little time is left, for it takes 150 ms to be noticed and
/// 25 ms until the kernel has closed the sockets.
const RESUME_TIME: Duration = Duration::from_millis(15);

/// What `vrrpd` may take to end beyond the time its peers take to relieve it.
const VRRPD_END: Duration = Duration::from_secs(3);

/// What `lbproxy` may take to end.
const LBPROXY_END: Duration = Duration::from_secs(3);

/// What the supervisor is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The configuration.
    pub config: PathBuf,
    /// Where the sockets are made.
    pub runtime_dir: PathBuf,
    /// After an upgrade: the programs run already.
    pub adopt: bool,
}

/// Runs until told to end.
///
/// Exit codes: 0 ended in order; 1 something failed that nothing works without; 2 the configuration
/// is wrong; 3 ended at once by a second signal.
#[must_use]
pub fn run(options: &Options) -> ExitCode {
    signals::hold();
    let loaded = match load(&options.config).and_then(look_at_programs) {
        Ok(loaded) => loaded,
        Err(problems) => {
            complain(&problems.to_string());
            return ExitCode::from(2);
        }
    };
    let _log = telemetry::init();
    loaded.warnings.log();
    match supervise(options, loaded.config) {
        Ok(code) => code,
        Err(failure) => {
            error!("{failure:#}");
            ExitCode::FAILURE
        }
    }
}

/// The supervisor that runs in a directory.
///
/// # Errors
/// None does.
pub(crate) fn running(runtime_dir: &Path) -> io::Result<Pid> {
    PidFile::holder(runtime_dir)
}

#[expect(clippy::print_stderr, reason = "there is no log yet")]
fn complain(text: &str) {
    eprint!("{text}");
}

fn supervise(options: &Options, config: Config) -> anyhow::Result<ExitCode> {
    use anyhow::Context;
    std::fs::create_dir_all(&options.runtime_dir)
        .with_context(|| format!("make the directory {}", options.runtime_dir.display()))?;
    scheduling::lock_memory();
    scheduling::real_time("the supervisor", REALTIME);
    strays::become_subreaper();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let pid_file = PidFile::take(&options.runtime_dir)
            .with_context(|| format!("run in {}", options.runtime_dir.display()))?;
        let supervisor = Supervisor::new(options, config, pid_file).context("watch for signals")?;
        signals::release();
        Ok(supervisor.run().await)
    })
}

/// A router that a dead `vrrpd` left as Active: until then nobody else can have its addresses.
#[derive(Debug)]
struct Orphan {
    router: RouterId,
    until: Instant,
}

struct Supervisor {
    options: Options,
    config: Config,
    vrrpd: Slot,
    lbproxy: Slot,
    helpers: Helpers,
    orphans: Vec<Orphan>,
    channels: Channels,
    /// Kept locked.
    _pid_file: PidFile,
    /// The binary's path when it was started: after an upgrade of the package, the new one's.
    binary: PathBuf,
    trial: Option<JoinHandle<Result<(), String>>>,
    upgrade: Option<Step>,
    /// Each an `lbproxy` of before an upgrade; they end with their last connections.
    retired: Vec<Child>,
    upgrade_asked: Signal,
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    /// Some child has ended, known or not.
    deaths: Signal,
}

enum Woken {
    Vrrpd(Event),
    Lbproxy(Family),
    Retired,
    Helper,
    Stray,
    Tried(Result<(), String>),
    Upgrade,
    Timer,
    Stop,
    Reload,
}

impl Supervisor {
    fn new(options: &Options, config: Config, pid_file: PidFile) -> io::Result<Self> {
        Ok(Self {
            options: options.clone(),
            config,
            vrrpd: Slot::new(Program::Vrrpd),
            lbproxy: Slot::new(Program::Lbproxy),
            helpers: Helpers::new(),
            orphans: Vec::new(),
            channels: Channels::default(),
            _pid_file: pid_file,
            binary: std::env::current_exe()?,
            trial: None,
            upgrade: None,
            retired: Vec::new(),
            upgrade_asked: signal(SignalKind::user_defined2())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            deaths: signal(SignalKind::child())?,
        })
    }

    async fn run(mut self) -> ExitCode {
        if self.options.adopt {
            self.adopt();
        }
        self.want_programs(now());
        self.start_what_is_due();
        notify(&[NotifyState::Ready]);
        loop {
            match self.wake().await {
                Woken::Vrrpd(Event::Hung) => self.vrrpd_hangs().await,
                Woken::Vrrpd(Event::Died(death)) => self.vrrpd_died(death),
                Woken::Lbproxy(family) => self.lbproxy_changed(family),
                Woken::Upgrade => self.try_upgrade(),
                Woken::Tried(outcome) => self.tried(outcome),
                Woken::Vrrpd(Event::Retired) | Woken::Retired => {}
                Woken::Helper | Woken::Stray | Woken::Timer => {}
                Woken::Reload => self.reload().await,
                Woken::Stop => return self.stop().await,
            }
            self.go_on_upgrading().await;
            self.bury_strays();
            self.start_what_is_due();
            self.bury_orphans().await;
        }
    }

    async fn wake(&mut self) -> Woken {
        let starts = [self.vrrpd.start_at, self.lbproxy.start_at, self.helpers.start_at()];
        let orphans = self.orphans.iter().map(|orphan| orphan.until);
        let step = self.upgrade.map(|_| now() + upgrade::LOOK);
        let timer = starts.into_iter().flatten().chain(orphans).chain(step).min();
        tokio::select! {
            biased;
            event = self.vrrpd.event() => Woken::Vrrpd(event),
            family = self.lbproxy.death_or_elder() => Woken::Lbproxy(family),
            () = any_ended(&mut self.retired) => Woken::Retired,
            () = self.helpers.death() => Woken::Helper,
            _ = self.terminate.recv() => Woken::Stop,
            _ = self.interrupt.recv() => Woken::Stop,
            _ = self.hang_up.recv() => Woken::Reload,
            _ = self.upgrade_asked.recv() => Woken::Upgrade,
            outcome = tried(&mut self.trial) => Woken::Tried(outcome),
            _ = self.deaths.recv() => Woken::Stray,
            () = sleep_until(timer) => Woken::Timer,
        }
    }

    /// Wants the programs that the configuration has work for.
    fn want_programs(&mut self, at: Instant) {
        if !self.config.routers.is_empty() {
            self.vrrpd.want(at);
        }
        if !self.config.proxies.is_empty() {
            self.lbproxy.want(at);
        }
        self.helpers.want(&self.config, at);
    }

    fn start_what_is_due(&mut self) {
        if self.vrrpd.is_due() {
            let arguments = self.resume_arguments();
            self.vrrpd.start(&self.options, &arguments);
        }
        if self.lbproxy.is_due() {
            self.lbproxy.start(&self.options, &[]);
        }
        self.helpers.start_what_is_due(&self.options);
        self.connect();
    }

    /// What is not ours to wait for has nobody else who would. A trial is waited for by the runtime.
    fn bury_strays(&self) {
        if self.trial.is_none() {
            let children = self.children();
            let children = children.iter().map(|(_, child, _)| *child).chain(&self.lbproxy.elder);
            strays::bury(&children.map(Child::id).collect::<Vec<_>>());
        }
    }

    fn resume_arguments(&self) -> Vec<String> {
        let moment = now();
        let (in_time, late): (Vec<_>, Vec<_>) =
            self.orphans.iter().partition(|orphan| orphan.until >= moment + RESUME_TIME);
        for orphan in late {
            info!(router = %orphan.router, "too late to go on as Active: a peer takes over");
        }
        let argument = |orphan: &Orphan| {
            let millis = millis_until(orphan.until, moment);
            ["--resume".to_owned(), resume_argument(&orphan.router, millis)]
        };
        in_time.into_iter().flat_map(argument).collect()
    }

    /// `vrrpd` was killed. Where a peer may have taken over by now, the addresses do not wait for its end.
    async fn vrrpd_hangs(&self) {
        let moment = now();
        let orphans = self.vrrpd.child.iter().flat_map(left_behind);
        let late = orphans.filter(|orphan| moment >= orphan.until).map(|orphan| orphan.router);
        cleanup::release(&self.config, &late.collect::<Vec<_>>()).await;
    }

    /// `vrrpd` is dead, and its addresses are still here.
    fn vrrpd_died(&mut self, death: Death) {
        let child = self.vrrpd.bury(death);
        self.orphans = child.iter().flat_map(left_behind).collect();
    }

    /// Addresses that no successor took care of must go before a peer has them as well.
    async fn bury_orphans(&mut self) {
        let ticks = self.vrrpd.child.as_ref().map(|child| child.watchdog().last().0);
        let adopted = |orphan: &Orphan| {
            ticks.is_some_and(|tick| tick.resumable.iter().any(|r| r.router == orphan.router))
        };
        self.orphans.retain(|orphan| !adopted(orphan));
        let moment = now();
        let (late, waiting): (Vec<_>, Vec<_>) =
            self.orphans.drain(..).partition(|orphan| moment >= orphan.until);
        self.orphans = waiting;
        let late: Vec<RouterId> = late.into_iter().map(|orphan| orphan.router).collect();
        cleanup::release(&self.config, &late).await;
    }

    /// Takes a new configuration over, if it is right; the programs read it themselves.
    async fn reload(&mut self) {
        let loaded = match load(&self.options.config).and_then(look_at_programs) {
            Ok(loaded) => loaded,
            Err(problems) => {
                error!(
                    "the new configuration is wrong, and everything stays as it is:\n{problems}"
                );
                return;
            }
        };
        info!(path = %self.options.config.display(), "reloads the configuration");
        loaded.warnings.log();
        notify(&[NotifyState::Reloading]);
        self.config = loaded.config;
        for child in [&self.vrrpd.child, &self.lbproxy.child].into_iter().flatten() {
            child.signal(UnixSignal::HUP);
        }
        self.helpers.reload();
        self.end_unwanted().await;
        self.want_programs(now());
        notify(&[NotifyState::Ready]);
    }

    async fn end_unwanted(&mut self) {
        if self.config.routers.is_empty() {
            self.vrrpd.start_at = None;
            if let Some(mut child) = self.vrrpd.child.take() {
                child.end(VRRPD_END + relief(&self.config)).await;
            }
        }
        if self.config.proxies.is_empty() {
            self.lbproxy.start_at = None;
            if let Some(mut child) = self.lbproxy.child.take() {
                child.end(LBPROXY_END).await;
            }
        }
        self.helpers.end_unwanted(&self.config).await;
    }
}

/// Waits until one of them has ended, and forgets it. Cancel-safe.
async fn any_ended(retired: &mut Vec<Child>) {
    if retired.is_empty() {
        return std::future::pending().await;
    }
    let ends = retired.iter_mut().map(|child| Box::pin(child.death()));
    let (death, place, _) = futures_util::future::select_all(ends).await;
    retired.swap_remove(place);
    info!(%death, "the lbproxy of before an upgrade has ended");
}

/// Waits for the outcome of a trial; for ever without one. Cancel-safe.
async fn tried(trial: &mut Option<JoinHandle<Result<(), String>>>) -> Result<(), String> {
    match trial {
        Some(trial) => trial.await.unwrap_or_else(|error| Err(error.to_string())),
        None => std::future::pending().await,
    }
}

/// What a `vrrpd` had when it ticked for the last time.
fn left_behind(vrrpd: &Child) -> Vec<Orphan> {
    let (tick, ticked_at) = vrrpd.watchdog().last();
    let orphan = |resumable: &Resumable| Orphan {
        router: resumable.router.clone(),
        until: ticked_at + Duration::from_millis(resumable.within_ms),
    };
    tick.resumable.iter().map(orphan).collect()
}

/// Tells systemd, if it started us.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!(%error, "cannot tell systemd how things are");
    }
}
