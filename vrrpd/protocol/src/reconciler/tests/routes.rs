//! Routes: what is refused, and what ends with a lease.

use super::*;

const ROUTE: &str = "route to 0.0.0.0/0 through eth0 in table 254";

/// One that holds 10.0.0.100/24 since the start, with a default route that the kernel does not have.
fn without_its_route() -> Rig {
    let mut plan = plan(&[("eth0", "10.0.0.100/24")]);
    plan.managed.routes = vec![default_route()];
    let mut rig = Rig::new(plan, node(&[("eth0", "10.0.0.11/24")]));
    rig.missing = vec![Routing::Route(default_route(), 2)];
    rig
}

fn route_v6() -> RouteConfig {
    RouteConfig {
        destination: "fd99::/64".parse().unwrap(),
        via: Some("fd50::1".parse().unwrap()),
        ..default_route()
    }
}

fn refused(rig: &Rig) -> Vec<String> {
    rig.reconciler.refused_routing().map(|(what, error)| format!("{what}: {error}")).collect()
}

/// It is said once, is known for as long as it lasts, and is tried again ever more seldom.
#[test]
fn a_route_that_is_refused_is_said_once_and_tried_again_with_growing_pauses() {
    let mut rig = without_its_route();
    rig.refused = vec!["add"];
    let done = rig.feed(0, Event::Desired(HOLD));
    assert!(done.contains(&"says: Route, no".to_owned()), "{done:?}");
    let pauses = [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000];
    let mut at = 0;
    for pause in pauses {
        at += pause;
        assert!(!rig.tick(at - 1).contains(&"compare 1".to_owned()), "before {at}");
        let again = rig.tick(at);
        let tried = again.iter().position(|words| words == "compare 1");
        assert_eq!(again[tried.unwrap() + 1], format!("add {ROUTE}"));
        assert!(!again.iter().any(|words| words.starts_with("says")), "{again:?}");
        assert_eq!(refused(&rig), [format!("{ROUTE}: no")]);
    }
    // Interfaces that change may be what it waited for.
    rig.refused.clear();
    let interfaces = Event::Interfaces(Arc::new(node(&[("eth0", "10.0.0.11/24")])));
    let done = rig.feed(at + 1, interfaces);
    assert_eq!(
        done[..3],
        ["compare 1".to_owned(), format!("add {ROUTE}"), format!("says: added {ROUTE}")]
    );
    assert_eq!(refused(&rig), [""; 0]);
    // Then the next one is said, and its pauses begin anew.
    rig.missing.clear();
    rig.feed(at + 2, Event::RoutingGone);
    rig.missing = vec![Routing::Route(default_route(), 2)];
    rig.refused = vec!["add"];
    let done = rig.feed(at + 200_000, Event::RoutingGone);
    assert!(done.contains(&"says: Route, no".to_owned()), "{done:?}");
    assert!(rig.tick(at + 200_100).contains(&"compare 1".to_owned()));
}

#[test]
fn routes_that_cannot_be_compared_are_said_once_and_compared_again() {
    let mut rig = without_its_route();
    rig.feed(0, Event::Desired(HOLD));
    rig.missing.clear();
    rig.refused = vec!["compare"];
    let failed = ["compare 1", "says: Compare, no"];
    assert_eq!(rig.feed(10, Event::RoutingGone)[..2], failed);
    assert_eq!(rig.feed(20, Event::RoutingGone), ["compare 1"]);
    rig.refused.clear();
    assert!(rig.tick(110).contains(&"compare 1".to_owned()));
    rig.refused = vec!["compare"];
    assert_eq!(rig.feed(120, Event::RoutingGone)[..2], failed);
}

/// The kernel ends an IPv6 route by itself if it is told to; an IPv4 route ends with its source.
#[test]
fn an_ipv6_route_is_leased_with_the_addresses() {
    let mut both = plan(&[("eth0", "10.0.0.100/24"), ("eth0", "fd50::10/64")]);
    both.lease = Lease::Seconds(NonZeroU32::new(2).unwrap());
    both.managed.routes = vec![default_route(), route_v6()];
    let mut rig = Rig::new(both, node(&[("eth0", "10.0.0.11/24"), ("eth0", "fd50::11/64")]));
    rig.missing = vec![Routing::Route(default_route(), 2), Routing::Route(route_v6(), 2)];
    let added = rig.feed(0, Event::Desired(HOLD));
    let leased = "lease route to fd99::/64 through eth0 in table 254 for 2".to_owned();
    let there = added.iter().position(|words| words.starts_with("add route to fd99::/64"));
    assert_eq!(added[there.unwrap() + 1], leased);
    rig.missing.clear();
    // Renewed after a quarter of the lease, and not while the advert thread hangs.
    let renewed = rig.feed(500, Event::Pulse(moment(500)));
    assert_eq!(renewed.iter().filter(|words| **words == leased).count(), 1, "{renewed:?}");
    assert!(!rig.tick(1_000).contains(&leased));
    // One that is refused is not leased.
    rig.missing = vec![Routing::Route(route_v6(), 2)];
    rig.refused = vec!["add"];
    rig.feed(1_100, Event::RoutingGone);
    assert!(!rig.feed(1_200, Event::Pulse(moment(1_200))).contains(&leased));
}
