//! The whole program: start, the control thread's loop, reload, end.
//!
//! Exit codes: 0 ended in order; 1 failed at start or while it ran; 2 wrong usage or configuration;
//! 128 + the signal's number when a second SIGTERM or SIGINT ended it at once.

mod handoff;
mod reload;
mod serve;

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use config::Config;
use process::alarm::Alarm;
use process::signals::{self, Request as Signalled, Requests};
use process::telemetry;
use process::transaction::Transaction;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tracing::{error, info, warn};

use self::handoff::HandoffState;
use self::reload::Staged;
use crate::cli::Args;
use crate::clock;
use crate::control::prepare::{Prepared, Source, StartError, prepare};
use crate::control::questions::Asked;
use crate::control::vrrpd::{Event, ToSpeaker};
use crate::control::{Bound, Control, Ends, empty_plan};
use crate::control::{pulse, watchdog};
use crate::data::access_log::AccessLog;
use crate::data::spread::Spread;
use crate::data::worker;
use crate::health::outcome::Report;
use crate::health::runner::CheckRunner;
use crate::health::thread::CheckThread;
use crate::net::descriptors;
use crate::plan::Plan;

/// Outcomes of checks waiting for the control thread. A check that finds it full waits; a server's
/// next check begins after that.
const RESULTS: usize = 64;

/// News from `vrrpd` waiting for the control thread, and answers waiting for its channel.
const NEWS: usize = 64;

/// Questions waiting for the control thread: the console and a successor ask one at a time.
const QUESTIONS: usize = 4;

/// Channels to `vrrpd` waiting for the one before to end.
const STREAMS: usize = 4;

/// What the workers may take to end.
const END: Duration = Duration::from_secs(1);

/// Runs the proxy until a signal ends it. Call it while the process has one thread, and before
/// logging was started: it gives its privileges up and starts logging itself.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    signals::hold();
    let source = Source::read();
    if let Err(StartError::Configuration(problems)) = &source {
        // Where nobody reads it there is nobody to tell.
        drop(write!(io::stderr(), "{problems}"));
        return ExitCode::from(2);
    }
    let prepared = source.and_then(|source| prepare(args, source));
    // From here on there may be threads: the privileges are gone.
    let _logging = telemetry::init();
    match prepared.and_then(start) {
        Ok(code) => code,
        Err(error) => {
            error!(%error, "stopped");
            ExitCode::from(error.code())
        }
    }
}

fn start(prepared: Prepared) -> Result<ExitCode, StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| StartError::System { what: "make the runtime", source })?;
    let (log, _flush) = AccessLog::start(prepared.source.config.lbproxy.log_format)
        .map_err(|source| StartError::System { what: "use standard output", source })?;
    let outcome = runtime.block_on(async { Daemon::start(prepared, log)?.run().await });
    // A hung worker must not hold up the end of the others.
    runtime.shutdown_background();
    outcome
}

/// The running control thread.
struct Daemon {
    config: Config,
    control: Control,
    started: Instant,
    log: AccessLog,
    workers: Vec<worker::Handle>,
    results: mpsc::Receiver<Report>,
    ask: mpsc::Sender<Asked>,
    asked: mpsc::Receiver<Asked>,
    news: mpsc::Receiver<Event>,
    alive: watch::Receiver<bool>,
    /// How long the supervisor shall wait for a tick.
    patience: watch::Sender<Duration>,
    /// Time between two heartbeats.
    pace: watch::Sender<Duration>,
    /// Channels to `vrrpd` go there.
    streams: mpsc::Sender<UnixStream>,
    to_vrrpd: Option<ToSpeaker>,
    vrrpd_task: Option<AbortHandle>,
    handoff: HandoffState,
    transaction: Transaction<Staged>,
    signals: Requests,
}

impl Daemon {
    fn start(prepared: Prepared, log: AccessLog) -> Result<Self, StartError> {
        let failed = |what| move |source: io::Error| StartError::System { what, source };
        prepared
            .doubts
            .iter()
            .for_each(|doubt| warn!(reason = %doubt, "cannot give a privilege up"));
        let Source { config, control: orders, .. } = prepared.source;
        let signals = Requests::watch().map_err(failed("watch for signals"))?;
        let capacity = capacity(&config, &prepared.bound, prepared.workers, prepared.files);
        let (plans, watched) = watch::channel(empty_plan());
        let pipes = descriptors::pipes_per_worker(prepared.files, prepared.workers);
        let workers = spawn_workers(prepared.workers, pipes, &watched, &log)?;
        let (found, results) = mpsc::channel(RESULTS);
        let (ask, asked) = mpsc::channel(QUESTIONS);
        let (events, news) = mpsc::channel(NEWS);
        let (answers, answered) = mpsc::channel(NEWS);
        let (scores, scored) = watch::channel(Vec::new());
        let (pace, alive) = start_beats(&workers, &config).map_err(failed("watch the time"))?;
        let (patience, patient) = watch::channel(watchdog::patience(&config));
        let (streams, streamed) = mpsc::channel(STREAMS);
        let mut handoff = HandoffState::new();
        handoff.tick(&orders, alive.clone(), patient).map_err(failed("tick"))?;
        let applied = workers.iter().map(|worker| worker.applied.clone()).collect();
        let thread = CheckThread::start().map_err(failed("start the thread of checks"))?;
        let checks = CheckRunner::new(thread, found);
        let ends = Ends { checks, plans, scores, applied, answers };
        let mut control = Control::new(ends, prepared.workers, capacity);
        let started = clock::now();
        if prepared.received.is_some() {
            control.wait();
        }
        control.remember(prepared.orders, started);
        let left = handoff.inherit(prepared.received, started);
        control.inherit(left.map_err(failed("talk to the predecessor"))?, started);
        control.configure(&config, prepared.bound, prepared.checks, started);
        tell_start(config.proxies.len(), workers.len(), capacity);
        let to_vrrpd = ToSpeaker {
            streams: streamed,
            scores: scored,
            beat: alive.clone(),
            events,
            answers: answered,
        };
        let mut daemon = Self {
            config,
            control,
            started,
            log,
            workers,
            results,
            ask,
            asked,
            news,
            alive,
            patience,
            pace,
            streams,
            to_vrrpd: Some(to_vrrpd),
            vrrpd_task: None,
            handoff,
            transaction: Transaction::new(orders).map_err(failed("hear the supervisor"))?,
            signals,
        };
        daemon.talk_to_vrrpd();
        daemon.serve_all(prepared.channels).map_err(failed("use a channel"))?;
        Ok(daemon)
    }

