//! Runs the operator's programs: hooks, which are told what happens, and scripts, which tell what is
//! usable; and writes a FIFO. A program of its own under the supervisor (docs/adr/0009-hooks.md).
//!
//! ```text
//! vrrpd ─► Following ─► Told: is it new? ─┬─► Fifo
//!                                         └─► a lane for each name ─► one job at a time: its hooks
//! vrrpd ◄─ Following ◄─ Scripts: one task for each
//! ```
//! It hears what anybody may hear, and runs only what the configuration names: `vrrpd` has no say in what
//! is run, and never waits for it. Stops: when told to, once the last word has been told.

mod fifo;
mod follow;
mod job;
mod lane;
mod program;
mod retry;
mod scripts;
pub(crate) mod user;
mod word;

use std::collections::BTreeMap;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use config::{Config, NotifyConfig};
use process::channels::Channel;
use process::identity::Identity;
use process::privileges::{CapabilitySet, Privileges, give_up_all_but};
use process::signals::{self, Request, Requests};
use process::throttle::{MINUTE, SharedThrottle, Throttle};
use process::transaction::{Step, Transaction};
use process::{scheduling, telemetry};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{error, info, warn};
use vocabulary::{Name, RouterId, TrackerHealth};
use vrrpd::occurrence::Occurrence;

use self::fifo::Fifo;
use self::follow::Following;
use self::job::Failed;
use self::lane::Lane;
use self::retry::{Retries, Try};
use self::scripts::Scripts;
use self::word::Told;
use crate::clock::{now, sleep_until};
use crate::watched::{Source, Ticker, parse};

/// To become a program's user, to kill what that started, to give the FIFO to its reader. It can become root
/// for a moment, as it has to: for a hook of root's, to whom the kernel gives root's rights at its start, and
/// for a FIFO in root's directory.
const CAPABILITIES: CapabilitySet = CapabilitySet::SETUID
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::CHOWN);

/// Changes that no hook was told of, in the log.
static DROPPED: SharedThrottle = SharedThrottle::new(Throttle::new(MINUTE));

/// How long to listen for `vrrpd`'s last words once told to end: the supervisor ended it before us.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// What the last hooks may take, whatever their own limit is: the node is to go down.
pub(crate) const FAREWELL: Duration = Duration::from_secs(5);

/// The argument by which it knows the hooks' own user.
pub(crate) const HOOKS_USER: &str = "--hooks-user";

/// The command line.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// What all programs share
    #[command(flatten)]
    pub common: process::arguments::Args,

    /// The user that programs run as where the file names none
    #[arg(long, hide = true, value_name = "UID:GID")]
    pub hooks_user: Option<Identity>,
}

/// Runs until told to end.
///
/// Exit codes: 0 ended in order; 1 something failed that nothing works without; 2 the configuration is
/// wrong.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    signals::hold();
    // Neither the log's thread nor any hook is urgent.
    scheduling::ordinary();
    scheduling::spare_no_more();
    let doubts = give_up_all_but(Privileges {
        user: args.common.user,
        capabilities: CAPABILITIES,
        new_privileges: true,
    });
    let _log = telemetry::init();
    doubts.iter().for_each(|doubt| warn!(reason = %doubt, "cannot give a privilege up"));
    let source = match Source::read() {
        Ok(source) => source,
        Err(words) => {
            error!(reason = words, "cannot start");
            return ExitCode::from(2);
        }
    };
    let own = args.hooks_user.unwrap_or_else(Identity::current);
    match follow(source, own) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!(%error, "runner failed");
            ExitCode::FAILURE
        }
    }
}

fn follow(source: Source, own: Identity) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (config, ticker, transaction) = source.split()?;
        let mut runner = Runner::new(config, own);
        runner.follow(ticker, transaction).await?;
        runner.end().await;
        Ok(())
    })
}

/// Whom to tell, and what is being told.
struct Runner {
    config: NotifyConfig,
    /// Whom programs run as where the file names nobody.
    own: Identity,
    told: Told,
    fifo: Option<Fifo>,
    lanes: BTreeMap<Name, Lane<Try>>,
    jobs: JoinSet<(Name, Try, Failed)>,
    retries: Retries,
    /// The node is to go down: what fails is not tried again.
    ending: bool,
    dropped: u64,
    following: Following,
    scripts: Scripts,
    results: mpsc::Receiver<TrackerHealth>,
}

impl Runner {
    fn new(config: Config, own: Identity) -> Self {
        let (mut scripts, results) = Scripts::new(own);
        scripts.run(&config.trackers);
        let mut runner = Self {
            config: config.notify,
            own,
            told: Told::default(),
            fifo: None,
            lanes: BTreeMap::new(),
            jobs: JoinSet::new(),
            retries: Retries::default(),
            ending: false,
            dropped: 0,
            following: Following::default(),
            scripts,
            results,
        };
        runner.open_fifo();
        runner
    }

