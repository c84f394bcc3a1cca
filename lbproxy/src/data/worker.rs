//! A worker thread: its listening sockets, its connections, its buffers.
//!
//! Owns all of these; follows the plan that the control thread publishes, acknowledges each, and
//! beats so that a hang shows. Stops: when a plan says so, after every connection has ended.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::task::{AbortHandle, LocalSet, spawn_local, yield_now};
use tokio::time::{MissedTickBehavior, interval};
use tracing::error;
use vocabulary::Name;

use crate::clock;
use crate::data::accept::{Complaints, Gate, welcome};
use crate::data::access_log::{AccessLog, Lines};
use crate::data::pool::{InUse, Pool};
use crate::data::sessions::Sessions;
use crate::data::spread::{Arrival, Load, Spread};
use crate::net::listen::Listeners;
use crate::pick::Turns;
use crate::plan::Plan;
use crate::plan::backend::BackendSet;

/// How often a worker shows that its event loop goes round; also the grain of its coarse clock.
const BEAT: Duration = Duration::from_millis(25);

/// How often it counts bytes and looks for servers that are mute, in beats.
const LOOK: u64 = 10;

/// Bounds of the time between two judgements of all connections.
const JUDGE_LEAST: Duration = Duration::from_millis(25);
const JUDGE_MOST: Duration = Duration::from_secs(1);

/// What a worker starts with.
#[derive(Debug)]
pub(crate) struct Start {
    /// Its number, from 0.
    pub(crate) index: usize,
    /// How many there are.
    pub(crate) workers: usize,
    /// Connections it may have.
    pub(crate) limit: usize,
    /// Pipes it may have.
    pub(crate) pipes: usize,
    pub(crate) plans: watch::Receiver<Arc<Plan>>,
    pub(crate) log: AccessLog,
    /// Where to tell what is in use.
    pub(crate) in_use: Arc<InUse>,
}

/// What the control thread has of a worker.
#[derive(Debug)]
pub(crate) struct Handle {
    /// Raised at every beat.
    pub(crate) beats: Arc<AtomicU64>,
    pub(crate) in_use: Arc<InUse>,
    /// How many connections it has.
    pub(crate) load: Load,
    /// The newest plan that is fully carried out; closed when the thread has ended.
    pub(crate) applied: watch::Receiver<u64>,
    /// To be joined after it has ended.
    pub(crate) thread: JoinHandle<()>,
}

/// Starts the thread.
///
/// # Errors
/// The system has no thread or no event queue left.
pub(crate) fn spawn(start: Start, spread: Spread) -> io::Result<Handle> {
    let beats = Arc::new(AtomicU64::new(0));
    let (applied, watched) = watch::channel(0);
    let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
    let (beating, in_use) = (Arc::clone(&beats), Arc::clone(&start.in_use));
    let load = spread.load();
    let thread =
        std::thread::Builder::new().name(format!("worker-{}", start.index)).spawn(move || {
            let local = LocalSet::new();
            let worker = Rc::new(Worker::new(&start, spread));
            local.block_on(&runtime, worker.run(start, &beating, applied));
        })?;
    Ok(Handle { beats, in_use, load, applied: watched, thread })
}

/// What the connections of a worker share.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) sessions: Rc<Sessions>,
    pub(crate) pool: Pool,
    pub(crate) log: Lines,
    pub(crate) spread: Spread,
    /// About clients that were handed over in vain.
    pub(crate) complaints: RefCell<Complaints>,
    plan: RefCell<Arc<Plan>>,
    /// Whose turn it is among the servers of each proxy.
    turns: RefCell<HashMap<Name, Rc<RefCell<Turns>>>>,
    index: usize,
    now: Cell<Instant>,
}

/// By address, and place among the address's sockets.
type Gates = HashMap<(SocketAddr, usize), (Arc<Listeners>, Rc<Gate>, AbortHandle)>;

impl Worker {
    fn new(start: &Start, spread: Spread) -> Self {
        Self {
            sessions: Rc::new(Sessions::new(start.limit, spread.load())),
            pool: Pool::new(start.pipes),
            log: start.log.lines(),
            spread,
            complaints: RefCell::default(),
            plan: RefCell::new(Arc::clone(&start.plans.borrow())),
            turns: RefCell::default(),
            index: start.index,
            now: Cell::new(clock::now()),
        }
    }

    /// The time at the last beat: good enough for idle limits, and free.
    pub(crate) fn coarse_now(&self) -> Instant {
        self.now.get()
    }

    /// Whether clients on this local address are to be reset.
    pub(crate) fn is_released(&self, local: IpAddr) -> bool {
        self.plan.borrow().released.contains(&local)
    }

    /// The servers of a proxy as they are now; none if there is no such proxy any more.
    pub(crate) fn latest(&self, proxy: &Name) -> Option<Arc<BackendSet>> {
        let plan = self.plan.borrow();
        plan.proxies.iter().find(|plan| plan.name == *proxy).map(|plan| Arc::clone(&plan.set))
    }

