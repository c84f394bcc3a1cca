//! Taking over, reloads, and what the kernel refuses.

use super::*;

/// Each address with what makes it secondary or gives clients their source before it, and its network's route
/// after it; then the proxies are told, routes compared, and neighbours told.
#[test]
fn addresses_come_first_then_routes_then_the_announcement() {
    let own = [("eth0", "10.0.0.11/24"), ("eth0", "fd77::11/64")];
    let mut plan = plan(&[
        ("eth0", "10.0.0.100"),
        ("eth0", "192.168.50.10/24"),
        ("eth0", "fd77::100"),
        ("eth1", "fd50::10/64"),
    ]);
    plan.lease = Lease::Seconds(NonZeroU32::MIN);
    plan.managed.routes = vec![default_route()];
    let mut rig = Rig::new(plan, node(&own));
    assert!(rig.tick(0).is_empty(), "nothing is wanted yet");
    assert_eq!(rig.deadline(), None);
    rig.missing = vec![Routing::Route(default_route(), 2)];
    assert_eq!(
        rig.feed(10, Event::Desired(HOLD)),
        [
            "own 10.0.0.11 10.0.0.100",
            "put 10.0.0.100/32 at 2 for 1",
            "promote eth0",
            "put 192.168.50.10/24 at 2 for 1",
            "give fd77::11 fd77::100 at 2 for 1",
            "put fd77::100/128 at 2 for 1",
            "put fd50::10/64 at 3 for 1",
            "connect fd50::10/64 at 3",
            "says: holds",
            "active 10.0.0.100 192.168.50.10 fd77::100 fd50::10",
            "compare 1",
            "add route to 0.0.0.0/0 through eth0 in table 254",
            "says: added route to 0.0.0.0/0 through eth0 in table 254",
            "announce 10.0.0.100 192.168.50.10 fd77::100 fd50::10",
        ]
    );
    // The burst goes on 100 ms after it began, and the lease of a second is renewed four times.
    assert_eq!(rig.deadline(), Some(110));
}

/// Nothing is held while the interface is not there; when it vanishes, so does all that it had.
#[test]
fn nothing_is_held_without_the_interface() {
    let mut rig = Rig::new(plan(&[("eth0", "10.0.0.100/24")]), Interfaces::default());
    assert!(rig.feed(0, Event::Desired(HOLD)).is_empty());
    let there = Arc::new(node(&[("eth0", "10.0.0.11/24")]));
    let held = rig.feed(1, Event::Interfaces(Arc::clone(&there)));
    assert_eq!(held[0], "put 10.0.0.100/24 at 2 for 0");
    assert_eq!(
        rig.feed(2, Event::Interfaces(Arc::default())),
        ["destroy 10.0.0.100", "delete 10.0.0.100/24", "backup 10.0.0.100"]
    );
    assert_eq!(rig.reconciler.lease_ends(), None);
    let back = rig.feed(3, Event::Interfaces(there));
    assert!(back.contains(&"announce 10.0.0.100".to_owned()), "{back:?}");
}

/// A reload touches what changes, and no more: those that leave go first, their clients before them.
#[test]
fn a_reload_goes_over_by_difference() {
    let mut rig = Rig::holding(0);
    let mut other = plan(&[("eth0", "10.0.0.100/24"), ("eth0", "10.0.0.101/24")]);
    other.managed.routes = vec![default_route()];
    assert_eq!(
        rig.feed(2_000, Event::Plan(Box::new(other.clone()))),
        [
            "put 10.0.0.101/24 at 2 for 0",
            "active 10.0.0.100 10.0.0.101",
            "compare 1",
            "announce 10.0.0.100 10.0.0.101",
        ]
    );
    assert!(!rig.feed(2_001, Event::Plan(Box::new(other))).iter().any(|w| w.starts_with("put")));
    let moved = plan(&[("eth1", "10.0.0.100/24"), ("eth0", "10.0.0.101/24")]);
    assert_eq!(
        rig.feed(4_000, Event::Plan(Box::new(moved)))[..7],
        [
            "drop route to 0.0.0.0/0 through eth0 in table 254",
            "reset 10.0.0.100",
            "destroy 10.0.0.100",
            "delete 10.0.0.100/24",
            "put 10.0.0.100/24 at 3 for 0",
            "active 10.0.0.100 10.0.0.101",
            "announce 10.0.0.101 10.0.0.100",
        ]
    );
}

