//! One router's part of a node's kernel, and the reconciler that manages it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use config::{Lease, RouterConfig};

use crate::desired::DesiredState;
use crate::interfaces::{Configured, Interfaces, Link};
use crate::reconciler::{Done, Event, KernelOp, Plan, Reconciler, Turns};
use crate::router::Place;

/// What a kernel has of one router.
#[derive(Clone, Debug)]
pub(super) struct Kernel {
    reconciler: Reconciler,
    interfaces: Arc<Interfaces>,
    /// The addresses that are there, and when they leave by themselves.
    held: Vec<(IpAddr, Option<Instant>)>,
    /// How many there are to be.
    wanted: usize,
}

impl Kernel {
    /// One that has nothing, of a router at `place`.
    pub(super) fn new(config: &RouterConfig, place: Place, now: Instant) -> Self {
        let interfaces = Arc::new(interfaces(config, place));
        let wanted = config.managed.addresses.len();
        let reconciler = reconciler(config, &interfaces, DesiredState::RELEASED, now);
        Self { reconciler, interfaces, held: vec![], wanted }
    }

    /// A daemon starts; it inherits what its predecessor left, or removes it.
    pub(super) fn start(
        &mut self,
        config: &RouterConfig,
        desired: DesiredState,
        inherits: bool,
        now: Instant,
    ) {
        if !inherits {
            self.held.clear();
        }
        self.wanted = config.managed.addresses.len();
        self.reconciler = reconciler(config, &self.interfaces, desired, now);
    }

    /// Until when it has all the addresses; none: it has not.
    pub(super) fn owned_until(&self, start: Instant) -> Option<Duration> {
        let ends = self.held.iter().map(|(_, end)| match end {
            Some(end) => end.saturating_duration_since(start),
            None => Duration::MAX,
        });
        ends.min().filter(|_| self.held.len() >= self.wanted)
    }

    /// When the reconciler has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.reconciler.deadline()
    }

    /// What left by itself has left, and netlink's messages were lost.
    pub(super) fn expire(&mut self, now: Instant) -> bool {
        let before = self.held.len();
        self.held.retain(|(_, end)| end.is_none_or(|end| now < end));
        self.held.len() < before
    }

    /// Another configuration.
    pub(super) fn plan(&mut self, config: &RouterConfig) -> Event {
        self.wanted = config.managed.addresses.len();
        Event::Plan(Box::new(Plan::of(config)))
    }

    /// Feeds the reconciler and does what it asks for; `desired` is what is desired by now. Tells whether the
    /// addresses were announced.
    pub(super) fn feed(
        &mut self,
        event: Event,
        desired: DesiredState,
        now: Instant,
        turns: &mut Turns,
    ) -> bool {
        // The advert thread of a daemon that runs is alive.
        let mut announced = self.perform(Event::Pulse(now), desired, now, turns);
        announced |= self.perform(event, desired, now, turns);
        announced | self.perform(Event::Tick, desired, now, turns)
    }

    fn perform(
        &mut self,
        event: Event,
        desired: DesiredState,
        now: Instant,
        turns: &mut Turns,
    ) -> bool {
        let mut ops = self.reconciler.handle(event, now, turns);
        ops.reverse();
        let mut announced = false;
        while let Some(op) = ops.pop() {
            let done = match &op {
                KernelOp::Report(_) => continue,
                KernelOp::EnsureMacvlan(_) => Done::Made(true),
                KernelOp::CompareRouting(_) => Done::Missing(vec![]),
                KernelOp::PutAddress { address, lease, .. } => {
                    self.put(address.ip(), *lease, now);
                    Done::Yes
                }
                KernelOp::RemoveAddress { address, .. } => {
                    self.held.retain(|(held, _)| *held != address.ip());
                    Done::Yes
                }
                KernelOp::Announce(_) => {
                    announced = true;
                    Done::Yes
                }
                KernelOp::ResetClients(_) => {
                    let meanwhile = self.reconciler.handle(Event::Desired(desired), now, turns);
                    ops.extend(meanwhile.into_iter().rev());
                    Done::Yes
                }
                KernelOp::RaiseMacvlan(_)
                | KernelOp::LowerMacvlan(_)
                | KernelOp::RemoveMacvlan(_)
                | KernelOp::PromoteSecondaries(_)
                | KernelOp::AddOwnSource(..)
                | KernelOp::RemoveOwnSource(..)
                | KernelOp::GiveSource { .. }
                | KernelOp::TakeSource { .. }
                | KernelOp::RemoveStale(_)
                | KernelOp::Connect { .. }
                | KernelOp::Disconnect { .. }
                | KernelOp::AddRouting(_)
                | KernelOp::LeaseRoute(..)
                | KernelOp::RemoveRouting(_)
                | KernelOp::DestroySockets(_)
                | KernelOp::TellActive(_)
                | KernelOp::TellBackup(_) => Done::Yes,
            };
            let next = self.reconciler.handle(Event::Done(Box::new(op), Ok(done)), now, turns);
            ops.extend(next.into_iter().rev());
        }
        announced
    }

    fn put(&mut self, ip: IpAddr, lease: Lease, now: Instant) {
        let end = match lease {
            Lease::Off => None,
            Lease::Seconds(seconds) => Some(now + Duration::from_secs(seconds.get().into())),
        };
        match self.held.iter_mut().find(|(held, _)| *held == ip) {
            Some((_, known)) => *known = end,
            None => self.held.push((ip, end)),
        }
    }
}

fn reconciler(
    config: &RouterConfig,
    interfaces: &Arc<Interfaces>,
    desired: DesiredState,
    now: Instant,
) -> Reconciler {
    let (id, plan) = (config.id.clone(), Plan::of(config));
    Reconciler::new(id, plan, Arc::clone(interfaces), desired, now)
}

/// Whatever a configuration names is there; its own interface has the source of its adverts.
fn interfaces(config: &RouterConfig, place: Place) -> Interfaces {
    let plan = Plan::of(config);
    let others = plan.managed.addresses.iter().map(|address| &address.interface);
    let mut interfaces = Interfaces::default();
    for (index, name) in (place.index..).zip(std::iter::once(&config.interface).chain(others)) {
        if interfaces.named(name).is_none() {
            let (name, running, loopback) = (name.clone(), true, false);
            interfaces
                .put(index, Link { name, running, loopback, mac: None, upon: None, mtu: None });
        }
    }
    let Place { index, source, prefix_len } = place;
    let own = Configured {
        ip: source,
        prefix_len,
        ours: false,
        by_keepalived: false,
        permanent: true,
        tentative: false,
        secondary: false,
    };
    interfaces.put_address(index, own);
    interfaces
}
