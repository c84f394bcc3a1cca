//! What an address is given along with it, by the addresses that the node has.

use std::net::IpAddr;

use config::Scope;

use super::super::tests::fixtures::{moment, name, node, plan};
use super::*;

/// Whether the first address brings the route to its network along.
fn connects_first(plan: &Plan, interfaces: &Interfaces) -> bool {
    Places::of(plan, interfaces).addresses[0].connects
}

/// Interface and address, the node's own addresses by interface, and whether it brings its network along.
type Row = (&'static str, &'static str, &'static [(&'static str, &'static str)], bool);

#[test]
fn an_address_brings_its_network_along_where_the_node_has_no_other_there() {
    let rows: [Row; 18] = [
        ("eth0", "192.168.50.10/24", &[("eth0", "10.77.0.11/24")], true),
        ("eth0", "192.168.50.10/24", &[], true),
        ("eth0", "192.168.50.10", &[("eth0", "10.77.0.11/24")], false),
        // The network is there already: of the node's own prefix, a wider or a narrower one, or by
        // another interface.
        ("eth0", "10.77.0.100/24", &[("eth0", "10.77.0.11/24")], false),
        ("eth0", "10.77.0.100/24", &[("eth0", "10.77.9.11/16")], false),
        ("eth0", "10.77.0.100/16", &[("eth0", "10.77.0.11/24")], false),
        ("eth0", "10.77.0.100/24", &[("eth0", "10.77.0.11/32")], false),
        ("eth0", "192.168.50.10/24", &[("eth1", "192.168.50.11/24")], false),
        // Only the node's own count.
        ("eth0", "192.168.50.10/24", &[("eth0", "192.168.50.10/24*")], true),
        ("eth0", "192.168.50.10/24", &[("eth0", "192.168.50.9/24*")], true),
        // A kernel before 5.18 does not tell which are ours.
        ("eth0", "192.168.50.10/24", &[("eth0", "192.168.50.10/24")], true),
        ("lo", "192.168.50.10/24", &[("eth0", "10.77.0.11/24")], false),
        ("eth0", "2001:db8:50::10/64", &[("eth0", "2001:db8:77::11/64")], true),
        ("eth0", "2001:db8:50::10", &[("eth0", "2001:db8:77::11/64")], false),
        ("eth0", "2001:db8:50::10/64", &[("eth0", "2001:db8:50::11/64")], false),
        // An address of DHCPv6: the route comes from the network's router.
        ("eth0", "2001:db8:50::10/64", &[("eth0", "2001:db8:50::11/128")], false),
        ("eth0", "fe80::10/64", &[("eth0", "fe80::11/64")], false),
        ("eth0", "2001:db8:50::10/64", &[("eth0", "10.77.0.11/24")], true),
    ];
    for (interface, address, own, expected) in rows {
        let connects = connects_first(&plan(&[(interface, address)]), &node(own));
        assert_eq!(connects, expected, "{address} at {interface} beside {own:?}");
    }
}

/// An owner's addresses are the node's own, whatever the plan says.
#[test]
fn an_owners_address_has_the_nodes_network() {
    let mut plan = plan(&[("eth0", "10.77.0.11/24")]);
    let own = node(&[("eth0", "10.77.0.11/24")]);
    plan.owner = true;
    assert!(!connects_first(&plan, &own));
}

/// Made secondary to an address of another network, it could not bring the route along, and the kernel
/// would take the node's own as the source there.
#[test]
fn an_address_that_brings_its_network_along_is_secondary_to_none() {
    let own = node(&[("eth0", "10.77.0.11/24")]);
    let plan = plan(&[("eth0", "192.168.50.10/24"), ("eth0", "192.168.50.10/32")]);
    let places = Places::of(&plan, &own);
    let source = Some("10.77.0.11".parse().unwrap());
    let sources: Vec<_> = places.addresses.iter().map(|held| held.own_source).collect();
    assert_eq!(sources, [None, source]);
}

fn route(via: &str, source: Option<&str>) -> RouteConfig {
    RouteConfig {
        destination: "0.0.0.0/0".parse().unwrap(),
        via: Some(via.parse().unwrap()),
        interface: name("eth0"),
        table: 254,
        metric: 0,
        source: source.map(|source| source.parse().unwrap()),
        scope: Scope::Global,
    }
}

#[test]
fn a_route_through_such_a_network_has_the_address_as_its_source() {
    let ip = |text: &str| Some(text.parse::<IpAddr>().unwrap());
    let own = node(&[("eth0", "10.77.0.11/24"), ("eth0", "192.168.50.11/24")]);
    let mut plan = plan(&[("eth0", "192.168.50.10/24"), ("eth0", "192.168.60.10/24")]);
    plan.managed.routes = vec![
        route("192.168.60.1", None),
        route("192.168.60.1", Some("10.77.0.11")),
        route("192.168.50.1", None),
        route("10.77.0.1", None),
        RouteConfig { interface: name("eth1"), ..route("192.168.60.1", None) },
        RouteConfig { via: None, ..route("192.168.60.1", None) },
    ];
    let placed = placed_routing(&plan, &own);
    let sources: Vec<_> = placed
        .iter()
        .map(|routing| match routing {
            Routing::Route(route, _) => route.source,
            Routing::Rule(_) => unreachable!("there is none"),
        })
        .collect();
    assert_eq!(sources, [ip("192.168.60.10"), ip("10.77.0.11"), None, None, None, None]);
}

/// The node's own address comes and goes while a virtual one is held.
#[test]
fn what_an_address_brings_along_follows_the_nodes_addresses() {
    let plan = plan(&[("eth0", "192.168.50.10/24"), ("eth0", "2001:db8:50::10/64")]);
    let without = Places::of(&plan, &node(&[]));
    let with =
        Places::of(&plan, &node(&[("eth0", "192.168.50.11/24"), ("eth0", "2001:db8:50::11/64")]));
    let mut holding = Holding::nothing(plan, 0, moment(0));
    let hold = |holding: &mut Holding, places: &Places| {
        let sorted = places.sorted(holding);
        holding.addresses = sorted.iter().map(|(held, _)| held.clone()).collect();
        let connects: Vec<bool> = holding.addresses.iter().map(|held| held.connects).collect();
        (sorted.iter().map(|(_, new)| *new).collect::<Vec<_>>(), connects)
    };
    assert_eq!(hold(&mut holding, &without), (vec![true, true], vec![true, true]));
    assert!(without.fit(&holding));
    // They keep their routes, which stand behind the node's own.
    assert!(with.fit(&holding) && !with.reconnect(&holding));
    assert!(with.unconnected(&holding).is_empty());
    assert_eq!(hold(&mut holding, &with), (vec![false, false], vec![true, true]));
    // With the node's own first, neither brings a route.
    holding.addresses.clear();
    assert_eq!(hold(&mut holding, &with), (vec![true, true], vec![false, false]));
    // They are gone: an IPv4 address does not learn to bring its route, and is added anew.
    assert!(!without.fit(&holding) && without.reconnect(&holding));
    let anew = without.unconnected(&holding);
    assert_eq!(anew.iter().map(ManagedAddress::ip).collect::<Vec<_>>(), [ip_of("192.168.50.10")]);
    assert!(without.left_over(&holding).is_empty(), "nobody's connections are reset");
    assert_eq!(hold(&mut holding, &without), (vec![true, false], vec![true, true]));
}

fn ip_of(text: &str) -> IpAddr {
    text.parse().unwrap()
}
