//! Lets the routers of a sync group move together.

use std::time::Instant;

use shared::Name;

use super::ports::Ports;
use super::router::{Router, Surroundings};
use crate::election::{Event, group};

/// Passes what each router did on to its siblings, until nothing is left to be told.
pub(super) fn settle(routers: &mut [Router], ports: &Ports, now: Instant) {
    // Each turn tells one change, and a change makes at most one in each sibling: this ends.
    while let Some(position) = routers.iter_mut().position(|router| router.has_news()) {
        let news = routers[position].take_news();
        let Some(group) = routers[position].config().sync_group.clone() else { continue };
        let Some(event) = news.and_then(group::consequence) else { continue };
        let siblings = routers.iter_mut().enumerate().filter(|(sibling, _)| *sibling != position);
        tell(siblings.map(|(_, router)| router), &group, event, ports, now);
    }
    while let Some(group) = ready(routers) {
        tell(routers.iter_mut(), &group, Event::Join, ports, now);
    }
}

fn tell<'a>(
    routers: impl Iterator<Item = &'a mut Router>,
    group: &Name,
    event: Event,
    ports: &Ports,
    now: Instant,
) {
    routers.filter(|router| router.is_of(group)).for_each(|router| router.event(event, now, ports));
}

/// A group of which every member waits for the others.
fn ready(routers: &[Router]) -> Option<Name> {
    let groups = routers.iter().filter_map(|router| router.config().sync_group.as_ref());
    let waits = |name: &&Name| {
        group::all_wait(routers.iter().filter(|router| router.is_of(name)).map(Router::state))
    };
    groups.into_iter().find(waits).cloned()
}

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
