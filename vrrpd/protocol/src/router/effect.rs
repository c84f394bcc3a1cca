//! What a router has done for it, and what it knew then.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use vocabulary::Priority;

use super::Contested;
use crate::desired::DesiredState;
use crate::election::{State, Transition};
use crate::wire::Claim;

/// One thing to do, in the order given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send an advert, now.
    Advertise {
        /// What it says.
        claim: Claim,
        /// The one peer that is to hear it; none: everyone it concerns.
        only: Option<IpAddr>,
    },
    /// What is desired of the addresses from now on.
    Desire(DesiredState),
    /// The state changed.
    Changed {
        /// From what to what, and why.
        transition: Transition,
        /// What was known then.
        evidence: Evidence,
    },
    /// Another router was Active while we were, or is no more.
    Contested(Contested),
    /// A handover was asked for to somebody who is no configured peer: nothing was done.
    HandoverRefused {
        /// Whom.
        peer: IpAddr,
    },
}

/// What a router knew when its state changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Our effective priority.
    pub priority: Priority,
    /// The Active router that it followed as Backup.
    pub heard: Option<LastHeard>,
    /// By how many microseconds we were late, where a deadline made the change.
    pub lag_us: Option<u64>,
}

/// An advert, as remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastHeard {
    /// Who sent it.
    pub address: IpAddr,
    /// The priority it had.
    pub priority: Priority,
    /// How many microseconds before the change it came.
    pub ago_us: u64,
}

/// A router before an event.
#[derive(Clone, Copy)]
pub(super) struct Before {
    pub(super) state: State,
    pub(super) priority: Priority,
    /// When the event should have come, if that was known.
    pub(super) due: Option<Instant>,
    pub(super) now: Instant,
}

impl Before {
    /// What it knew then.
    pub(super) fn evidence(&self) -> Evidence {
        let Self { state, priority, due, now } = *self;
        let heard = match state {
            State::Backup(backup) => backup.following.map(|following| LastHeard {
                address: following.source,
                priority: following.priority,
                ago_us: micros(now.saturating_duration_since(backup.heard_at)),
            }),
            State::Initialize | State::Active(_) | State::Releasing { .. } => None,
        };
        let lag_us = due.map(|due| micros(now.saturating_duration_since(due)));
        Evidence { priority, heard, lag_us }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
