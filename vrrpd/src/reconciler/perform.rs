//! Performs one operation.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::net::IpAddr;

use process::messages::{Ownership, OwnershipState};
use vocabulary::{Family, InterfaceName};
use vrrp::reconciler::{Done, KernelOp, Routing};

use super::AddressReconciler;
use crate::io::secondaries;

/// What came of it, or the kernel's words.
type Outcome = Result<Done, String>;

impl AddressReconciler {
    pub(super) async fn perform(&self, op: &KernelOp) -> Outcome {
        let handles = &self.handles;
        let (addresses, routes, macvlans) =
            (&handles.addresses, &handles.routes, &handles.macvlans);
        match op {
            KernelOp::EnsureMacvlan(wanted) => {
                macvlans.ensure(wanted).await.map(Done::Made).map_err(words)
            }
            KernelOp::RaiseMacvlan(macvlan) => done(macvlans.raise(macvlan).await),
            KernelOp::LowerMacvlan(name) => done(macvlans.lower(name).await),
            KernelOp::RemoveMacvlan(name) => {
                done(macvlans.remove_unless(|other: &str| other != name.as_str()).await)
            }
            KernelOp::PromoteSecondaries(name) => done(secondaries::outlive_their_primary(name)),
            KernelOp::AddOwnSource(address, own) => {
                done(addresses.add_own_source(address, *own).await)
            }
            KernelOp::RemoveOwnSource(address, own) => {
                done(addresses.remove_own_source(address, *own).await)
            }
            KernelOp::GiveSource { address, index, own, seconds } => {
                done(routes.give_source(*address, *index, *own, *seconds).await)
            }
            KernelOp::TakeSource { address, index } => {
                done(routes.take_source(*address, *index).await)
            }
            KernelOp::PutAddress { address, lease, .. } => {
                done(addresses.add(address, *lease).await)
            }
            KernelOp::RemoveAddress { address, .. } => done(addresses.remove(address).await),
            KernelOp::RemoveStale(stale) => done(addresses.remove_stale(stale).await),
            KernelOp::Connect { address, index, lease } => {
                done(routes.connect(*address, *index, *lease).await)
            }
            KernelOp::Disconnect { address, index } => {
                done(routes.disconnect(*address, *index).await)
            }
            KernelOp::CompareRouting(wanted) => self.missing(wanted).await,
            KernelOp::AddRouting(routing) => done(routes.add(routing).await),
            KernelOp::LeaseRoute(routing, seconds) => done(routes.lease(routing, *seconds).await),
            KernelOp::RemoveRouting(routing) => done(routes.remove(routing).await),
            KernelOp::ResetClients(ips) => {
                handles.hub.release(self.ownership(ips, OwnershipState::Releasing)).await;
                Ok(Done::Yes)
            }
            KernelOp::DestroySockets(ips) => {
                handles.sockets.destroy(ips.clone()).await;
                Ok(Done::Yes)
            }
            KernelOp::TellActive(ips) => self.tell(ips, OwnershipState::Active).await,
            KernelOp::TellBackup(ips) => self.tell(ips, OwnershipState::Backup).await,
            KernelOp::Announce(frames) => done(self.announce(frames)),
            KernelOp::Report(_) => Ok(Done::Yes),
        }
    }

    async fn missing(&self, wanted: &[Routing]) -> Outcome {
        let ours = self.handles.routes.ours().await.map_err(words)?;
        let missing = wanted.iter().filter(|routing| !ours.has(routing));
        Ok(Done::Missing(missing.cloned().collect()))
    }

    async fn tell(&self, ips: &[IpAddr], state: OwnershipState) -> Outcome {
        self.handles.hub.tell(self.ownership(ips, state)).await;
        Ok(Done::Yes)
    }

    fn ownership(&self, ips: &[IpAddr], state: OwnershipState) -> Ownership {
        Ownership { router: self.router.clone(), addresses: ips.to_vec(), state }
    }

    /// One that was lost does not keep the others back; it has further rounds.
    fn announce(&self, frames: &[(InterfaceName, IpAddr)]) -> io::Result<()> {
        let (mut outcome, mut stations) = (Ok(()), BTreeMap::new());
        let interfaces = self.interfaces.borrow();
        for (interface, address) in frames {
            let (key, announcer) = ((interface, Family::of(*address)), &self.handles.announcer);
            let found = stations.get(&key).copied().map_or_else(
                || {
                    let there = interfaces.named(interface).ok_or(ErrorKind::NotFound)?;
                    announcer.station(there, key.1)
                },
                Ok,
            );
            let sent = found.and_then(|found| {
                stations.insert(key, found);
                announcer.announce(*address, &found)
            });
            outcome = sent.and(outcome);
        }
        outcome
    }
}

fn done<T, E: std::fmt::Display>(result: Result<T, E>) -> Outcome {
    result.map(|_| Done::Yes).map_err(words)
}

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}
