//! The daemon: puts everything together and keeps the routers' surroundings up to date.
//!
//! ```text
//! main thread:   signals, netlink (links, address reconcilers), the channels to other programs, status
//!    │  surroundings (watch), commands (mpsc)        ▲ desired state, pulse (watch)
//!    ▼                                               │
//! advert thread: raw sockets, elections
//! ```
//! Both threads are real-time; only the advert thread must never wait for the kernel.

mod answer;
mod health_grace;
mod others;
mod pause;
mod reload;
mod routers;
mod source;
mod tracker_updates;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use config::{Config, RouterConfig};
use process::control::{self, Control};
use process::messages::HookFailure;
use process::privileges::{CapabilitySet, Privileges, give_up_all_but};
use process::signals::{Request, Requests};
use process::throttle::{Throttle, Throttles};
use process::transaction::Transaction;
use process::{scheduling, signals, telemetry};
use tokio::sync::{mpsc, watch};
use tracing::{debug, error, info, warn};
use vocabulary::{Name, RouterId, TrackerHealth};

use self::health_grace::HealthGrace;
use self::pause::Pause;
use self::routers::Routers;
use self::source::Source;
use crate::channels::{Asked, Channels, Order};
use crate::cli::Args;
use crate::clock::{now, sleep_until};
use crate::conflicts::{Conflicts, Sighting};
use crate::driver::{self, Setup};
use crate::io::addresses::Addresses;
use crate::io::announce::Announcer;
use crate::io::links::Links;
use crate::io::macvlan::Macvlans;
use crate::io::routes::Routes;
use crate::io::sockets::Sockets;
use crate::occurrence::{Occurrence, Occurrences};
use crate::reconciler::Handles;
use crate::trackers::{Found, Trackers};
use vrrp::tracking::{PROOF_LIMIT, Tracking};

/// What the daemon may do: change addresses, open raw sockets, be on time. Nothing else.
const CAPABILITIES: CapabilitySet = CapabilitySet::NET_ADMIN
    .union(CapabilitySet::NET_RAW)
    .union(CapabilitySet::SYS_NICE)
    .union(CapabilitySet::IPC_LOCK);

/// Real-time priority of the main thread. Address keeping comes second to the adverts: an address that
/// is late costs less.
const ADDRESS_PRIORITY: u8 = 10;

/// For so long a successor of an Active router trusts that what it tracks is usable.
const HEALTH_GRACE: Duration = Duration::from_secs(1);

/// For so long the last results of scripts stand while nobody runs them: the supervisor starts another
/// runner at once, but no faster than this when each dies.
const UNTOLD: Duration = Duration::from_secs(5);

/// Trackers whose changes of health are logged each by itself, and lines about all of them a minute.
const TRACKERS_LOGGED: usize = 256;
const HEALTH_LINES: u32 = 100;

/// How long followers may take to read what happened until the end.
const FAREWELL: Duration = Duration::from_millis(200);

/// How long the reconcilers may take to remove addresses once the elections have ended.
const RECONCILERS_LIMIT: Duration = Duration::from_secs(2);

/// Runs until told to end.
///
/// Exit codes: 0 ended in order; 1 something failed that the daemon cannot do without; 2 the
/// configuration is wrong, or somebody else than the supervisor started it.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    signals::hold();
    match Source::read() {
        Ok(source) => prepared(args, source),
        Err(failure) => {
            complain(&format!("error: vrrpd: {failure:#}\n"));
            ExitCode::from(2)
        }
    }
}

/// Before logging starts.
#[expect(clippy::print_stderr, reason = "there is no log yet")]
fn complain(text: &str) {
    eprint!("{text}");
}

/// Gives up what the daemon does not need, and goes on.
fn prepared(args: &Args, source: Source) -> ExitCode {
    let Source { config, control } = source;
    let doubts = give_up_all_but(Privileges {
        user: args.common.user,
        capabilities: CAPABILITIES,
        new_privileges: false,
    });
    let bound = control::end_with_parent();
    // The log's thread is not urgent.
    scheduling::ordinary();
    let _log = telemetry::init();
    doubts.iter().for_each(|doubt| warn!(reason = %doubt, "cannot give a privilege up"));
    scheduling::lock_memory();
    let ended = bound.map_err(Into::into).and_then(|()| serve(args, config, control));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            error!(error = format!("{failure:#}"), "stopped");
            ExitCode::FAILURE
        }
    }
}

