//! Sync groups: routers of one node that are Active together or not at all.
//!
//! Both families of one table are one, for a client may use either; so are tables that name the same
//! `sync_group`. Each router runs an election of its own with its own peers. What couples them is
//! this: a Backup that would become Active waits until all its siblings would; and whoever leaves
//! Active takes its siblings along. A group whose members see different peers thus stays Backup
//! instead of pulling its members to and fro.

use vocabulary::Name;

use super::{Backup, Event, State, StateName, Transition};

/// A router as its siblings know it.
pub trait Member {
    /// The group it belongs to, if any.
    fn group(&self) -> Option<&Name>;
    /// Where its election stands.
    fn state(&self) -> &State;
    /// The last change that its siblings have not been told, once.
    fn take_news(&mut self) -> Option<Transition>;
}

/// Passes what each router of a node did on to its siblings, until nothing is left to be told.
///
/// Nothing may be left: an old "became Active" told after a later yielding would undo it.
pub fn settle<M: Member>(routers: &mut [M], mut tell: impl FnMut(&mut M, Event)) {
    // Each turn tells one change, and a change makes at most one in each sibling: this ends.
    loop {
        let mut news = routers.iter_mut().enumerate();
        let next = news.find_map(|(position, router)| Some((position, router.take_news()?)));
        let (group, event) = match next {
            Some((position, news)) => {
                let Some(group) = routers[position].group().cloned() else { continue };
                let Some(event) = consequence(news) else { continue };
                (group, event)
            }
            None => match ready(routers) {
                Some(group) => (group, Event::Join),
                None => return,
            },
        };
        // To whoever it comes from it is no news: its state says so already.
        let members = routers.iter_mut().filter(|router| router.group() == Some(&group));
        members.for_each(|router| tell(router, event));
    }
}

/// A group of which nothing but its siblings keeps any member from becoming Active.
fn ready<M: Member>(routers: &[M]) -> Option<Name> {
    let waits =
        |router: &&M| matches!(router.state(), State::Backup(Backup { waits: Some(_), .. }));
    let mut candidates = routers.iter().filter(waits).filter_map(Member::group);
    let complete =
        |group: &&Name| routers.iter().filter(|r| r.group() == Some(*group)).all(|r| waits(&r));
    candidates.find(complete).cloned()
}

/// What the siblings of a router that did `transition` are told.
fn consequence(transition: Transition) -> Option<Event> {
    let Transition { from, to, .. } = transition;
    // A fault and an end are told to each member by whoever finds them.
    match to {
        StateName::Active => Some(Event::Join),
        // One that was relieved takes along a sibling that was not, and goes on as Active.
        StateName::Backup if matches!(from, StateName::Active | StateName::Releasing) => {
            Some(Event::Yield)
        }
        StateName::Backup | StateName::Initialize | StateName::Releasing => None,
    }
}
