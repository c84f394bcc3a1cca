//! Stories of a router's resources: events in, operations out, each in a word or two.

pub(super) mod fixtures;
mod holding;
mod leases;
mod macvlans;
mod releasing;
mod routes;
mod stale;

use std::collections::VecDeque;
use std::num::NonZeroU32;

use config::{Lease, RouteConfig, Scope};
use vocabulary::{Family, Name, RouterId};

use self::fixtures::{moment, name, node, plan};
use super::*;
use crate::interfaces::Link;

/// An executor whose kernel does all that it is not told to refuse.
struct Rig {
    reconciler: Reconciler,
    turns: Turns,
    /// Operations whose words begin so fail.
    refused: Vec<&'static str>,
    /// Routes and rules that the kernel does not have.
    missing: Vec<Routing>,
    /// What the election wants by the time that clients have been reset.
    meanwhile: Option<Event>,
}

const HOLD: DesiredState = DesiredState { ownership: Ownership::Hold, announcements: 0 };
const RELIEVED: DesiredState =
    DesiredState { ownership: Ownership::Release(Release::Relieved), announcements: 0 };
const AT_ONCE: DesiredState =
    DesiredState { ownership: Ownership::Release(Release::AtOnce), announcements: 0 };

impl Rig {
    fn new(plan: Plan, interfaces: Interfaces) -> Self {
        let router = RouterId { name: Name::try_from("api").unwrap(), family: Family::Ipv4 };
        let interfaces = Arc::new(interfaces);
        let reconciler =
            Reconciler::new(router, plan, interfaces, DesiredState::RELEASED, moment(0));
        let turns = Turns::default();
        Self { reconciler, turns, refused: vec![], missing: vec![], meanwhile: None }
    }

    /// One at 10.0.0.11/24 for 10.0.0.100/24, which it holds since the start; its burst has begun.
    fn holding(lease: u32) -> Self {
        let mut plan = plan(&[("eth0", "10.0.0.100/24")]);
        plan.lease = NonZeroU32::new(lease).map_or(Lease::Off, Lease::Seconds);
        let mut rig = Self::new(plan, node(&[("eth0", "10.0.0.11/24")]));
        rig.feed(0, Event::Desired(HOLD));
        rig
    }

    /// Feeds an event so many milliseconds after the start, and performs what it asks for.
    fn feed(&mut self, millis: u64, event: Event) -> Vec<String> {
        let mut done = Vec::new();
        for event in [event, Event::Tick] {
            let mut queue = VecDeque::from(self.handle(millis, event));
            while let Some(op) = queue.pop_front() {
                let words = words(&op);
                done.push(words.clone());
                if matches!(op, KernelOp::Report(_)) {
                    continue;
                }
                if let (KernelOp::ResetClients(_), Some(event)) = (&op, self.meanwhile.take()) {
                    queue.extend(self.handle(millis, event));
                }
                let result = self.result(&op, &words);
                for next in self.handle(millis, Event::Done(Box::new(op), result)).into_iter().rev()
                {
                    queue.push_front(next);
                }
            }
        }
        done
    }

    fn handle(&mut self, millis: u64, event: Event) -> Vec<KernelOp> {
        self.reconciler.handle(event, moment(millis), &mut self.turns)
    }

    fn result(&self, op: &KernelOp, words: &str) -> Result<Done, String> {
        if self.refused.iter().any(|refused| words.starts_with(refused)) {
            return Err("no".to_owned());
        }
        if let KernelOp::EnsureMacvlan(_) = op {
            return Ok(Done::Made(true));
        }
        if let KernelOp::CompareRouting(_) = op {
            return Ok(Done::Missing(self.missing.clone()));
        }
        Ok(Done::Yes)
    }

    fn tick(&mut self, millis: u64) -> Vec<String> {
        self.feed(millis, Event::Tick)
    }

    /// The next deadline, in milliseconds after the start.
    fn deadline(&self) -> Option<u128> {
        self.reconciler.deadline().map(|at| (at - moment(0)).as_millis())
    }
}

