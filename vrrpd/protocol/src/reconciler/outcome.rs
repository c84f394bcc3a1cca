//! What follows from the results of operations: what the kernel refuses is tried again, and said.

use std::time::Instant;

use config::Lease;

use super::{Done, Failure, KernelOp, ManagedAddress, RETRY, Reconciler, Report, Routing};

impl Reconciler {
    /// An operation was performed.
    pub(super) fn done(
        &mut self,
        op: KernelOp,
        result: Result<Done, String>,
        now: Instant,
        ops: &mut Vec<KernelOp>,
    ) {
        match op {
            KernelOp::EnsureMacvlan(macvlan) => self.ensured(macvlan, result, now, ops),
            KernelOp::PutAddress { address, lease, renewal } => match result {
                Ok(_) => connect(&address, lease, ops),
                Err(error) => self.not_put(&address, renewal, error, now, ops),
            },
            KernelOp::RemoveAddress { address, own_source } => match result {
                Ok(_) => {
                    let own = own_source.map(|own| KernelOp::RemoveOwnSource(address, own));
                    ops.extend(own);
                }
                // The lease takes it away; without one the next start does.
                Err(error) => report(Failure::Remove, error, ops),
            },
            KernelOp::CompareRouting(_) => match result {
                Ok(Done::Missing(missing)) => {
                    ops.extend(missing.into_iter().map(KernelOp::AddRouting));
                }
                Ok(Done::Yes | Done::Made(_)) => {}
                Err(error) => {
                    self.retry(now);
                    report(Failure::Compare, error, ops);
                }
            },
            KernelOp::AddRouting(routing) => self.routing_added(routing, result, now, ops),
            KernelOp::ResetClients(_) => self.clients_reset(ops),
            KernelOp::RaiseMacvlan(_) => {
                if let Err(error) = result {
                    self.retry(now);
                    report(Failure::MacvlanDown, error, ops);
                }
            }
            KernelOp::GiveSource { address, .. } => {
                self.refused_once(address.to_string(), Failure::Source, result, ops);
            }
            KernelOp::Connect { address, .. } => {
                self.refused_once(address.network().to_string(), Failure::Connect, result, ops);
            }
            KernelOp::Announce(_) => {
                let mut due = || self.holding_mut().is_some_and(|h| h.announcing.log_is_due(now));
                if let Err(error) = result
                    && due()
                {
                    report(Failure::Announce, error, ops);
                }
            }
            op => {
                if let (Some(failure), Err(error)) = (consequence(&op), result) {
                    report(failure, error, ops);
                }
            }
        }
    }

    /// An address was refused.
    fn not_put(
        &mut self,
        address: &ManagedAddress,
        renewal: bool,
        error: String,
        now: Instant,
        ops: &mut Vec<KernelOp>,
    ) {
        if let Some(holding) = self.holding_mut() {
            holding.missing.insert(address.ip());
        }
        self.retry(now);
        report(if renewal { Failure::Renew } else { Failure::Hold }, error, ops);
    }

    fn routing_added(
        &mut self,
        routing: Routing,
        result: Result<Done, String>,
        now: Instant,
        ops: &mut Vec<KernelOp>,
    ) {
        match result {
            Ok(_) => {
                if let Some(holding) = self.holding_mut() {
                    holding.refused.remove(&routing.to_string());
                }
                ops.push(KernelOp::Report(Report::AddedRouting(routing)));
            }
            Err(error) => {
                self.retry(now);
                self.refused_once(routing.to_string(), Failure::Route, Err(error), ops);
            }
        }
    }

    /// What is refused again and again is said once.
    fn refused_once(
        &mut self,
        what: String,
        failure: Failure,
        result: Result<Done, String>,
        ops: &mut Vec<KernelOp>,
    ) {
        let Err(error) = result else { return };
        if self.holding_mut().is_some_and(|holding| holding.refused.insert(what)) {
            report(failure, error, ops);
        }
    }

    fn retry(&mut self, now: Instant) {
        if let Some(holding) = self.holding_mut() {
            holding.retry_at = Some(now + RETRY);
        }
    }
}

/// Once an IPv6 address is there, its network gets a route.
fn connect(address: &ManagedAddress, lease: Lease, ops: &mut Vec<KernelOp>) {
    if address.connects && address.ip().is_ipv6() {
        let (address, index) = (address.config.address, address.index);
        ops.push(KernelOp::Connect { address, index, lease });
    }
}

fn report(failure: Failure, error: String, ops: &mut Vec<KernelOp>) {
    ops.push(KernelOp::Report(Report::Failed(failure, error)));
}

/// What follows from an operation that failed, and is not tried again.
fn consequence(op: &KernelOp) -> Option<Failure> {
    match op {
        KernelOp::LowerMacvlan(_) => Some(Failure::MacvlanUp),
        KernelOp::RemoveMacvlan(_) => Some(Failure::MacvlanLeft),
        KernelOp::PromoteSecondaries(_) => Some(Failure::Secondaries),
        // The address counts for more than what its clients here have as their source.
        KernelOp::AddOwnSource(..) => Some(Failure::Source),
        KernelOp::RemoveOwnSource(..) => Some(Failure::Remove),
        KernelOp::TakeSource { .. } => Some(Failure::SourceLeft),
        KernelOp::Disconnect { .. } => Some(Failure::ConnectLeft),
        KernelOp::RemoveRouting(_) => Some(Failure::RouteLeft),
        KernelOp::EnsureMacvlan(_)
        | KernelOp::RaiseMacvlan(_)
        | KernelOp::GiveSource { .. }
        | KernelOp::PutAddress { .. }
        | KernelOp::RemoveAddress { .. }
        | KernelOp::Connect { .. }
        | KernelOp::CompareRouting(_)
        | KernelOp::AddRouting(_)
        | KernelOp::ResetClients(_)
        | KernelOp::DestroySockets(_)
        | KernelOp::TellActive(_)
        | KernelOp::TellBackup(_)
        | KernelOp::Announce(_)
        | KernelOp::Report(_) => None,
    }
}
