//! A router that is not Active has none of its addresses: what is removed, what is said, and how often.

use super::fixtures::address_of;
use super::*;
use crate::interfaces::Configured;

/// A node with 10.0.0.11/24 at `eth0` and what another program left; a `*` is ours, `k` keepalived's, `d`
/// has a lifetime, `s` is secondary.
fn left(addresses: &[(&str, &str)]) -> Interfaces {
    let mut interfaces = node(&[("eth0", "10.0.0.11/24")]);
    for (interface, text) in addresses {
        let index = interfaces.named(&name(interface)).unwrap().index;
        let (net, marks) = text.split_once(' ').unwrap_or((text, ""));
        let found = Configured {
            ours: marks.contains('*'),
            by_keepalived: marks.contains('k'),
            permanent: !marks.contains('d'),
            secondary: marks.contains('s'),
            ..address_of(net)
        };
        interfaces.put_address(index, found);
    }
    interfaces
}

#[test]
fn what_is_ours_to_remove_is_and_the_rest_is_said() {
    let cleared = |net: &str, at: &str| {
        vec![format!("clear {net} from {at}"), format!("says: cleared {net}, 1 times")]
    };
    let stale = |net: &str, at: &str| vec![format!("says: stale {net} on {at}")];
    for (configured, interface, found, expected) in [
        // As keepalived 2.2.7 leaves it, alone and in the node's network.
        ("10.0.0.100", "eth0", "10.0.0.100/32", cleared("10.0.0.100/32", "eth0")),
        ("10.0.0.100/24", "eth0", "10.0.0.100/24 s", cleared("10.0.0.100/24", "eth0")),
        ("10.0.0.100", "eth0", "10.0.0.100/24 s", cleared("10.0.0.100/24", "eth0")),
        ("fd00::100", "eth0", "fd00::100/128", cleared("fd00::100/128", "eth0")),
        // Later releases mark it, wherever it is.
        ("10.0.0.100", "eth1", "10.0.0.100/24 k", cleared("10.0.0.100/24", "eth1")),
        // What the node's own address depends on, in part or alone.
        ("10.0.0.100/24", "eth0", "10.0.0.100/24", stale("10.0.0.100/24", "eth0")),
        ("10.0.0.100", "eth0", "10.0.0.100/16", stale("10.0.0.100/16", "eth0")),
        // By DHCP; on another interface; for a service that answers on its loopback interface.
        ("10.0.0.100", "eth0", "10.0.0.100/32 d", stale("10.0.0.100/32", "eth0")),
        ("10.0.0.100", "eth1", "10.0.0.100/32", stale("10.0.0.100/32", "eth1")),
        ("10.0.0.100", "lo", "10.0.0.100/32", stale("10.0.0.100/32", "lo")),
        // Another address is nobody's business.
        ("10.0.0.100", "eth0", "10.0.0.101/32", vec![]),
    ] {
        let mut rig = Rig::new(plan(&[("eth0", configured)]), left(&[(interface, found)]));
        assert_eq!(rig.tick(0), expected, "{configured}: {found} on {interface}");
        let there = usize::from(!found.starts_with("10.0.0.101"));
        assert_eq!(rig.reconciler.stale().len(), there, "{found} on {interface}");
    }
}

/// keepalived's own macvlan upon the router's interface.
#[test]
fn a_macvlan_upon_the_routers_interface_is_cleared_too() {
    let mut interfaces = node(&[("eth0", "10.0.0.11/24")]);
    let vrrp = Link {
        name: name("vrrp.51"),
        running: true,
        loopback: false,
        mac: None,
        upon: Some(2),
        mtu: None,
    };
    interfaces.put(9, vrrp);
    interfaces.put_address(9, address_of("10.0.0.100/32"));
    let mut rig = Rig::new(plan(&[("eth0", "10.0.0.100")]), interfaces);
    assert_eq!(rig.tick(0)[0], "clear 10.0.0.100/32 from vrrp.51");
}

