//! Sync groups: routers of one node that are Active together or not at all.
//!
//! Both families of one table are one, for a client may use either; so are tables that name the same
//! `sync_group`. Each router runs an election of its own with its own peers. What couples them is
//! this: a Backup that would become Active waits until all its siblings would; and whoever leaves
//! Active takes its siblings along. A group whose members see different peers thus stays Backup
//! instead of pulling its members to and fro.

use super::{Backup, Event, State, StateName, Transition};

/// What the siblings of a router that did `transition` are told.
#[must_use]
pub fn consequence(transition: Transition) -> Option<Event> {
    let Transition { from, to, .. } = transition;
    // A fault and an end are told to each member by whoever finds them.
    match to {
        StateName::Active => Some(Event::Join),
        StateName::Backup if from == StateName::Active => Some(Event::Yield),
        StateName::Backup | StateName::Initialize | StateName::Releasing => None,
    }
}

/// Whether nothing but its siblings keeps any member from becoming Active.
#[must_use]
pub fn all_wait<'a>(mut members: impl Iterator<Item = &'a State>) -> bool {
    members.all(|state| matches!(state, State::Backup(Backup { waits: Some(_), .. })))
}