/// Another lease is taken over at once, without an announcement.
#[test]
fn a_reload_with_another_lease_renews() {
    let mut rig = Rig::holding(0);
    let mut leased = plan(&[("eth0", "10.0.0.100/24")]);
    leased.lease = Lease::Seconds(NonZeroU32::new(4).unwrap());
    assert_eq!(
        rig.feed(10, Event::Plan(Box::new(leased))),
        ["renew 10.0.0.100/24 at 2 for 4", "active 10.0.0.100"]
    );
    assert_eq!(rig.reconciler.lease_ends(), Some(moment(4_010)));
}

/// The node loses its own address in the network of the virtual ones: IPv4's is added anew with its route,
/// IPv6's gets one. Nobody's clients are reset.
#[test]
fn an_address_connects_when_the_nodes_own_leaves() {
    let own = [("eth0", "192.168.50.11/24"), ("eth0", "fd50::11/64")];
    let both = plan(&[("eth0", "192.168.50.10/24"), ("eth0", "fd50::10/64")]);
    let mut rig = Rig::new(both, node(&own));
    rig.feed(0, Event::Desired(HOLD));
    let ours = [("eth0", "192.168.50.10/24*"), ("eth0", "fd50::10/64*")];
    let done = rig.feed(10, Event::Interfaces(Arc::new(node(&ours))));
    assert_eq!(
        done[..7],
        [
            "delete 192.168.50.10/24",
            "promote eth0",
            "put 192.168.50.10/24 at 2 for 0",
            "renew 192.168.50.10/24 at 2 for 0",
            "renew fd50::10/64 at 2 for 0",
            "connect fd50::10/64 at 2",
            "active 192.168.50.10 fd50::10",
        ]
    );
    // What shares a network with another of ours leaves its route to that.
    let two = plan(&[("eth0", "fd50::9/64")]);
    let ours = [("eth0", "fd50::9/64*"), ("eth0", "fd50::10/64*")];
    rig.feed(20, Event::Interfaces(Arc::new(node(&ours))));
    let done = rig.feed(30, Event::Plan(Box::new(two)));
    assert!(done.contains(&"delete fd50::10/64".to_owned()), "{done:?}");
    assert!(!done.iter().any(|words| words.starts_with("disconnect")), "{done:?}");
}

/// What the kernel refuses is tried again every 100 ms, announced each time, and said each time.
#[test]
fn an_address_that_is_refused_is_tried_again() {
    let mut rig = Rig::new(plan(&[("eth0", "10.0.0.100/24")]), node(&[("eth0", "10.0.0.11/24")]));
    rig.refused = vec!["put"];
    let done = rig.feed(0, Event::Desired(HOLD));
    assert_eq!(done[..2], ["put 10.0.0.100/24 at 2 for 0", "says: Hold, no"]);
    assert_eq!(rig.deadline(), Some(100));
    assert_eq!(rig.tick(99), [""; 0]);
    let again = ["put 10.0.0.100/24 at 2 for 0", "says: Hold, no", "announce 10.0.0.100"];
    assert_eq!(rig.tick(100), again);
    rig.refused.clear();
    assert_eq!(rig.tick(200), ["put 10.0.0.100/24 at 2 for 0"]);
    assert_eq!(rig.deadline(), Some(500), "the burst");
}

