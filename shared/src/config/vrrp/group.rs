//! Sync groups: what their members share.

use super::RouterConfig;
use crate::Name;
use crate::config::track::Tracked;

/// Members of a group follow the same trackers: what makes one unusable makes all. A group of one is
/// none.
pub(in crate::config) fn bring_together(routers: &mut [RouterConfig]) {
    let groups: Vec<Name> = routers.iter().filter_map(|router| router.sync_group.clone()).collect();
    for group in groups {
        let members = || routers.iter().filter(|router| router.sync_group.as_ref() == Some(&group));
        let alone = members().count() == 1;
        let mut track: Vec<Tracked> = Vec::new();
        for tracked in members().flat_map(|router| &router.track) {
            if !track.contains(tracked) {
                track.push(tracked.clone());
            }
        }
        for router in routers.iter_mut().filter(|r| r.sync_group.as_ref() == Some(&group)) {
            router.track.clone_from(&track);
            if alone {
                router.sync_group = None;
            }
        }
    }
}
