//! How unevenly a proxy's connections lie on its servers. Pure.
//!
//! Connections that last stay where they began: after a restart of all API servers, one by one, the last of
//! them has none. Where that is wanted, those that a server has beyond its share are ended gently, so that
//! their clients connect anew ([ADR 35](../../../docs/adr/0035-connections-are-spread-anew.md)).

use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::plan::backend::{Backend, BackendSet};
use crate::plan::state::State;

/// Connections of the fullest server that are ended in a second, at most: clients shall not come back in a
/// crowd.
pub(crate) const A_SECOND: u32 = 5;

/// Beyond its share a server may have a tenth, and some few: chance alone does that.
const PART: u64 = 10;
const FEW: u64 = 2;

/// Connections that each server has beyond its share of all; of one that takes no part, none.
pub(crate) fn beyond(set: &BackendSet, now: Instant) -> Vec<u32> {
    let share = |backend: &Backend| {
        let takes_part = backend.state == State::Up && !backend.server.backup;
        if takes_part { u64::from(backend.share(set.slow_start, now)) } else { 0 }
    };
    let live = |backend: &Backend| u64::from(backend.server.counters.live.load(Ordering::Relaxed));
    let loads: Vec<(u64, u64)> = set.backends.iter().map(|one| (live(one), share(one))).collect();
    of_loads(&loads)
}

/// The same of connections and shares.
fn of_loads(loads: &[(u64, u64)]) -> Vec<u32> {
    let part = || loads.iter().filter(|(_, share)| *share > 0);
    let shares: u64 = part().map(|(_, share)| share).sum();
    let all: u64 = part().map(|(live, _)| live).sum();
    let beyond = |(live, share): &(u64, u64)| {
        let fair = if *share == 0 { *live } else { (all * share).div_ceil(shares) };
        u32::try_from(live.saturating_sub(fair)).unwrap_or(u32::MAX)
    };
    loads.iter().map(beyond).collect()
}

/// Which server's connections to end in the next second, and how many, if it is worth it.
pub(crate) fn to_move(set: &BackendSet, now: Instant) -> Option<(usize, u32)> {
    let beyond = beyond(set, now);
    let (place, beyond) = beyond.into_iter().enumerate().max_by_key(|(_, beyond)| *beyond)?;
    let live = set.backends.get(place)?.server.counters.live.load(Ordering::Relaxed);
    is_worth_it(live, beyond).then(|| (place, beyond.min(A_SECOND)))
}

fn is_worth_it(live: u32, beyond: u32) -> bool {
    let fair = u64::from(live.saturating_sub(beyond));
    u64::from(beyond) > FEW.max(fair / PART)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_has_beyond_its_share() {
        for (loads, expected) in [
            (vec![(50, 1), (50, 1), (0, 1)], vec![16, 16, 0]),
            (vec![(34, 1), (33, 1), (33, 1)], vec![0, 0, 0]),
            // By weight.
            (vec![(75, 3), (25, 1)], vec![0, 0]),
            (vec![(50, 3), (50, 1)], vec![0, 25]),
            // One that takes no part keeps its own, and is no reason to move others'.
            (vec![(90, 0), (10, 1), (10, 1)], vec![0, 0, 0]),
            (vec![(90, 1), (0, 0)], vec![0, 0]),
            (vec![], vec![]),
            (vec![(0, 1), (0, 1)], vec![0, 0]),
        ] {
            assert_eq!(of_loads(&loads), expected, "{loads:?}");
        }
    }

    #[test]
    fn a_tenth_or_a_few_are_left_alone() {
        let worth = |live, beyond| is_worth_it(live, beyond);
        assert_eq!(
            [worth(3, 2), worth(4, 3), worth(100, 9), worth(110, 10), worth(111, 11)],
            [false, true, false, false, true]
        );
    }
}