/// Somebody adds it again and again: each time it stays for twice as long, a minute at most.
#[test]
fn what_comes_back_is_removed_with_growing_pauses() {
    let there = || Arc::new(left(&[("eth0", "10.0.0.100/32")]));
    let mut rig = Rig::new(plan(&[("eth0", "10.0.0.100")]), left(&[("eth0", "10.0.0.100/32")]));
    assert_eq!(rig.tick(0).len(), 2);
    let mut at = 0;
    for (times, pause) in [(2, 1), (3, 2), (4, 4), (5, 8), (6, 16), (7, 32), (8, 60), (9, 60)] {
        rig.feed(at + 1, Event::Interfaces(Arc::new(node(&[("eth0", "10.0.0.11/24")]))));
        assert_eq!((rig.deadline(), rig.reconciler.stale().len()), (None, 0));
        assert_eq!(rig.feed(at + 2, Event::Interfaces(there())), [""; 0]);
        at += pause * 1000;
        assert_eq!(rig.deadline(), Some(u128::from(at)));
        assert_eq!(rig.tick(at - 1), [""; 0]);
        let said = format!("says: cleared 10.0.0.100/32, {times} times");
        assert_eq!(rig.tick(at), ["clear 10.0.0.100/32 from eth0".to_owned(), said]);
    }
    // After five quiet minutes nobody remembers.
    rig.feed(at + 1, Event::Interfaces(Arc::new(node(&[("eth0", "10.0.0.11/24")]))));
    rig.tick(at + 300_001);
    assert_eq!(
        rig.feed(at + 300_002, Event::Interfaces(there()))[1],
        "says: cleared 10.0.0.100/32, 1 times"
    );
}

#[test]
fn what_cannot_be_removed_is_tried_again_and_said_once() {
    let mut rig = Rig::new(plan(&[("eth0", "10.0.0.100")]), left(&[("eth0", "10.0.0.100/32")]));
    rig.refused = vec!["clear"];
    assert_eq!(rig.tick(0), ["clear 10.0.0.100/32 from eth0", "says: Stale, no"]);
    assert_eq!(rig.tick(1000), ["clear 10.0.0.100/32 from eth0"]);
    assert_eq!(rig.tick(2999), [""; 0]);
    assert_eq!(rig.tick(3000), ["clear 10.0.0.100/32 from eth0"]);
}

/// The picture of the interfaces is a little late: what was just let go of is not stale.
#[test]
fn what_was_just_released_is_not_stale() {
    let mut rig = Rig::holding(0);
    let ours = || Arc::new(left(&[("eth0", "10.0.0.100/24 *")]));
    rig.feed(10, Event::Interfaces(ours()));
    rig.feed(20, Event::Desired(AT_ONCE));
    assert_eq!(rig.deadline(), Some(1020));
    assert_eq!(
        rig.feed(30, Event::Interfaces(Arc::new(node(&[("eth0", "10.0.0.11/24")])))),
        [""; 0]
    );
    assert_eq!(rig.deadline(), None);
    // But what stays is.
    rig.feed(40, Event::Interfaces(ours()));
    assert_eq!(rig.tick(1040)[0], "clear 10.0.0.100/24 from eth0");
}

/// Neither an Active router's nor an owner's; and it is said again only if it was gone.
#[test]
fn a_router_that_holds_its_addresses_has_none_that_are_stale() {
    let on_lo = || left(&[("lo", "10.0.0.100/32")]);
    let mut rig = Rig::new(plan(&[("eth0", "10.0.0.100/24")]), on_lo());
    assert_eq!(rig.tick(0), ["says: stale 10.0.0.100/32 on lo"]);
    assert_eq!((rig.tick(5000), rig.deadline()), (vec![], None));
    rig.feed(6000, Event::Desired(HOLD));
    assert!(rig.reconciler.stale().is_empty());
    let owner = Plan { owner: true, ..plan(&[("eth0", "10.0.0.11/24")]) };
    assert_eq!(Rig::new(owner, node(&[("eth0", "10.0.0.11/24")])).tick(0), [""; 0]);
}

/// What another program had there when this router took over goes with the rest.
#[test]
fn what_was_there_before_a_takeover_is_released_with_it() {
    let mut rig =
        Rig::new(plan(&[("eth0", "10.0.0.100/24")]), left(&[("eth0", "10.0.0.100/24 s")]));
    rig.feed(0, Event::Desired(HOLD));
    assert!(rig.feed(50, Event::Desired(AT_ONCE)).contains(&"delete 10.0.0.100/24".to_owned()));
}