    /// Follows `vrrpd` until told to end.
    async fn follow(
        &mut self,
        mut ticker: Ticker,
        mut transaction: Transaction<Config>,
    ) -> io::Result<()> {
        let mut requests = Requests::watch()?;
        loop {
            tokio::select! {
                biased;
                request = requests.next() => match request {
                    Request::End(_) => return Ok(()),
                    // The supervisor is who reloads.
                    Request::Reload => {}
                },
                step = transaction.next() => match step {
                    Step::Prepare(generation, content) => {
                        transaction.prepared(generation, parse(&content));
                    }
                    Step::Commit(generation, config) => {
                        self.go_over_to(config);
                        transaction.committed(generation);
                    }
                    Step::Channel(channel, stream) => {
                        if channel == Channel::Scripts {
                            self.following.connect(stream);
                        }
                    }
                },
                () = ticker.tick() => {}
                Some(done) = self.jobs.join_next() => self.done(done.ok()),
                () = sleep_until(self.retries.deadline()) => self.try_again(),
                Some(health) = self.results.recv() => self.following.tell(health),
                occurrence = self.following.next() => self.take(&occurrence),
            }
        }
    }

    fn take(&mut self, occurrence: &Occurrence) {
        let Some(notice) = self.told.news(occurrence) else { return };
        // keepalived's FIFO knows nothing but states.
        if let Some(fifo) = self.fifo.as_mut().filter(|_| !notice.contested) {
            fifo.write(&notice.line());
        }
        let name = notice.router.name.clone();
        if !self.config.hooks.contains_key(&name) {
            return;
        }
        let attempt = self.retries.news(notice);
        self.following.tell_hooks(self.retries.failures());
        self.push(&name, attempt);
    }

    fn push(&mut self, name: &Name, attempt: Try) {
        if let Some(old) = self.lanes.entry(name.clone()).or_default().push(attempt) {
            self.dropped += 1;
            if DROPPED.take(now()).is_some() {
                let RouterId { name, family } = &old.notice.router;
                let (state, dropped) = (old.notice.word, self.dropped);
                warn!(router = %name, %family, %state, dropped, "hooks are slower than the changes: the oldest were dropped");
            }
        }
        self.next(name);
    }

    /// What failed is due again.
    fn try_again(&mut self) {
        for attempt in self.retries.due(now()) {
            let name = attempt.notice.router.name.clone();
            self.push(&name, attempt);
        }
    }

    /// Starts what waits for `name`, if nothing of that name is under way.
    fn next(&mut self, name: &Name) {
        let Some(lane) = self.lanes.get_mut(name) else { return };
        let Some(hooks) = self.config.hooks.get(name).cloned() else {
            // A reload took the hooks away.
            self.lanes.remove(name);
            return;
        };
        while let Some(attempt) = lane.next() {
            if !self.retries.is_current(&attempt) {
                lane.done();
                continue;
            }
            let (name, own) = (name.clone(), self.own);
            self.jobs.spawn(async move {
                let failed = job::tell(&attempt, &hooks, own).await;
                (name, attempt, failed)
            });
            return;
        }
    }

    fn done(&mut self, done: Option<(Name, Try, Failed)>) {
        let Some((name, attempt, failed)) = done else { return };
        let again = self.config.hooks.get(&name).is_some_and(|hooks| hooks.retry) && !self.ending;
        self.retries.done(attempt, failed.filter(|_| again), now());
        self.following.tell_hooks(self.retries.failures());
        if let Some(lane) = self.lanes.get_mut(&name) {
            lane.done();
        }
        self.next(&name);
    }

    fn go_over_to(&mut self, config: Config) {
        self.scripts.run(&config.trackers);
        self.following.retain(|tracker| self.scripts.has(tracker));
        self.config = config.notify;
        self.retries.retain(|router| self.config.hooks.contains_key(&router.name));
        self.following.tell_hooks(self.retries.failures());
        if self.fifo.as_ref().map(Fifo::config) != self.config.fifo.as_ref() {
            self.open_fifo();
        }
    }

    /// Opens the FIFO that is configured in place of the one that is open.
    fn open_fifo(&mut self) {
        self.fifo = None;
        let Some(config) = self.config.fifo.clone() else { return };
        let path = config.path.clone();
        match Fifo::open(config, self.own) {
            Ok(fifo) => self.fifo = Some(fifo),
            Err(error) => {
                error!(path = %path.display(), %error, "cannot open the FIFO: nothing is written there until a reload");
            }
        }
    }

    /// Tells what is left to be told.
    async fn end(mut self) {
        self.ending = true;
        while let Ok(occurrence) = timeout(LAST_WORDS, self.following.next()).await {
            self.take(&occurrence);
            if occurrence == Occurrence::Ended {
                break;
            }
        }
        let all = async {
            while let Some(done) = self.jobs.join_next().await {
                self.done(done.ok());
            }
        };
        if timeout(FAREWELL, all).await.is_err() {
            warn!(limit = ?FAREWELL, "killing hooks: they were still running at the end");
            self.jobs.shutdown().await;
        }
        info!("ended");
    }
}
