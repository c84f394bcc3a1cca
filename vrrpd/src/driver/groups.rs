//! Lets the routers of a sync group move together.

use vocabulary::Name;

use super::router::{Router, Surroundings};

/// One member's fault is every member's.
pub(super) fn share_faults(routers: &[Router], surroundings: &mut [Option<Surroundings>]) {
    let faulty: Vec<Name> = routers
        .iter()
        .zip(surroundings.iter())
        .filter(|(_, around)| around.is_none_or(|around| around.place.is_none()))
        .filter_map(|(router, _)| router.config().sync_group.clone())
        .collect();
    for (router, around) in routers.iter().zip(surroundings) {
        if faulty.iter().any(|group| router.is_of(group))
            && let Some(around) = around
        {
            around.place = None;
        }
    }
}
