//! A worker thread: its listening sockets, its connections, its buffers.
//!
//! Owns all of these; follows the plan that the control thread publishes, acknowledges each, and
//! shows whether it waits or works. Without a connection no timer wakes it. Stops: when a plan says so,
//! after every connection has ended.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, LocalSet, spawn_local, yield_now};
use tracing::error;
use vocabulary::Name;

use crate::clock;
use crate::data::accept::{Listener, accept_handoff};
use crate::data::access_line::AccessRecord;
use crate::data::access_log::{AccessLog, Lines};
use crate::data::liveness::Liveness;
use crate::data::pool::{InUse, Pool};
use crate::data::schedule::Schedule;
use crate::data::sessions::Sessions;
use crate::data::spread::{Handoff, Load, Spread};
use crate::net::listen::Listeners;
use crate::pick::Turns;
use crate::plan::backend::BackendSet;
use crate::plan::{Bind, Plan};

/// What a worker starts with.
#[derive(Debug)]
pub(crate) struct Start {
    /// Its number, from 0.
    pub(crate) index: usize,
    /// How many there are.
    pub(crate) workers: usize,
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
    /// Its signs of life.
    pub(crate) liveness: Arc<Liveness>,
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
    let liveness = Arc::new(Liveness::default());
    let (applied, watched) = watch::channel(0);
    let [parking, unparking, own] = [(); 3].map(|()| Arc::clone(&liveness));
    let runtime = Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .on_thread_park(move || parking.parks_or_unparks())
        .on_thread_unpark(move || unparking.parks_or_unparks())
        .build()?;
    let in_use = Arc::clone(&start.in_use);
    let load = spread.load();
    let thread =
        std::thread::Builder::new().name(format!("worker-{}", start.index)).spawn(move || {
            let local = LocalSet::new();
            let worker = Rc::new(Worker::new(&start, spread));
            local.block_on(&runtime, worker.run(start, &own, applied));
            // What has ended does not hang.
            own.parks_or_unparks();
        })?;
    Ok(Handle { liveness, in_use, load, applied: watched, thread })
}

/// What the connections of a worker share.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) sessions: Rc<Sessions>,
    pub(crate) pool: Pool,
    lines: Lines,
    pub(crate) spread: Spread,
    plan: RefCell<Arc<Plan>>,
    /// Whose turn it is among the servers of each proxy.
    turns: RefCell<HashMap<Name, Rc<RefCell<Turns>>>>,
    index: usize,
    schedule: RefCell<Schedule>,
    /// The next thing in the schedule is another one.
    rescheduled: Notify,
}

/// By address, and place among the address's sockets.
type Open = HashMap<(SocketAddr, usize), (Arc<Listeners>, Rc<Listener>, AbortHandle)>;

impl Worker {
    fn new(start: &Start, spread: Spread) -> Self {
        Self {
            sessions: Rc::new(Sessions::new(spread.load())),
            pool: Pool::new(start.pipes),
            lines: start.log.lines(),
            spread,
            plan: RefCell::new(Arc::clone(&start.plans.borrow())),
            turns: RefCell::default(),
            index: start.index,
            schedule: RefCell::default(),
            rescheduled: Notify::new(),
        }
    }

    /// A connection did something: soon it is looked at.
    pub(crate) fn stirred(&self, now: Instant) {
        if self.schedule.borrow_mut().stirred(now) {
            self.rescheduled.notify_one();
        }
    }

    /// Writes an access line.
    pub(crate) fn log(&self, record: &AccessRecord) {
        let now = clock::now();
        self.lines.write(record);
        if self.lines.wait() && self.schedule.borrow_mut().line_waits(now) {
            self.rescheduled.notify_one();
        }
        self.stirred(now);
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

    async fn run(
        self: Rc<Self>,
        mut start: Start,
        liveness: &Liveness,
        applied: watch::Sender<u64>,
    ) {
        let mut open = Open::new();
        let handoffs = spawn_local(Rc::clone(&self).receive()).abort_handle();
        start.plans.mark_changed();
        loop {
            let next = self.schedule.borrow().next();
            tokio::select! {
                biased;
                changed = start.plans.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let plan = Arc::clone(&start.plans.borrow_and_update());
                    self.apply(plan, &mut open, &start).await;
                    let plan = Arc::clone(&self.plan.borrow());
                    applied.send_replace(plan.generation);
                    if plan.stopping {
                        handoffs.abort();
                        return;
                    }
                }
                () = liveness.asked() => {}
                () = self.rescheduled.notified() => {}
                () = clock::sleep_until(next) => {}
            }
            liveness.answer();
            self.do_what_is_due(clock::now(), &start.in_use);
        }
    }

