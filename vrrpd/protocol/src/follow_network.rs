//! The interface of a router whose file names none: the one that has this node's address in the network of
//! the router's, followed as that moves.

use std::net::IpAddr;

use config::{Audience, RouterConfig};
use vocabulary::InterfaceName;
use vocabulary::address::is_link_local;

use crate::interfaces::{Interface, Interfaces};

/// The routers as they are `given`, each at its interface. One that no interface is found for stays where it
/// was `before`: the node's address may be on its way from one to another.
#[must_use]
pub fn settled(
    given: &[RouterConfig],
    before: &[RouterConfig],
    interfaces: &Interfaces,
) -> Vec<RouterConfig> {
    let was = |router: &RouterConfig| {
        let before = before.iter().find(|before| before.id == router.id && before.follows_network);
        before
            .map(|before| before.interface.clone())
            .filter(|name| *name != InterfaceName::unknown())
    };
    let found = |router: &RouterConfig| find(router, was(router).as_ref(), interfaces);
    let settle = |router: &RouterConfig| {
        if !router.follows_network {
            return router.clone();
        }
        // The routers of a table share an interface, and one family may have no address of use.
        let sibling =
            || given.iter().filter(|other| other.id.name == router.id.name).find_map(found);
        let name = found(router).or_else(sibling).or_else(|| was(router));
        name.map_or_else(|| router.clone(), |name| at(router, &name))
    };
    given.iter().map(settle).collect()
}

/// The interface that is meant now; of several the one of before, then one that runs, then the one of the
/// smallest network.
fn find(
    router: &RouterConfig,
    before: Option<&InterfaceName>,
    interfaces: &Interfaces,
) -> Option<InterfaceName> {
    let virtual_addresses: Vec<IpAddr> = router.managed.ips().collect();
    let targets = targets(router);
    let prefix = |interface: &Interface| {
        let lengths = targets.iter().filter_map(|target| {
            let source = router.source.is_none() || interface.has(*target);
            interface.own_prefix_of(*target, &virtual_addresses).filter(|_| source)
        });
        lengths.max()
    };
    let fits = |interface: &&Interface| {
        !interface.loopback && router.virtual_mac.as_ref() != Some(&interface.name)
    };
    let ranked = interfaces.all().filter(fits).filter_map(|interface| {
        let rank = (before == Some(&interface.name), interface.running, prefix(interface)?);
        Some((rank, std::cmp::Reverse(interface.index), &interface.name))
    });
    ranked.max().map(|(_, _, name)| name.clone())
}

/// The addresses in whose network the node has one. Link-local ones are everywhere.
fn targets(router: &RouterConfig) -> Vec<IpAddr> {
    let beyond_link = |ip: &IpAddr| !matches!(ip, IpAddr::V6(ip) if is_link_local(*ip));
    let all: Vec<IpAddr> = match (&router.source, &router.audience) {
        (Some(source), _) => vec![*source],
        (None, Audience::Peers(peers)) => peers.clone(),
        (None, Audience::Multicast) => router.managed.ips().collect(),
    };
    let own_family = |ip: &IpAddr| vocabulary::Family::of(*ip) == router.id.family;
    all.into_iter().filter(own_family).filter(beyond_link).collect()
}

/// The router with everything that is meant for its interface there.
fn at(router: &RouterConfig, name: &InterfaceName) -> RouterConfig {
    let mut router = router.clone();
    let unknown = InterfaceName::unknown();
    let addresses = router.managed.addresses.iter_mut().map(|address| &mut address.interface);
    let routes = router.managed.routes.iter_mut().map(|route| &mut route.interface);
    let own = std::iter::once(&mut router.interface);
    let meant = own.chain(addresses).chain(routes).filter(|interface| **interface == unknown);
    meant.for_each(|interface| interface.clone_from(name));
    router
}

#[cfg(test)]
mod tests {
    use config::parse;

    use super::*;
    use crate::interfaces::{Configured, Link};

    fn routers(keys: &str) -> Vec<RouterConfig> {
        let text = format!("[[vrrp]]\nname = \"a\"\nvrid = 7\n{keys}\n");
        parse("a.toml", &text).unwrap().config.routers
    }