fn serve(args: &Args, config: Config, control: Control) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        let daemon = Daemon::start(args, config, control).await?;
        scheduling::real_time("addresses", ADDRESS_PRIORITY);
        daemon.run().await
    });
    // A tracker that waits for the kernel must not hold us up.
    runtime.shutdown_background();
    ended
}

struct Daemon {
    transaction: Transaction<Config>,
    pause: Pause,
    started: Instant,
    /// As the file says.
    given: Config,
    /// The same, with the interfaces that it leaves to the network.
    config: Config,
    links: Links,
    tracking: Tracking,
    trackers: Trackers,
    found: mpsc::Receiver<Found>,
    conflicts: Conflicts,
    seen: mpsc::Receiver<Sighting>,
    grace: HealthGrace,
    /// Changes of health in the log.
    log: Throttles<Name>,
    routers: Routers,
    failing_hooks: Vec<HookFailure>,
    channels: Channels,
    asked: mpsc::Receiver<Asked>,
    occurrences: Occurrences,
    advert_thread: JoinHandle<()>,
    signals: Requests,
}

impl Daemon {
    async fn start(args: &Args, config: Config, control: Control) -> anyhow::Result<Self> {
        let started = now();
        let links = Links::watch().await.context("read the interfaces through netlink")?;
        let (addresses, macvlans) = (Addresses::open()?, Macvlans::open()?);
        let routes = Routes::open()?;
        let announcer = Announcer::open().context("open a packet socket (needs CAP_NET_RAW)")?;
        let occurrences = Occurrences::default();
        let (channels, hub, asked) = Channels::open(&occurrences);
        let (pulse_sender, pulse) = watch::channel(started);
        let (surroundings, receiver) = watch::channel(Arc::default());
        let watchdog = Some(control.socket()?);
        let setup = Setup {
            surroundings: receiver,
            pulse: pulse_sender,
            watchdog,
            occurrences: occurrences.clone(),
        };
        let (driver, advert_thread) = driver::start(setup).context("start the advert thread")?;
        let handles = Handles {
            addresses,
            macvlans,
            routes,
            sockets: Sockets::probe(),
            announcer: Arc::new(announcer),
            turns: Arc::new(watch::Sender::default()),
            links: links.clone(),
            hub,
            pulse,
        };
        let (trackers, found) = Trackers::new(links.interfaces.clone());
        let (conflicts, seen) =
            Conflicts::new(Arc::clone(&handles.announcer), links.interfaces.clone());
        let settled = reload::settled(&config, None, &links.interfaces.borrow());
        let mut daemon = Self {
            transaction: Transaction::new(control).context("hear the supervisor")?,
            pause: Pause::remembered(args.paused),
            started,
            config: settled,
            given: config,
            links,
            tracking: Tracking::default(),
            trackers,
            found,
            conflicts,
            seen,
            grace: HealthGrace::default(),
            log: Throttles::new(Throttle::changes(), TRACKERS_LOGGED, HEALTH_LINES),
            routers: Routers::new(driver, handles, surroundings),
            failing_hooks: Vec::new(),
            channels,
            asked,
            occurrences,
            advert_thread,
            signals: Requests::watch()?,
        };
        daemon.take_over_from_predecessor(&args.resume).await;
        Ok(daemon)
    }

    /// Removes what an earlier run left behind, but for the routers that go on where it stopped.
    async fn take_over_from_predecessor(&mut self, resume: &[(RouterId, u64)]) {
        let resume: BTreeMap<RouterId, Instant> = resume
            .iter()
            .map(|(router, millis)| (router.clone(), self.started + Duration::from_millis(*millis)))
            .collect();
        let resumed = || self.config.routers.iter().filter(|r| resume.contains_key(&r.id));
        let relied_on = resumed().flat_map(|router| &router.track);
        let relied_on: Vec<Name> = relied_on.map(|tracked| tracked.name.clone()).collect();
        relied_on.iter().for_each(|tracker| self.tracking.presume(tracker));
        self.grace.trust(relied_on, HEALTH_GRACE);
        let kept: Vec<_> = resumed().collect();
        let links: Vec<_> = resumed().filter_map(|router| router.virtual_mac.clone()).collect();
        self.routers.clean_up(&kept).await;
        self.routers.clean_up_links(&links).await;
        self.trackers.run(&self.config.trackers, &mut self.tracking);
        self.look_around();
        self.tell_absent();
        self.routers.run_all(&self.config, &resume).await;
        self.conflicts.look_out_for(&self.config);
    }

