//! Performs what the reconciler of a router's addresses, routes and rules decides (`vrrp::reconciler`).
//!
//! One task for each router. It owns nothing but the reconciler: netlink, announcer and link are shared.
//! Stops: when the election has ended, after releasing. Cancel-safe: yes, a cut-off change is redone
//! at the next start, where leftovers are known by their tag.
//!
//! It runs on another thread than the adverts: a netlink request waits in the kernel for whoever holds its
//! lock, and no advert may wait with it. Yet a lease is renewed only as long as the advert thread's pulse
//! is fresh, so that a daemon that no longer advertises loses its addresses.

mod log;
mod perform;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{broadcast, watch};
use vocabulary::RouterId;
use vrrp::desired::DesiredState;
use vrrp::interfaces::Interfaces;
use vrrp::reconciler::{Event, KernelOp, Plan, Reconciler, StaleAddress, Turns};

use self::log::Log;
use crate::channels::Hub;
use crate::clock::{now, sleep_until};
use crate::io::addresses::Addresses;
use crate::io::announce::Announcer;
use crate::io::links::{Gone, Links};
use crate::io::macvlan::Macvlans;
use crate::io::routes::Routes;
use crate::io::sockets::Sockets;

/// The handles that all routers' tasks share.
#[derive(Clone)]
pub struct Handles {
    /// Changes addresses.
    pub addresses: Addresses,
    /// Changes the interfaces of virtual MAC addresses.
    pub macvlans: Macvlans,
    /// Changes routes and rules.
    pub routes: Routes,
    /// Resets other programs' connections.
    pub sockets: Sockets,
    /// Announces addresses.
    pub announcer: Arc<Announcer>,
    /// Whose turn it is to remind of addresses.
    pub turns: Arc<watch::Sender<Turns>>,
    /// Tells of interfaces and of what vanishes.
    pub links: Links,
    /// Tells the proxies.
    pub hub: Hub,
    /// When the advert thread was last alive.
    pub pulse: watch::Receiver<Instant>,
}

/// What is published of a router's addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Managed {
    /// How often others deleted an address.
    pub deletions: u64,
    /// When the kernel deletes the addresses, were nobody to renew their leases.
    pub lease_ends: Option<Instant>,
    /// The addresses that are on this node although the router is not Active here.
    pub stale: Vec<StaleAddress>,
    /// The routes and rules that the kernel refuses, and why.
    pub refused_routing: Vec<(String, String)>,
}

/// One router's task.
pub struct AddressReconciler {
    router: RouterId,
    log: Log,
    reconciler: Reconciler,
    desired: watch::Receiver<DesiredState>,
    /// The election, and with it the desired state, has ended.
    closed: bool,
    plan: watch::Receiver<Plan>,
    interfaces: watch::Receiver<Arc<Interfaces>>,
    gone: broadcast::Receiver<Gone>,
    handles: Handles,
    managed: watch::Sender<Managed>,
}

impl AddressReconciler {
    /// A task that holds nothing yet. In `managed` it publishes what it has.
    #[must_use]
    pub fn new(
        router: RouterId,
        mut desired: watch::Receiver<DesiredState>,
        mut plan: watch::Receiver<Plan>,
        handles: Handles,
        managed: watch::Sender<Managed>,
    ) -> Self {
        let (gone, mut interfaces) = (handles.links.gone(), handles.links.interfaces.clone());
        let first = interfaces.borrow_and_update().clone();
        let (first_desired, planned) =
            (*desired.borrow_and_update(), plan.borrow_and_update().clone());
        let reconciler = Reconciler::new(router.clone(), planned, first, first_desired, now());
        let (closed, log) = (false, Log::new(router.clone()));
        Self { router, log, reconciler, desired, closed, plan, interfaces, gone, handles, managed }
    }

    /// Runs until the election has ended and everything is removed.
    pub async fn run(mut self) {
        self.feed(Event::Tick).await;
        while !self.reconciler.has_ended() {
            let event = self.next().await;
            self.feed(event).await;
        }
    }

    /// Waits for the next event.
    async fn next(&mut self) -> Event {
        let deadline = self.reconciler.deadline();
        tokio::select! {
            biased;
            changed = self.desired.changed(), if !self.closed => match changed {
                Ok(()) => Event::Desired(*self.desired.borrow_and_update()),
                Err(_) => self.end(),
            },
            gone = self.gone.recv() => match gone.unwrap_or(Gone::Anything) {
                Gone::Address { index, ip, by } => Event::AddressGone { index, ip, by },
                Gone::Routing => Event::RoutingGone,
                Gone::Anything => Event::AnythingGone,
            },
            Ok(()) = self.plan.changed() => {
                Event::Plan(Box::new(self.plan.borrow_and_update().clone()))
            }
            // Otherwise nobody is woken by beats.
            Ok(()) = self.handles.pulse.changed(), if self.reconciler.awaits_pulse() => Event::Tick,
            Ok(()) = self.interfaces.changed() => {
                Event::Interfaces(self.interfaces.borrow_and_update().clone())
            }
            () = sleep_until(deadline), if deadline.is_some() => Event::Tick,
        }
    }

    fn end(&mut self) -> Event {
        self.closed = true;
        Event::End
    }

    /// Feeds an event, with what has to be known before and what is due after it.
    async fn feed(&mut self, event: Event) {
        let pulse = *self.handles.pulse.borrow_and_update();
        self.work(Event::Pulse(pulse)).await;
        if matches!(event, Event::AddressGone { .. })
            && self.interfaces.has_changed().is_ok_and(|c| c)
        {
            // It may be back already.
            let interfaces = self.interfaces.borrow_and_update().clone();
            self.work(Event::Interfaces(interfaces)).await;
        }
        self.work(event).await;
        self.work(Event::Tick).await;
        let (deletions, lease_ends) = (self.reconciler.deletions(), self.reconciler.lease_ends());
        let stale = self.reconciler.stale();
        let refused = self.reconciler.refused_routing();
        let refused_routing = refused.map(|(what, error)| (what.clone(), error.clone())).collect();
        self.managed.send_replace(Managed { deletions, lease_ends, stale, refused_routing });
    }

    /// Performs what is to be done about an event, one operation after another.
    async fn work(&mut self, event: Event) {
        let mut queue: VecDeque<KernelOp> = self.handle(event).into();
        while let Some(op) = queue.pop_front() {
            if let KernelOp::Report(report) = op {
                self.log.take(&report, now());
                continue;
            }
            // What is rare is large, and in a box: hundreds of tasks wait most of the time.
            let result = Box::pin(self.perform(&op)).await;
            if let KernelOp::ResetClients(_) = op {
                queue.extend(self.look_at_desired());
            }
            for next in self.handle(Event::Done(Box::new(op), result)).into_iter().rev() {
                queue.push_front(next);
            }
        }
    }

    /// It may have changed while the clients were reset.
    fn look_at_desired(&mut self) -> Vec<KernelOp> {
        let event = match self.desired.has_changed() {
            Ok(true) => Event::Desired(*self.desired.borrow_and_update()),
            Err(_) if !self.closed => self.end(),
            Ok(false) | Err(_) => return Vec::new(),
        };
        self.handle(event)
    }

    fn handle(&mut self, event: Event) -> Vec<KernelOp> {
        let (reconciler, mut ops) = (&mut self.reconciler, Vec::new());
        self.handles.turns.send_modify(|turns| ops = reconciler.handle(event, now(), turns));
        ops
    }
}