/// Addresses without their prefixes, with blanks between.
fn list(ips: &[std::net::IpAddr]) -> String {
    ips.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// An operation in a few words.
fn words(op: &KernelOp) -> String {
    match op {
        KernelOp::EnsureMacvlan(macvlan) => format!("ensure {}", macvlan.name),
        KernelOp::RaiseMacvlan(macvlan) => format!("raise {}", macvlan.name),
        KernelOp::LowerMacvlan(name) => format!("lower {name}"),
        KernelOp::RemoveMacvlan(name) => format!("remove {name}"),
        KernelOp::PromoteSecondaries(name) => format!("promote {name}"),
        KernelOp::AddOwnSource(address, own) => format!("own {own} {}", address.ip()),
        KernelOp::RemoveOwnSource(address, own) => format!("disown {own} {}", address.ip()),
        KernelOp::GiveSource { address, index, own, seconds } => {
            format!("give {own} {address} at {index} for {seconds}")
        }
        KernelOp::TakeSource { address, index } => format!("take {address} at {index}"),
        KernelOp::PutAddress { address, lease, renewal } => {
            let seconds = match lease {
                Lease::Off => 0,
                Lease::Seconds(seconds) => seconds.get(),
            };
            let what = if *renewal { "renew" } else { "put" };
            format!("{what} {} at {} for {seconds}", address.config.address, address.index)
        }
        KernelOp::RemoveAddress { address, .. } => format!("delete {}", address.config.address),
        KernelOp::RemoveStale(stale) => format!("clear {} from {}", stale.net, stale.interface),
        KernelOp::Connect { address, index, .. } => format!("connect {address} at {index}"),
        KernelOp::Disconnect { address, index } => format!("disconnect {address} at {index}"),
        KernelOp::CompareRouting(routing) => format!("compare {}", routing.len()),
        KernelOp::AddRouting(routing) => format!("add {routing}"),
        KernelOp::LeaseRoute(routing, seconds) => format!("lease {routing} for {seconds}"),
        KernelOp::RemoveRouting(routing) => format!("drop {routing}"),
        KernelOp::ResetClients(ips) => format!("reset {}", list(ips)),
        KernelOp::DestroySockets(ips) => format!("destroy {}", list(ips)),
        KernelOp::TellActive(ips) => format!("active {}", list(ips)),
        KernelOp::TellBackup(ips) => format!("backup {}", list(ips)),
        KernelOp::Announce(frames) => {
            let ips: Vec<_> = frames.iter().map(|(_, ip)| *ip).collect();
            format!("announce {}", list(&ips))
        }
        KernelOp::Report(Report::Holds { .. }) => "says: holds".to_owned(),
        KernelOp::Report(Report::Released(_)) => "says: released".to_owned(),
        KernelOp::Report(Report::Deleted { address, by, worth, .. }) => {
            format!("says: {address} deleted by {by}, {worth:?}")
        }
        KernelOp::Report(Report::MadeMacvlan(macvlan)) => format!("says: made {}", macvlan.name),
        KernelOp::Report(Report::AddedRouting(routing)) => format!("says: added {routing}"),
        KernelOp::Report(Report::RemovedStale { address, times }) => {
            format!("says: cleared {}, {times} times", address.net)
        }
        KernelOp::Report(Report::Stale(stale)) => {
            format!("says: stale {} on {}", stale.net, stale.interface)
        }
        KernelOp::Report(Report::Failed(failure, error)) => format!("says: {failure:?}, {error}"),
    }
}

/// The default route through 10.0.0.1.
fn default_route() -> RouteConfig {
    RouteConfig {
        destination: "0.0.0.0/0".parse().unwrap(),
        via: Some("10.0.0.1".parse().unwrap()),
        interface: name("eth0"),
        table: 254,
        metric: 0,
        source: None,
        scope: Scope::Global,
    }
}