    async fn run(mut self) -> anyhow::Result<()> {
        let mut proof = Some(self.started + PROOF_LIMIT);
        let mut interfaces = self.links.interfaces.clone();
        let mut stopping = false;
        loop {
            tokio::select! {
                biased;
                request = self.signals.next() => match request {
                    Request::End(_) => self.stop(&mut stopping).await,
                    Request::Reload => {
                        info!("SIGHUP ignored: the supervisor reloads");
                    }
                },
                step = self.transaction.next() => self.take_step(step).await,
                Some(asked) = self.asked.recv() => self.asked(asked).await,
                Some(found) = self.found.recv() => self.found(found),
                Some(sighting) = self.seen.recv() => self.conflict_seen(&sighting),
                Ok(()) = interfaces.changed() => self.interfaces_changed().await,
                () = sleep_until(self.grace.ends()) => self.end_health_grace(),
                () = sleep_until(proof) => proof = None,
                () = self.routers.driver_ended(), if stopping => break,
            }
            self.look_around();
        }
        self.end().await
    }

    async fn stop(&mut self, stopping: &mut bool) {
        if *stopping {
            info!("stopping at once: asked again");
        } else {
            info!("stopping: every Active router serves until a peer has taken over");
        }
        *stopping = true;
        self.routers.stop().await;
    }

    async fn end(self) -> anyhow::Result<()> {
        self.routers.wait_for_reconcilers(RECONCILERS_LIMIT).await;
        let joined = self.advert_thread.join();
        self.occurrences.tell(|| Occurrence::Ended);
        if tokio::time::timeout(FAREWELL, self.occurrences.nobody_follows()).await.is_err() {
            info!(limit = ?FAREWELL, "a follower of events did not read the last ones in time");
        }
        match joined {
            Ok(()) => Ok(()),
            Err(_) => anyhow::bail!("the advert thread panicked"),
        }
    }

    async fn asked(&mut self, asked: Asked) {
        match asked {
            Asked::Health(source, health) if self.is_configured(source, &health.tracker) => {
                self.told(health);
            }
            Asked::Health(_, TrackerHealth { tracker, .. }) => {
                debug!(%tracker, "health of what is not configured: ignored");
            }
            Asked::Lost(trackers, reason) => {
                for tracker in &trackers {
                    warn!(proxy = %tracker, reason, "lost the proxy: it counts as unusable");
                    self.lost(tracker);
                }
            }
            Asked::Left(trackers) => {
                warn!(limit = ?UNTOLD, "lost the runner: the last results of its scripts stand for a while");
                self.grace.trust(trackers, UNTOLD);
            }
            Asked::Hooks(failing) => self.failing_hooks = failing,
            Asked::Status(answer) => self.answer(answer),
            Asked::Ordered(order, answer) => {
                self.obey(order).await;
                self.answer(answer);
            }
        }
    }

    /// Somebody claims an address. A router that is about to let go of it has heard from its peer, and so
    /// have we.
    fn conflict_seen(&mut self, sighting: &Sighting) {
        let has = |router: &&RouterConfig| router.managed.ips().any(|ip| ip == sighting.address());
        let router = self.config.routers.iter().find(has);
        if router.is_some_and(|router| self.routers.wants_addresses(&router.id)) {
            self.conflicts.seen(sighting, now());
        }
    }

    async fn obey(&mut self, order: Order) {
        match order {
            Order::HandOver(name, to) => {
                info!(router = name.as_ref().map(Name::as_str), ?to, "handover requested");
                self.routers.driver().hand_over(name, to).await;
            }
            Order::Pause => {
                self.pause.set(true, &self.transaction);
                self.routers.driver().hand_over(None, Vec::new()).await;
            }
            Order::Resume => {
                self.pause.set(false, &self.transaction);
                self.routers.driver().reclaim().await;
            }
        }
        self.look_around();
    }

    /// Publishes what surrounds each router.
    fn look_around(&mut self) {
        let interfaces = self.links.interfaces.borrow().clone();
        for health in self.trackers.interfaces(&interfaces) {
            self.told(health);
        }
        let in_doubt = now() < self.started + PROOF_LIMIT;
        let paused = self.pause.is_on();
        self.routers.look_around(&self.config, &self.tracking, in_doubt, paused);
    }
}
