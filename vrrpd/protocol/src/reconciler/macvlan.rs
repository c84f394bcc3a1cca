//! The interface of a virtual MAC address: made when the router starts, up while it holds the addresses,
//! removed when it ends.
//!
//! Whatever is wrong with it shows at the start, not when the node shall take over; and an interface that
//! is down answers nobody, whatever its parent goes through. It follows its parent: one of another index,
//! a new MTU.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Done, Failure, Holding, KernelOp, Macvlan, Phase, Reconciler, Report};
use crate::interfaces::{Interface, Interfaces};

/// How soon an interface that could not be made is tried again.
const MAKE_AGAIN: Duration = Duration::from_secs(1);

/// What became of the last attempt to make the interface.
#[derive(Clone, Debug, Default)]
pub(super) struct MacvlanState {
    /// It succeeded.
    settled: bool,
    /// It is under way.
    pending: bool,
    /// Plan or interfaces changed since it succeeded.
    doubted: bool,
    /// When to try again.
    pub(super) retry_at: Option<Instant>,
    /// What was said of it.
    reported: Option<String>,
}

impl Reconciler {
    /// Has the interface made unless it is there. The router takes part as long as it is.
    pub(super) fn ensure_macvlan(&mut self, now: Instant, ops: &mut Vec<KernelOp>) {
        let Some(macvlan) = &self.plan.macvlan else { return };
        let waits = self.macvlan.pending || self.macvlan.retry_at.is_some_and(|at| now < at);
        if waits {
            return;
        }
        let doubted = std::mem::take(&mut self.macvlan.doubted);
        let there = !doubted || is_there(macvlan, &self.interfaces);
        if there && self.macvlan.settled {
            return;
        }
        self.macvlan.pending = true;
        ops.push(KernelOp::EnsureMacvlan(macvlan.clone()));
    }

    /// It may have vanished, or another may be wanted.
    pub(super) fn doubt_macvlan(&mut self) {
        self.macvlan.doubted = true;
    }

    /// Somebody brought it down while it holds the addresses: up it is again, and they are announced.
    pub(super) fn raise_again(&mut self, now: Instant, ops: &mut Vec<KernelOp>) {
        let Some(macvlan) = self.plan.macvlan.clone() else { return };
        let interfaces = Arc::clone(&self.interfaces);
        let runs = |name| interfaces.named(name).is_some_and(|interface| interface.running);
        let there = interfaces.named(&macvlan.name).is_some();
        if !there || runs(&macvlan.name) || !runs(&macvlan.parent) {
            return;
        }
        let Phase::Held(holding) = &mut self.phase else { return };
        let Holding { addresses, announcing, .. } = &mut **holding;
        addresses.iter().for_each(|address| announcing.add(address, now));
        ops.push(KernelOp::RaiseMacvlan(macvlan));
    }

    pub(super) fn ensured(
        &mut self,
        macvlan: Macvlan,
        result: Result<Done, String>,
        now: Instant,
        ops: &mut Vec<KernelOp>,
    ) {
        match result {
            Ok(done) => {
                if done == Done::Made(true) {
                    ops.push(KernelOp::Report(Report::MadeMacvlan(macvlan)));
                }
                self.macvlan = MacvlanState { settled: true, ..MacvlanState::default() };
            }
            Err(error) => {
                let reported = Some(error.clone());
                if self.macvlan.reported != reported {
                    ops.push(KernelOp::Report(Report::Failed(Failure::NoMacvlan, error)));
                }
                let retry_at = Some(now + MAKE_AGAIN);
                self.macvlan = MacvlanState { retry_at, reported, ..MacvlanState::default() };
            }
        }
    }
}

fn is_there(macvlan: &Macvlan, interfaces: &Interfaces) -> bool {
    // Without the parent there is nothing to be made.
    let Some(parent) = interfaces.named(&macvlan.parent) else { return true };
    let same_mtu = |found: &Interface| found.mtu.is_none() || found.mtu == parent.mtu;
    interfaces.named(&macvlan.name).is_some_and(|found| {
        found.upon == Some(parent.index) && found.mac == Some(macvlan.mac) && same_mtu(found)
    })
}
