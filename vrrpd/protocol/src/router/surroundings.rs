//! What surrounds a router: a state, of which only the latest counts.

use std::net::IpAddr;

use vocabulary::{Name, Priority};

use crate::election::group::Member;
use crate::tracking::Verdict;

/// What surrounds a router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// The interface's index and our address there, while both are usable.
    pub place: Option<Place>,
    /// The priority that tracking leaves.
    pub priority: Priority,
    /// Everything tracked has told its state once, or was waited for long enough.
    pub proven: bool,
}

/// Where a router is on the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The interface's index.
    pub index: u32,
    /// The source address of our adverts.
    pub source: IpAddr,
    /// Bits of its prefix.
    pub prefix_len: u8,
}

impl Surroundings {
    /// Of a router at `place` of which tracking says `verdict`. `in_doubt`: the daemon started less than
    /// [`PROOF_LIMIT`](crate::tracking::PROOF_LIMIT) ago. `paused`: an operator has this node rest.
    #[must_use]
    pub fn of(place: Option<Place>, verdict: Verdict, in_doubt: bool, paused: bool) -> Self {
        let priority = if paused { Priority::UNUSABLE } else { verdict.priority };
        Self { place, priority, proven: verdict.proven || !in_doubt }
    }
}

/// One member's fault is every member's: routers of a sync group move together.
pub fn share_faults<M: Member>(routers: &[M], surroundings: &mut [Option<Surroundings>]) {
    let faulty: Vec<Name> = routers
        .iter()
        .zip(surroundings.iter())
        .filter(|(_, around)| around.is_none_or(|around| around.place.is_none()))
        .filter_map(|(router, _)| router.group().cloned())
        .collect();
    for (router, around) in routers.iter().zip(surroundings) {
        if router.group().is_some_and(|group| faulty.contains(group))
            && let Some(around) = around
        {
            around.place = None;
        }
    }
}
