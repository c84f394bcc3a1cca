//! Sync groups: what their members share.

use super::RouterConfig;
use crate::track::Tracked;
use vocabulary::Name;

/// Members of a group follow the same trackers: what makes one unusable makes all. One of them decides
/// ties. A group of one is none.
pub(crate) fn bring_together(routers: &mut [RouterConfig]) {
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
        let key = |router: &RouterConfig| {
            (router.id.family, router.vrid, router.interface.clone(), router.id.clone())
        };
        let first = members().map(key).min();
        for router in routers.iter_mut().filter(|r| r.sync_group.as_ref() == Some(&group)) {
            router.track.clone_from(&track);
            router.decides_ties = Some(key(router)) == first;
            if alone {
                router.sync_group = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::parse;

    #[test]
    fn one_of_a_group_decides_ties() {
        let table = |name: &str, interface: &str, vrid: u8, lines: &str| {
            format!(
                "[[vrrp]]\nname = \"{name}\"\ninterface = \"{interface}\"\nvrid = {vrid}\n{lines}\n"
            )
        };
        let both = |host: u8| {
            format!("addresses = [\"192.0.2.{host}\", \"fe80::1\"]\nsync_group = \"all\"")
        };
        let text = table("a", "eth1", 7, &both(1))
            + &table("b", "eth0", 7, &both(2))
            + &table("alone", "eth0", 9, "addresses = [\"192.0.2.9\"]");
        let config = parse("test", &text).unwrap().config;
        let decide = config.routers.iter().filter(|router| router.decides_ties);
        let decide: Vec<String> = decide.map(|router| router.id.to_string()).collect();
        assert_eq!(decide, ["b (IPv4)", "alone (IPv4)"]);
    }
}