#[test]
fn a_source_or_a_connected_route_that_is_refused_is_said_once() {
    let mut both = plan(&[("eth0", "fd77::100"), ("eth1", "fd50::10/64")]);
    both.lease = Lease::Seconds(NonZeroU32::MIN);
    let mut rig = Rig::new(both, node(&[("eth0", "fd77::11/64")]));
    rig.refused = vec!["give", "connect", "announce"];
    let said = |done: Vec<String>| -> Vec<String> {
        done.into_iter().filter(|words| words.starts_with("says: ")).collect()
    };
    let first = ["says: Source, no", "says: Connect, no", "says: holds", "says: Announce, no"];
    assert_eq!(said(rig.feed(0, Event::Desired(HOLD))), first);
    let renewed = rig.feed(250, Event::Pulse(moment(250)));
    assert!(renewed.contains(&"connect fd50::10/64 at 3".to_owned()), "{renewed:?}");
    assert_eq!(said(renewed), [""; 0]);
    // Announcements once a minute.
    rig.feed(60_000, Event::Pulse(moment(60_000)));
    assert_eq!(said(rig.tick(60_000)), ["says: Announce, no"]);
}

/// What cannot be undone is said, and the rest is undone all the same.
#[test]
fn what_is_left_behind_is_said() {
    let own = [("eth0", "10.0.0.11/24"), ("eth0", "fd77::11/64")];
    let mut all = plan(&[("eth0", "10.0.0.100"), ("eth0", "fd77::100"), ("eth1", "fd50::10/64")]);
    all.managed.routes = vec![default_route()];
    let mut rig = Rig::new(all, node(&own));
    rig.refused = vec!["own"];
    let done = rig.feed(0, Event::Desired(HOLD));
    assert_eq!(done[1], "says: Source, no");
    rig.refused = vec!["drop", "take", "disown", "disconnect"];
    let done = rig.feed(10, Event::Desired(AT_ONCE));
    let said: Vec<_> = done.iter().filter(|words| words.starts_with("says")).collect();
    assert_eq!(
        said,
        [
            "says: RouteLeft, no",
            "says: Remove, no",
            "says: SourceLeft, no",
            "says: SourceLeft, no",
            "says: ConnectLeft, no",
            "says: released",
        ]
    );
    // One that cannot be removed stays secondary to what it was.
    rig.feed(20, Event::Desired(HOLD));
    rig.refused = vec!["delete 10.0.0.100"];
    let done = rig.feed(30, Event::Desired(AT_ONCE));
    assert!(done.contains(&"says: Remove, no".to_owned()), "{done:?}");
    assert!(!done.iter().any(|words| words.starts_with("disown")), "{done:?}");
}

/// An owner's addresses are there from others, and stay.
#[test]
fn an_owner_leaves_its_own_addresses_alone() {
    let mut own = plan(&[("eth0", "10.0.0.11/24"), ("eth0", "10.0.0.12/24")]);
    (own.owner, own.lease) = (true, Lease::Seconds(NonZeroU32::MIN));
    let mut rig = Rig::new(own, node(&[("eth0", "10.0.0.11/24")]));
    let done = rig.feed(0, Event::Desired(HOLD));
    assert_eq!(done[..2], ["put 10.0.0.12/24 at 2 for 1", "says: holds"]);
    assert!(done.contains(&"announce 10.0.0.11 10.0.0.12".to_owned()), "{done:?}");
    let renewed = rig.feed(250, Event::Pulse(moment(250)));
    assert_eq!(renewed[0], "renew 10.0.0.12/24 at 2 for 1");
    let done = rig.feed(300, Event::Desired(AT_ONCE));
    assert!(done.contains(&"delete 10.0.0.12/24".to_owned()), "{done:?}");
    assert!(!done.contains(&"delete 10.0.0.11/24".to_owned()), "{done:?}");
}

/// The election asks for another announcement: a burst of all addresses, unless one has just begun.
#[test]
fn the_election_has_the_addresses_announced_again() {
    let mut rig = Rig::holding(0);
    let asked = |announcements| Event::Desired(DesiredState { announcements, ..HOLD });
    assert_eq!(rig.feed(50, asked(1)), [""; 0]);
    assert_eq!(rig.tick(100), ["announce 10.0.0.100"]);
    assert_eq!(rig.feed(1_200, asked(2)), ["announce 10.0.0.100"]);
    assert_eq!(rig.deadline(), Some(1_300), "a burst of its own");
    assert_eq!(rig.feed(1_200, asked(2)), [""; 0]);
}
