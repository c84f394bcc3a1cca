//! A worker's connections: all of them are looked at together, and those that must end are cancelled.
//!
//! A connection is a task that owns its sockets. Here is its control block: what decides whether it may
//! go on. All are looked at whenever the plan changes, soon after something moved, and when the first
//! limit ends; nothing is armed or disarmed for a byte.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use config::Limits;
use slab::Slab;

use crate::data::limits::{Circumstances, Lifetime, ServerFate};
use crate::data::spread::Load;
use crate::plan::Plan;
use crate::plan::backend::ServerCounters;
use crate::plan::capacity::Seat;
use crate::plan::end::End;

/// What decides about one connection.
#[derive(Debug)]
pub(crate) struct ControlBlock {
    local: IpAddr,
    lifetime: RefCell<Lifetime>,
    /// The server, once connected, and its epoch then.
    server: RefCell<Option<(Arc<ServerCounters>, u64)>>,
    /// How many of the moved bytes the server's counters have.
    counted: Cell<(u64, u64)>,
    cancelled: Cell<Option<End>>,
    waker: RefCell<Option<Waker>>,
}

impl ControlBlock {
    pub(crate) fn new(local: IpAddr, limits: Limits, now: Instant) -> Self {
        Self {
            local,
            lifetime: RefCell::new(Lifetime::new(limits, now)),
            server: RefCell::new(None),
            counted: Cell::default(),
            cancelled: Cell::new(None),
            waker: RefCell::new(None),
        }
    }

    /// Another proxy's limits hold.
    pub(crate) fn limit(&self, limits: Limits) {
        self.lifetime.borrow_mut().limit(limits);
    }

    /// From now on the server's death and the idle limits count.
    pub(crate) fn connected(&self, server: Arc<ServerCounters>, epoch: u64, now: Instant) {
        self.lifetime.borrow_mut().connected(now);
        *self.server.borrow_mut() = Some((server, epoch));
    }

    /// So many bytes have been moved to the server and to the client by now.
    pub(crate) fn moved(&self, now: Instant, bytes: (u64, u64)) {
        self.lifetime.borrow_mut().moved(bytes, now);
    }

    /// One side has finished.
    pub(crate) fn half_closed(&self) {
        self.lifetime.borrow_mut().half_closed();
    }

    /// Whether its access line before the end must be written; once.
    pub(crate) fn take_early_line(&self) -> bool {
        self.lifetime.borrow_mut().take_early_line()
    }

