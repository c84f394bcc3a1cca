//! A worker's connections: who must end, and why.
//!
//! A connection is a task that owns its sockets. Here is its ticket: what decides whether it may
//! go on. All tickets are judged at once, whenever the plan changes and at a coarse tick; nothing
//! is armed or disarmed for a byte.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use config::Limits;
use slab::Slab;
use tokio::sync::Notify;

use crate::data::spread::Load;
use crate::plan::Plan;
use crate::plan::backend::ServerCounters;
use crate::plan::end::End;

/// A server that leaves a client without a byte for so long may have stopped: half of what an
/// impatient client waits.
const MUTE: Duration = Duration::from_millis(500);

/// What decides about one connection.
#[derive(Debug)]
pub(crate) struct Ticket {
    local: IpAddr,
    /// Of the proxy whose servers it gets.
    limits: Cell<Limits>,
    /// The server, once connected, and its epoch then.
    server: RefCell<Option<(Arc<ServerCounters>, u64)>>,
    accepted: Instant,
    /// Its access line before the end.
    early: Cell<Early>,
    last_byte: Cell<Instant>,
    /// Since when the client waits for the server's first byte after its own.
    asked: Cell<Option<Instant>>,
    /// Bytes moved to the server and to the client, and how many of them its counters have.
    moved: Cell<(u64, u64)>,
    counted: Cell<(u64, u64)>,
    half_closed: Cell<bool>,
    told: Cell<Option<End>>,
    waker: RefCell<Option<Waker>>,
}

/// The access line of a connection that lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Early {
    NotYet,
    Due,
    Written,
}

impl Ticket {
    pub(crate) fn new(local: IpAddr, limits: Limits, now: Instant) -> Self {
        Self {
            local,
            limits: Cell::new(limits),
            server: RefCell::new(None),
            accepted: now,
            early: Cell::new(Early::NotYet),
            last_byte: Cell::new(now),
            asked: Cell::new(None),
            moved: Cell::default(),
            counted: Cell::default(),
            half_closed: Cell::new(false),
            told: Cell::new(None),
            waker: RefCell::new(None),
        }
    }

    /// Another proxy's limits hold.
    pub(crate) fn limit(&self, limits: Limits) {
        self.limits.set(limits);
    }

    /// From now on the server's death and the idle limits count.
    pub(crate) fn connected(&self, server: Arc<ServerCounters>, epoch: u64, now: Instant) {
        self.last_byte.set(now);
        *self.server.borrow_mut() = Some((server, epoch));
    }

    /// So many bytes were moved to the server and to the client by this (coarse) time.
    pub(crate) fn moved(&self, now: Instant, bytes: (u64, u64)) {
        let before = self.moved.replace(bytes);
        if bytes == before {
            return;
        }
        self.last_byte.set(now);
        if bytes.1 != before.1 {
            self.asked.set(None);
        } else if self.asked.get().is_none() {
            self.asked.set(Some(now));
        }
    }

    /// Adds to the server's counters what they do not have.
    fn count(&self) {
        let (up, down) = self.moved.get();
        let before = self.counted.replace((up, down));
        if before != (up, down)
            && let Some((counters, _)) = &*self.server.borrow()
        {
            counters.up.fetch_add(up - before.0, Ordering::Relaxed);
            counters.down.fetch_add(down - before.1, Ordering::Relaxed);
        }
    }

    /// Tells of a server that has let its client wait for too long, once for each wait.
    fn doubt(&self, now: Instant) {
        let mute = |asked| now.saturating_duration_since(asked) >= MUTE;
        if self.asked.get().is_some_and(mute)
            && let Some((counters, _)) = &*self.server.borrow()
        {
            self.asked.set(None);
            counters.is_mute();
        }
    }

    /// Whether its access line before the end must be written; once.
    pub(crate) fn is_due(&self) -> bool {
        let due = self.early.get() == Early::Due;
        if due {
            self.early.set(Early::Written);
        }
        due
    }