    async fn run(&mut self) -> Result<ExitCode, StartError> {
        let mut first_worker = self.workers.iter().map(|w| w.applied.clone()).collect::<Vec<_>>();
        loop {
            tokio::select! {
                biased;
                signal = self.signals.next() => match signal {
                    Signalled::End(signal) => return Ok(self.end(signal.as_str()).await),
                    Signalled::Reload => {
                        info!("SIGHUP ignored: the supervisor reloads");
                    }
                },
                Some(event) = self.news.recv() => match event {
                    Event::Connected => self.control.forget_ownership(),
                    Event::Heard(news) => self.control.own(news),
                },
                Some(found) = self.results.recv() => self.control.observe(found, clock::now()),
                Some(asked) = self.asked.recv() => self.answer(asked),
                step = self.transaction.next() => self.take_step(step),
                _ = self.handoff.look(), if self.handoff.is_between() => {
                    self.relieve();
                    if let Some(words) = self.drained() {
                        return Ok(self.end(words).await);
                    }
                }
                () = clock::sleep_until(self.control.next()) => {
                    self.control.do_what_is_due(clock::now());
                }
                () = any_ended(&mut first_worker) => {
                    return Err(StartError::WorkerEnded);
                }
            }
        }
    }

    /// Talks to `vrrpd` once there are routers. Where they are gone later it does no harm.
    fn talk_to_vrrpd(&mut self) {
        if !self.config.routers.is_empty()
            && !self.handoff.waits()
            && let Some(to_vrrpd) = self.to_vrrpd.take()
        {
            self.vrrpd_task = Some(tokio::spawn(to_vrrpd.run()).abort_handle());
        }
    }

    async fn end(&mut self, why: &str) -> ExitCode {
        info!(signal = why, "stopping");
        if let Some(task) = self.vrrpd_task.take() {
            task.abort();
        }
        let ended = self.control.stop(END);
        tokio::select! {
            biased;
            signal = self.signals.end() => {
                let number = u8::try_from(signal as i32).unwrap_or_default();
                return ExitCode::from(128 + number);
            }
            in_time = ended => if !in_time {
                warn!("a worker did not end in time: leaving it behind");
                return ExitCode::SUCCESS;
            }
        }
        for worker in self.workers.drain(..) {
            // It has said that it ended; a panic has been printed by itself.
            drop(worker.thread.join());
        }
        info!("ended");
        ExitCode::SUCCESS
    }
}

/// Connections for which there are files; says if they are few.
fn capacity(config: &Config, bound: &Bound, workers: usize, files: u64) -> usize {
    let servers = config.proxies.iter().map(|proxy| proxy.servers.len()).sum();
    let sessions = workers * descriptors::sessions_per_worker(files, workers, bound.len(), servers);
    let allowed = descriptors::allowed(&config.proxies);
    if let Some(words) = descriptors::shortage(files, sessions as u64, allowed) {
        warn!(reason = words, "further clients will wait: raise LimitNOFILE of the unit");
    }
    sessions
}

fn tell_start(proxies: usize, workers: usize, connections: usize) {
    let version = env!("CARGO_PKG_VERSION");
    info!(version, proxies, workers, connections, "started");
}

fn spawn_workers(
    count: usize,
    pipes: usize,
    plans: &watch::Receiver<Arc<Plan>>,
    log: &AccessLog,
) -> Result<Vec<worker::Handle>, StartError> {
    let spreads = Spread::over(count).into_iter().enumerate();
    spreads
        .map(|(index, spread)| {
            let (plans, log) = (plans.clone(), log.clone());
            let in_use = Arc::default();
            let workers = count;
            let start = worker::Start { index, workers, pipes, plans, log, in_use };
            worker::spawn(start, spread)
        })
        .collect::<io::Result<_>>()
        .map_err(|source| StartError::System { what: "start the workers", source })
}

/// The proxy's heartbeat: its pace, and what it says.
fn start_beats(
    workers: &[worker::Handle],
    config: &Config,
) -> io::Result<(watch::Sender<Duration>, watch::Receiver<bool>)> {
    let (beats, alive) = watch::channel(true);
    let (pace, paced) = watch::channel(watchdog::pace(config));
    let liveness = workers.iter().map(|worker| Arc::clone(&worker.liveness)).collect();
    tokio::spawn(pulse::run(liveness, Alarm::new()?, paced, beats));
    Ok((pace, alive))
}

/// Waits until some worker thread has ended. Cancel-safe.
async fn any_ended(workers: &mut [watch::Receiver<u64>]) {
    let each = workers
        .iter_mut()
        .map(|worker| Box::pin(async { while worker.changed().await.is_ok() {} }));
    let mut each: Vec<_> = each.collect();
    std::future::poll_fn(|cx| {
        let ended = each.iter_mut().any(|worker| worker.as_mut().poll(cx).is_ready());
        if ended { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}