    /// Whose turn it is among the servers of a proxy.
    pub(crate) fn turns_of(&self, proxy: &Name) -> Rc<RefCell<Turns>> {
        let mut turns = self.turns.borrow_mut();
        let first = || Rc::new(RefCell::new(Turns::starting_at(self.index)));
        Rc::clone(turns.entry(proxy.clone()).or_insert_with(first))
    }

    async fn run(self: Rc<Self>, mut start: Start, beats: &AtomicU64, applied: watch::Sender<u64>) {
        let mut gates = Gates::new();
        let arrivals = spawn_local(Rc::clone(&self).receive()).abort_handle();
        start.plans.mark_changed();
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut judged = self.now.get();
        loop {
            tokio::select! {
                biased;
                changed = start.plans.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let plan = Arc::clone(&start.plans.borrow_and_update());
                    self.apply(plan, &mut gates, &start).await;
                    let plan = Arc::clone(&self.plan.borrow());
                    applied.send_replace(plan.generation);
                    if plan.stopping {
                        arrivals.abort();
                        return;
                    }
                }
                _ = beat.tick() => {
                    let now = clock::now();
                    self.now.set(now);
                    let beats = beats.fetch_add(1, Ordering::Relaxed);
                    self.log.flush();
                    if beats.is_multiple_of(LOOK) {
                        self.sessions.look(now);
                        start.in_use.tell(&self.pool);
                    }
                    if now.saturating_duration_since(judged) >= self.grain() {
                        judged = now;
                        let plan = Arc::clone(&self.plan.borrow());
                        self.sessions.judge(&plan, now);
                    }
                }
            }
        }
    }

    /// Serves the clients that other workers hand over, until aborted.
    async fn receive(self: Rc<Self>) {
        while let Some(arrival) = poll_fn(|cx| self.spread.poll_arrival(cx)).await {
            self.take(arrival);
        }
    }

    fn take(self: &Rc<Self>, arrival: Arrival) {
        welcome(self, arrival);
        // Whoever handed it over counted it, and now it counts by itself.
        self.sessions.leave();
    }

    /// Time between two judgements: an eighth of the shortest limit, so that none is overrun by
    /// more than that.
    fn grain(&self) -> Duration {
        let plan = self.plan.borrow();
        let limits = plan.proxies.iter().map(|proxy| &proxy.limits);
        let shortest = limits.map(|limits| limits.idle.min(limits.half_closed)).min();
        shortest.map_or(JUDGE_MOST, |limit| (limit / 8).clamp(JUDGE_LEAST, JUDGE_MOST))
    }

    /// Carries a plan out; returns when every connection that it ends has ended.
    async fn apply(self: &Rc<Self>, plan: Arc<Plan>, gates: &mut Gates, start: &Start) {
        *self.plan.borrow_mut() = Arc::clone(&plan);
        plan.proxies.iter().for_each(|proxy| proxy.queue.all());
        let known = |name: &Name| plan.proxies.iter().any(|proxy| proxy.name == *name);
        self.turns.borrow_mut().retain(|name, _| known(name));
        if plan.stopping {
            for (_, (_, _, task)) in gates.drain() {
                task.abort();
            }
            while let Some(arrival) = self.spread.rest() {
                self.take(arrival);
            }
        } else {
            self.open(&plan, gates, start);
        }
        if !plan.released.is_empty() {
            for (_, gate, _) in gates.values() {
                gate.sweep(self);
            }
        }
        while self.sessions.judge(&plan, clock::now()) {
            yield_now().await;
        }
    }

    fn open(self: &Rc<Self>, plan: &Plan, gates: &mut Gates, start: &Start) {
        let mut wanted = HashMap::new();
        for proxy in &plan.proxies {
            for listeners in &proxy.listeners {
                let places = listeners.places(start.index, start.workers);
                wanted.extend(places.map(|at| ((listeners.address, at), (listeners, proxy))));
            }
        }
        gates.retain(|gate, (listeners, _, task)| {
            let keep = wanted.get(gate).is_some_and(|(new, _)| Arc::ptr_eq(new, listeners));
            if !keep {
                task.abort();
            }
            keep
        });
        for ((address, place), (listeners, proxy)) in wanted {
            if let Some((_, gate, _)) = gates.get(&(address, place)) {
                gate.follow(Arc::clone(proxy));
                continue;
            }
            match listeners.at(place).and_then(TcpListener::from_std) {
                Ok(listener) => {
                    let gate = Gate::new(listener, address, Arc::clone(proxy));
                    let gate = Rc::new(gate);
                    let task = spawn_local(Rc::clone(&gate).run(Rc::clone(self))).abort_handle();
                    gates.insert((address, place), (Arc::clone(listeners), gate, task));
                }
                Err(error) => error!(listen = %address, %error, "this worker cannot accept here"),
            }
        }
    }
}
