//! Whose turn it is to remind the link where addresses are: however many routers an interface has, they
//! share what it may bear, and each sends its round in turn.
//!
//! A router that lets go of its addresses leaves its turn unused; it has one at a time, so that nothing
//! piles up.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use vocabulary::{Family, InterfaceName, RouterId};

/// Between two reminders of a family on an interface: switches that inspect ARP close a port of a host that
/// sends more than 15 frames a second, as they come from the factory.
pub(super) const PAUSE: Duration = Duration::from_millis(100);

/// Until when the last turn of each router lasts.
type Taken = BTreeMap<RouterId, Instant>;

/// The turns at every interface, which all routers of a node share.
#[derive(Clone, Debug, Default)]
pub struct Turns(BTreeMap<(InterfaceName, Family), Taken>);

impl Turns {
    /// When a router may begin a round of this length at these interfaces: after all others.
    pub(super) fn take<'a>(
        &mut self,
        router: &RouterId,
        interfaces: impl Iterator<Item = &'a InterfaceName>,
        length: Duration,
        now: Instant,
    ) -> Instant {
        let keys: Vec<_> = interfaces.map(|name| (name.clone(), router.family)).collect();
        let mut begins = now;
        for key in &keys {
            let taken = self.0.entry(key.clone()).or_default();
            taken.retain(|other, until| other != router && *until > now);
            begins = taken.values().copied().fold(begins, Instant::max);
        }
        for key in keys {
            self.0.entry(key).or_default().insert(router.clone(), begins + length);
        }
        begins
    }
}

#[cfg(test)]
mod tests {
    use vocabulary::Name;

    use super::*;

    fn router(name: &str, family: Family) -> RouterId {
        RouterId { name: Name::try_from(name).unwrap(), family }
    }

    fn interface(name: &str) -> InterfaceName {
        InterfaceName::try_from(name).unwrap()
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a start for the virtual clock")]
    fn routers_of_an_interface_and_family_come_one_after_another() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let [eth0, eth1] = ["eth0", "eth1"].map(interface);
        let mut turns = Turns::default();
        let mut take = |router, interfaces: &[&InterfaceName], millis, now| {
            turns.take(router, interfaces.iter().copied(), Duration::from_millis(millis), at(now))
        };
        let [a, b, c] = ["a", "b", "c"].map(|name| router(name, Family::Ipv4));
        let six = router("a", Family::Ipv6);
        assert_eq!(take(&a, &[&eth0], 100, 0), at(0));
        assert_eq!(take(&b, &[&eth0], 300, 0), at(100), "three frames");
        assert_eq!(take(&six, &[&eth0], 100, 0), at(0), "another family");
        assert_eq!(take(&c, &[&eth1], 100, 0), at(0), "another interface");
        assert_eq!(take(&a, &[&eth0], 100, 100), at(400), "round and round");
        assert_eq!(take(&c, &[&eth0, &eth1], 100, 450), at(500), "wherever all is free");
        assert_eq!(take(&b, &[&eth1], 100, 550), at(600));
        // What was not used is taken anew.
        assert_eq!(take(&a, &[&eth0], 100, 560), at(600));
        assert_eq!(take(&a, &[&eth0], 100, 570), at(600));
        assert_eq!(take(&a, &[&eth0], 100, 5_000), at(5_000), "nobody waits for the past");
    }
}
