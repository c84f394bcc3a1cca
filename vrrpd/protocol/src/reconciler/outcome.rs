//! What follows from the results of operations: what the kernel refuses is tried again, and said.

use std::time::{Duration, Instant};

use config::Lease;

use super::{Done, Failure, Holding, KernelOp, ManagedAddress, RETRY, Reconciler, Report, Routing};

/// What stands for the comparison of all routes among what was said.
const ROUTES: &str = "routes";

/// A route that the kernel refuses for long is tried once in this time.
const LONGEST_ROUTING_PAUSE: Duration = Duration::from_secs(30);

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
            KernelOp::RaiseMacvlan(_) => self.tried_again(Failure::MacvlanDown, result, now, ops),
            KernelOp::LowerMacvlan(_) => said(Failure::MacvlanUp, result, ops),
            KernelOp::RemoveMacvlan(_) => said(Failure::MacvlanLeft, result, ops),
            KernelOp::PromoteSecondaries(_) => said(Failure::Secondaries, result, ops),
            // The address counts for more than what its clients here have as their source.
            KernelOp::AddOwnSource(..) => said(Failure::Source, result, ops),
            KernelOp::RemoveOwnSource(..) => said(Failure::Remove, result, ops),
            KernelOp::GiveSource { address, .. } => {
                self.said_once(address.to_string(), Failure::Source, result, ops);
            }
            KernelOp::TakeSource { .. } => said(Failure::SourceLeft, result, ops),
            KernelOp::PutAddress { address, lease, renewal } => match result {
                Ok(_) => connect(&address, lease, ops),
                Err(error) => self.not_put(&address, renewal, error, now, ops),
            },
            KernelOp::RemoveAddress { address, own_source } => {
                if result.is_ok() {
                    ops.extend(own_source.map(|own| KernelOp::RemoveOwnSource(address, own)));
                }
                // The lease takes it away; without one the next start does.
                said(Failure::Remove, result, ops);
            }
            KernelOp::RemoveStale(address) => self.stale_removed(address, result.map(drop), ops),
            KernelOp::Connect { address, .. } => {
                self.said_once(address.network().to_string(), Failure::Connect, result, ops);
            }
            KernelOp::Disconnect { .. } => said(Failure::ConnectLeft, result, ops),
            KernelOp::CompareRouting(_) => self.compared(result, now, ops),
            KernelOp::LeaseRoute(routing, _) => {
                self.said_once(format!("lease {routing}"), Failure::RouteLease, result, ops);
            }
            KernelOp::AddRouting(routing) => self.routing_added(routing, result, now, ops),
            KernelOp::RemoveRouting(_) => said(Failure::RouteLeft, result, ops),
            KernelOp::ResetClients(_) => self.clients_reset(now, ops),
            KernelOp::Announce(_) => {
                let due = |holding: &mut Holding| holding.announcing.log_is_due(now);
                if result.is_err() && self.holding_mut().is_some_and(due) {
                    said(Failure::Announce, result, ops);
                }
            }
            KernelOp::DestroySockets(_)
            | KernelOp::TellActive(_)
            | KernelOp::TellBackup(_)
            | KernelOp::Report(_) => {}
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

    /// What is missing is added; what is not is refused no more.
    fn compared(&mut self, result: Result<Done, String>, now: Instant, ops: &mut Vec<KernelOp>) {
        let Ok(Done::Missing(missing)) = result else {
            self.routing_again(now);
            return self.said_once(ROUTES.to_owned(), Failure::Compare, result, ops);
        };
        if let Some(holding) = self.holding_mut() {
            let still = |what: &String| missing.iter().any(|routing| routing.to_string() == *what);
            holding.refused_routing.retain(|what, _| still(what));
            holding.refused.remove(ROUTES);
            if missing.is_empty() {
                holding.routing_tries = 0;
            }
        }
        ops.extend(missing.into_iter().map(KernelOp::AddRouting));
    }

    fn routing_added(
        &mut self,
        routing: Routing,
        result: Result<Done, String>,
        now: Instant,
        ops: &mut Vec<KernelOp>,
    ) {
        let what = routing.to_string();
        if let Err(error) = result {
            self.routing_again(now);
            let Some(holding) = self.holding_mut() else { return };
            if holding.refused_routing.insert(what, error.clone()).is_none() {
                report(Failure::Route, error, ops);
            }
            return;
        }
        if let Some(holding) = self.holding_mut() {
            holding.refused_routing.remove(&what);
            let leased = holding.leased_routing();
            ops.extend(
                leased.filter(|op| matches!(op, KernelOp::LeaseRoute(r, _) if *r == routing)),
            );
        }
        ops.push(KernelOp::Report(Report::AddedRouting(routing)));
    }

    /// What the kernel refused is tried again with growing pauses, and whenever the interfaces change.
    fn routing_again(&mut self, now: Instant) {
        let Some(holding) = self.holding_mut() else { return };
        if holding.routing_retry.is_none() {
            let pause = RETRY * 2_u32.saturating_pow(holding.routing_tries);
            holding.routing_retry = Some(now + pause.min(LONGEST_ROUTING_PAUSE));
            holding.routing_tries = holding.routing_tries.saturating_add(1);
        }
    }

    /// What is refused again and again is said once.
    fn said_once(
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

    /// A failure is said, and its cause tried again.
    fn tried_again(
        &mut self,
        failure: Failure,
        result: Result<Done, String>,
        now: Instant,
        ops: &mut Vec<KernelOp>,
    ) {
        if result.is_err() {
            self.retry(now);
        }
        said(failure, result, ops);
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

/// A failure that is not mended here is said.
fn said(failure: Failure, result: Result<Done, String>, ops: &mut Vec<KernelOp>) {
    if let Err(error) = result {
        report(failure, error, ops);
    }
}

fn report(failure: Failure, error: String, ops: &mut Vec<KernelOp>) {
    ops.push(KernelOp::Report(Report::Failed(failure, error)));
}
