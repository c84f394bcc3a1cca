//! Which router a packet is for.

use vocabulary::Vrid;

use super::ports::Ports;
use super::router::Router;

/// For each open port the routers there, in order of their VRIDs, by their positions.
#[derive(Debug, Default)]
pub(super) struct Directory(Vec<Vec<(Vrid, usize)>>);

impl Directory {
    pub(super) fn new(ports: &Ports, routers: &[Router]) -> Self {
        let there = |port: usize| {
            let Some(port) = ports.at(port) else { return vec![] };
            let routers = routers.iter().enumerate().filter(|(_, router)| router.hears(port));
            let mut known: Vec<_> =
                routers.map(|(position, r)| (r.config().vrid, position)).collect();
            known.sort_unstable();
            known
        };
        Self((0..ports.count()).map(there).collect())
    }

    /// The position of the router that hears `vrid` on the port at position `port`.
    pub(super) fn find(&self, port: usize, vrid: Vrid) -> Option<usize> {
        let known = self.0.get(port)?;
        let place = known.binary_search_by_key(&vrid, |(vrid, _)| *vrid).ok()?;
        known.get(place).map(|(_, position)| *position)
    }
}