    /// Has the access line of a connection written that has lasted long enough.
    fn remind(&self, now: Instant) {
        if self.early.get() != Early::NotYet {
            return;
        }
        let lasted = now.saturating_duration_since(self.accepted);
        let long = self.limits.get().silent.is_some_and(|limit| lasted >= limit);
        if long && self.server.borrow().is_some() {
            self.early.set(Early::Due);
            if let Some(waker) = self.waker.take() {
                waker.wake();
            }
        }
    }

    /// One side has finished.
    pub(crate) fn half_closed(&self) {
        self.half_closed.set(true);
    }

    /// Why the connection must end, if it must. Wakes the task when that changes.
    pub(crate) fn poll_told(&self, cx: &Context<'_>) -> Poll<End> {
        if let Some(end) = self.told.get() {
            return Poll::Ready(end);
        }
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    fn verdict(&self, plan: &Plan, now: Instant) -> Option<End> {
        if plan.stopping {
            return Some(End::Shutdown);
        }
        if plan.released.contains(&self.local) {
            return Some(End::AddressReleased);
        }
        // Before a server is connected the deadline for that is the only limit.
        let server = self.server.borrow();
        let (counters, epoch) = server.as_ref()?;
        if counters.epoch() != *epoch {
            let by_operator = counters.by_operator.load(Ordering::Relaxed);
            return Some(if by_operator { End::ByOperator } else { End::ServerDown });
        }
        let silent = now.saturating_duration_since(self.last_byte.get());
        let limits = self.limits.get();
        match self.half_closed.get() {
            true if silent >= limits.half_closed => Some(End::HalfClosedTimeout),
            false if silent >= limits.idle => Some(End::IdleTimeout),
            _ => None,
        }
    }

    fn tell(&self, end: End) {
        self.told.set(Some(end));
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// All connections of a worker.
#[derive(Debug)]
pub(crate) struct Sessions {
    tickets: RefCell<Slab<Rc<Ticket>>>,
    /// How many there are; the other workers add those that they hand over.
    load: Load,
    limit: usize,
    room: Notify,
}

impl Sessions {
    pub(crate) fn new(limit: usize, load: Load) -> Self {
        Self { tickets: RefCell::new(Slab::new()), load, limit, room: Notify::new() }
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) fn is_full(&self) -> bool {
        self.load.load(Ordering::Relaxed) >= self.limit
    }

    /// Waits until a connection has ended. Cancel-safe.
    pub(crate) async fn room(&self) {
        while self.is_full() {
            self.room.notified().await;
        }
        // Another listener may be waiting as well.
        self.room.notify_one();
    }

    pub(crate) fn enter(self: &Rc<Self>, ticket: Ticket) -> Seat {
        let ticket = Rc::new(ticket);
        let key = self.tickets.borrow_mut().insert(Rc::clone(&ticket));
        self.load.fetch_add(1, Ordering::Relaxed);
        Seat { sessions: Rc::clone(self), key, ticket }
    }

    /// One that was counted has left, or was not to be counted any more.
    pub(crate) fn leave(&self) {
        if self.load.fetch_sub(1, Ordering::Relaxed) >= self.limit {
            self.room.notify_one();
        }
    }

    /// Counts bytes, and looks for servers that have nothing to say to those who spoke.
    pub(crate) fn look(&self, now: Instant) {
        for (_, ticket) in self.tickets.borrow().iter() {
            ticket.count();
            ticket.doubt(now);
        }
    }

    /// Tells every connection that must end; returns whether there is one.
    pub(crate) fn judge(&self, plan: &Plan, now: Instant) -> bool {
        let mut any = false;
        for (_, ticket) in self.tickets.borrow().iter() {
            if ticket.told.get().is_none()
                && let Some(end) = ticket.verdict(plan, now)
            {
                ticket.tell(end);
            }
            ticket.remind(now);
            any |= ticket.told.get().is_some();
        }
        any
    }
}

/// A connection's place among the others, until dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    sessions: Rc<Sessions>,
    key: usize,
    ticket: Rc<Ticket>,
}

impl Seat {
    pub(crate) fn ticket(&self) -> &Ticket {
        &self.ticket
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.ticket.count();
        self.sessions.tickets.borrow_mut().remove(self.key);
        self.sessions.leave();
    }
}