    fn do_what_is_due(&self, now: Instant, in_use: &InUse) {
        if self.schedule.borrow_mut().take_flush(now) {
            self.lines.flush();
        }
        if self.schedule.borrow().is_time_to_look(now) {
            in_use.tell(&self.pool);
            let deadline = self.sessions.enforce(&self.plan.borrow(), now).deadline;
            self.schedule.borrow_mut().looked(deadline, now);
        }
    }

    /// Serves the clients that other workers hand over, until aborted.
    async fn receive(self: Rc<Self>) {
        while let Some(handoff) = poll_fn(|cx| self.spread.poll_handoff(cx)).await {
            self.take(handoff);
        }
    }

    fn take(self: &Rc<Self>, handoff: Handoff) {
        accept_handoff(self, handoff);
        // Whoever handed it over counted it, and now it counts by itself.
        self.sessions.leave();
    }

    /// Carries a plan out; returns when every connection that it ends has ended.
    async fn apply(self: &Rc<Self>, plan: Arc<Plan>, open: &mut Open, start: &Start) {
        *self.plan.borrow_mut() = Arc::clone(&plan);
        self.schedule.borrow_mut().follow(plan.proxies.iter().map(|proxy| &proxy.limits));
        plan.proxies.iter().for_each(|proxy| proxy.queue.all());
        let known = |name: &Name| plan.proxies.iter().any(|proxy| proxy.name == *name);
        self.turns.borrow_mut().retain(|name, _| known(name));
        if plan.stopping {
            for (_, (_, _, task)) in open.drain() {
                task.abort();
            }
            while let Some(handoff) = self.spread.close() {
                self.take(handoff);
            }
        } else {
            self.listen(&plan, open, start);
        }
        if !plan.released.is_empty() {
            for (_, listener, _) in open.values() {
                listener.sweep(self);
            }
        }
        loop {
            let now = clock::now();
            let enforced = self.sessions.enforce(&plan, now);
            self.schedule.borrow_mut().looked(enforced.deadline, now);
            if !enforced.ending {
                return;
            }
            yield_now().await;
        }
    }

    /// Listens where the plan says, and nowhere else.
    fn listen(self: &Rc<Self>, plan: &Plan, open: &mut Open, start: &Start) {
        let mut wanted = HashMap::new();
        for proxy in &plan.proxies {
            for bind in &proxy.binds {
                let places = bind.listeners.places(start.index, start.workers);
                wanted.extend(places.map(|at| ((bind.listeners.address, at), (bind, proxy))));
            }
        }
        open.retain(|place, (listeners, _, task)| {
            let keep =
                wanted.get(place).is_some_and(|(new, _)| Arc::ptr_eq(&new.listeners, listeners));
            if !keep {
                task.abort();
            }
            keep
        });
        for ((address, place), (bind, proxy)) in wanted {
            let Bind { listeners, share } = bind;
            if let Some((_, listener, _)) = open.get(&(address, place)) {
                listener.follow(Arc::clone(proxy));
                continue;
            }
            match listeners.at(place).and_then(TcpListener::from_std) {
                Ok(socket) => {
                    let listener = Rc::new(Listener::new(
                        socket,
                        address,
                        Arc::clone(share),
                        Arc::clone(proxy),
                    ));
                    let accepts = Rc::clone(&listener).run(Rc::clone(self));
                    let task = spawn_local(accepts).abort_handle();
                    open.insert((address, place), (Arc::clone(listeners), listener, task));
                }
                Err(error) => {
                    error!(proxy = %proxy.name, listen = %address, worker = self.index, %error, "a worker cannot accept here");
                }
            }
        }
    }
}