    /// `lo`, `eth0`, `eth1`, `br-ex` with these addresses, by interface; with a star, ours.
    fn node(addresses: &[(&str, &str)]) -> Interfaces {
        let mut interfaces = Interfaces::default();
        for (index, name) in (1..).zip(["lo", "eth0", "eth1", "br-ex"]) {
            let link = Link {
                name: InterfaceName::try_from(name).unwrap(),
                running: true,
                loopback: name == "lo",
                mac: None,
                upon: None,
                mtu: None,
            };
            interfaces.put(index, link);
            for (_, text) in addresses.iter().filter(|(at, _)| *at == name) {
                let net: ipnet::IpNet = text.trim_end_matches('*').parse().unwrap();
                let address = Configured {
                    ip: net.addr(),
                    prefix_len: net.prefix_len(),
                    ours: text.ends_with('*'),
                    by_keepalived: false,
                    permanent: true,
                    tentative: false,
                    secondary: false,
                };
                interfaces.put_address(index, address);
            }
        }
        interfaces
    }

    fn names(routers: &[RouterConfig]) -> Vec<&str> {
        routers.iter().map(|router| router.interface.as_str()).collect()
    }

    #[test]
    fn the_interface_is_the_one_whose_network_has_the_address() {
        const VIP: &str = "addresses = [\"10.77.0.100\"]";
        for (what, keys, addresses, expected) in [
            (
                "its network",
                VIP,
                vec![("eth1", "10.77.0.11/24"), ("eth0", "192.0.2.1/24")],
                vec!["eth1"],
            ),
            (
                "the smallest",
                VIP,
                vec![("eth0", "10.0.0.1/8"), ("eth1", "10.77.0.11/24")],
                vec!["eth1"],
            ),
            (
                "a virtual one is none",
                VIP,
                vec![("eth0", "10.77.0.100/24"), ("eth1", "10.77.0.11/24")],
                vec!["eth1"],
            ),
            ("nor is one of ours", VIP, vec![("eth0", "10.77.0.9/24*")], vec!["?"]),
            ("loopback is for nobody else", VIP, vec![("lo", "10.77.0.11/24")], vec!["?"]),
            (
                "that of the peers",
                "addresses = [\"203.0.113.7\"]\npeers = [\"10.77.0.12\"]",
                vec![("eth0", "203.0.113.1/24"), ("eth1", "10.77.0.11/24")],
                vec!["eth1"],
            ),
            (
                "the one that has the source",
                "addresses = [\"10.77.0.100\"]\nsource = \"192.0.2.1\"",
                vec![
                    ("eth0", "192.0.2.2/24"),
                    ("eth1", "192.0.2.1/24"),
                    ("br-ex", "10.77.0.11/24"),
                ],
                vec!["eth1"],
            ),
            (
                "both families at one",
                "addresses = [\"10.77.0.100\", \"fe80::200:5eff:fe00:207\", \"fd77::100\"]",
                vec![("eth0", "fe80::1/64"), ("eth1", "10.77.0.11/24"), ("eth1", "fe80::2/64")],
                vec!["eth1", "eth1"],
            ),
        ] {
            let settled = settled(&routers(keys), &[], &node(&addresses));
            assert_eq!(names(&settled), expected, "{what}");
            let held = settled.iter().flat_map(|router| &router.managed.addresses);
            assert!(
                held.clone().all(|address| address.interface.as_str() == expected[0]),
                "{what}"
            );
        }
    }

    /// OpenShift moves the node's address from the card to a bridge; for a moment nobody has it.
    #[test]
    fn an_address_that_moves_is_followed() {
        let given = routers("addresses = [\"10.77.0.100\"]");
        let mut known = Vec::new();
        for (addresses, expected) in [
            (vec![], "?"),
            (vec![("eth0", "10.77.0.11/24")], "eth0"),
            // Both have it: it stays.
            (vec![("eth0", "10.77.0.11/24"), ("br-ex", "10.77.0.11/24")], "eth0"),
            (vec![], "eth0"),
            (vec![("br-ex", "10.77.0.11/24")], "br-ex"),
        ] {
            known = settled(&given, &known, &node(&addresses));
            assert_eq!(names(&known), [expected]);
        }
    }

    #[test]
    fn what_is_named_stays() {
        let given = routers("addresses = [\"10.77.0.100\"]\ninterface = \"eth0\"");
        assert_eq!(settled(&given, &[], &node(&[("eth1", "10.77.0.11/24")])), given);
    }
}