    /// Why the connection must end, if it must. Wakes the task when that changes.
    pub(crate) fn poll_cancelled(&self, cx: &Context<'_>) -> Poll<End> {
        if let Some(end) = self.cancelled.get() {
            return Poll::Ready(end);
        }
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Decides; returns when to decide again, at the latest.
    fn enforce(&self, plan: &Plan, now: Instant) -> Option<Instant> {
        self.count();
        if self.cancelled.get().is_some() {
            return None;
        }
        let server = self.server.borrow();
        let fate = server.as_ref().map_or(ServerFate::Serves, |(counters, epoch)| {
            let by_operator = counters.by_operator.load(Ordering::Relaxed);
            match counters.epoch() == *epoch {
                true => ServerFate::Serves,
                false if by_operator => ServerFate::Ended,
                false => ServerFate::WentDown,
            }
        });
        let released = !plan.released.is_empty() && plan.released.contains(&self.local);
        let circumstances = Circumstances { stopping: plan.stopping, released, server: fate };
        let mut lifetime = self.lifetime.borrow_mut();
        let moves = || server.as_ref().is_some_and(|(counters, _)| counters.moves_one());
        let moved = || (lifetime.may_move(now) && moves()).then_some(End::Rebalanced);
        if let Some(end) = lifetime.verdict(circumstances, now).or_else(moved) {
            self.cancelled.set(Some(end));
            self.wake();
            return None;
        }
        if lifetime.is_mute(now)
            && let Some((counters, _)) = &*server
        {
            counters.is_mute();
        }
        if lifetime.has_lasted(now) {
            self.wake();
        }
        lifetime.deadline()
    }

    /// Adds to the server's counters what they do not have.
    fn count(&self) {
        let (up, down) = self.lifetime.borrow().bytes();
        let before = self.counted.replace((up, down));
        if before != (up, down)
            && let Some((counters, _)) = &*self.server.borrow()
        {
            counters.up.fetch_add(up - before.0, Ordering::Relaxed);
            counters.down.fetch_add(down - before.1, Ordering::Relaxed);
        }
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// What a look at all connections found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Enforced {
    /// Some connection is cancelled and has not ended yet.
    pub(crate) ending: bool,
    /// When the first of the others has something to be decided.
    pub(crate) deadline: Option<Instant>,
}

/// All connections of a worker.
#[derive(Debug)]
pub(crate) struct Sessions {
    blocks: RefCell<Slab<Rc<ControlBlock>>>,
    /// How many there are; the other workers add those that they hand over.
    load: Load,
}

impl Sessions {
    pub(crate) fn new(load: Load) -> Self {
        Self { blocks: RefCell::new(Slab::new()), load }
    }

    pub(crate) fn enter(self: &Rc<Self>, block: ControlBlock, seat: Seat) -> Guard {
        let block = Rc::new(block);
        let key = self.blocks.borrow_mut().insert(Rc::clone(&block));
        self.load.fetch_add(1, Ordering::Relaxed);
        Guard { sessions: Rc::clone(self), key, block, _seat: seat }
    }

    /// One that was counted has left, or was not to be counted any more.
    pub(crate) fn leave(&self) {
        self.load.fetch_sub(1, Ordering::Relaxed);
    }

    /// Cancels every connection that must end, counts bytes, looks for servers that have nothing to say
    /// to those who spoke.
    pub(crate) fn enforce(&self, plan: &Plan, now: Instant) -> Enforced {
        let mut enforced = Enforced::default();
        for (_, block) in self.blocks.borrow().iter() {
            let deadline = block.enforce(plan, now);
            enforced.deadline = enforced.deadline.into_iter().chain(deadline).min();
            enforced.ending |= block.cancelled.get().is_some();
        }
        enforced
    }
}

/// A connection's place among the others, until dropped.
#[derive(Debug)]
pub(crate) struct Guard {
    sessions: Rc<Sessions>,
    key: usize,
    block: Rc<ControlBlock>,
    _seat: Seat,
}

impl Guard {
    pub(crate) fn block(&self) -> &ControlBlock {
        &self.block
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.block.count();
        self.sessions.blocks.borrow_mut().remove(self.key);
        self.sessions.leave();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::Duration;

    use super::*;
    use crate::clock;
    use crate::plan::capacity::{Capacity, Share};

    const LOCAL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 100));

    fn limits() -> Limits {
        Limits {
            connect: Duration::from_secs(3),
            idle: Duration::from_secs(10),
            half_closed: Duration::from_secs(5),
            user: Duration::from_secs(9),
            silent: None,
            rebalance: None,
        }
    }

    fn plan(released: &[IpAddr]) -> Plan {
        let released: HashSet<IpAddr> = released.iter().copied().collect();
        Plan { generation: 1, proxies: Vec::new(), released, stopping: false }
    }

    fn sessions() -> Rc<Sessions> {
        Rc::new(Sessions::new(Load::default()))
    }

    fn seat() -> Seat {
        let share = Arc::new(Share::of(&Arc::new(Capacity::new(1))));
        share.seat_in_any_case(&Arc::default())
    }

    #[test]
    fn a_server_that_goes_down_takes_those_along_that_were_connected_before() {
        let start = clock::now();
        let sessions = sessions();
        let server = Arc::new(ServerCounters::default());
        let enter = |epoch| {
            let guard = sessions.enter(ControlBlock::new(LOCAL, limits(), start), seat());
            guard.block().connected(Arc::clone(&server), epoch, start);
            guard
        };
        let before = enter(server.epoch());
        server.end_all(false);
        let after = enter(server.epoch());
        let deadline = Some(start + Duration::from_secs(10));
        assert_eq!(sessions.enforce(&plan(&[]), start), Enforced { ending: true, deadline });
        assert_eq!(before.block().cancelled.get(), Some(End::ServerDown));
        assert_eq!(after.block().cancelled.get(), None);
        server.end_all(true);
        sessions.enforce(&plan(&[]), start);
        assert_eq!(
            before.block().cancelled.get(),
            Some(End::ServerDown),
            "the first reason stands"
        );
        assert_eq!(after.block().cancelled.get(), Some(End::ByOperator));
        drop((before, after));
        assert_eq!(sessions.enforce(&plan(&[]), start), Enforced::default());
    }

    #[test]
    fn so_many_idle_ones_are_moved_as_their_server_has_beyond_its_share() {
        let start = clock::now();
        let sessions = sessions();
        let server = Arc::new(ServerCounters::default());
        let limits = Limits { rebalance: Some(Duration::from_secs(1)), ..limits() };
        let enter = || {
            let guard = sessions.enter(ControlBlock::new(LOCAL, limits, start), seat());
            guard.block().connected(Arc::clone(&server), server.epoch(), start);
            guard
        };
        let guards = [enter(), enter(), enter(), enter()];
        // One waits for its answer.
        guards[0].block().moved(start, (1, 0));
        let ended = || {
            let ends = guards.each_ref().map(|guard| guard.block().cancelled.get());
            ends.map(|end| end == Some(End::Rebalanced))
        };
        server.move_some(2);
        sessions.enforce(&plan(&[]), start);
        assert_eq!(ended(), [false; 4], "they were active a moment ago");
        sessions.enforce(&plan(&[]), start + Duration::from_secs(2));
        assert_eq!(ended(), [false, true, true, false]);
        server.move_some(9);
        sessions.enforce(&plan(&[]), start + Duration::from_secs(2));
        assert_eq!(ended(), [false, true, true, true]);
    }

    #[test]
    fn an_address_that_leaves_takes_its_own_clients_along() {
        let start = clock::now();
        let sessions = sessions();
        let other = "192.0.2.101".parse().unwrap();
        let guards = [LOCAL, other]
            .map(|local| sessions.enter(ControlBlock::new(local, limits(), start), seat()));
        let enforced = sessions.enforce(&plan(&[LOCAL]), start);
        assert_eq!(enforced, Enforced { ending: true, deadline: None });
        let ends = guards.each_ref().map(|guard| guard.block().cancelled.get());
        assert_eq!(ends, [Some(End::AddressReleased), None]);
    }

    #[test]
    fn bytes_are_counted_once_and_the_last_ones_at_the_end() {
        let start = clock::now();
        let sessions = sessions();
        let server = Arc::new(ServerCounters::default());
        let guard = sessions.enter(ControlBlock::new(LOCAL, limits(), start), seat());
        guard.block().connected(Arc::clone(&server), server.epoch(), start);
        let counted = || [&server.up, &server.down].map(|counter| counter.load(Ordering::Relaxed));
        guard.block().moved(start, (7, 20));
        assert_eq!(counted(), [0, 0]);
        sessions.enforce(&plan(&[]), start);
        sessions.enforce(&plan(&[]), start);
        assert_eq!(counted(), [7, 20]);
        guard.block().moved(start, (8, 50));
        drop(guard);
        assert_eq!(counted(), [8, 50]);
    }
}
