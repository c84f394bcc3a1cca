//! Letting go: the overlap, the clients, and the order in which everything goes.

use super::*;

/// Routes first, then addresses, and what they are secondary to after them.
const GONE: [&str; 6] = [
    "reset 10.0.0.100",
    "destroy 10.0.0.100",
    "delete 10.0.0.100/32",
    "disown 10.0.0.11 10.0.0.100",
    "backup 10.0.0.100",
    "says: released",
];

fn secondary() -> Rig {
    let mut rig = Rig::new(plan(&[("eth0", "10.0.0.100")]), node(&[("eth0", "10.0.0.11/24")]));
    rig.feed(0, Event::Desired(HOLD));
    rig
}

/// A peer was heard: the addresses stay for 10 ms, so that its announcement has reached everyone.
#[test]
fn a_relieved_router_overlaps_for_ten_milliseconds() {
    let mut rig = secondary();
    assert_eq!(rig.feed(50, Event::Desired(RELIEVED)), [""; 0]);
    assert_eq!(rig.deadline(), Some(60));
    assert_eq!(rig.tick(59), [""; 0]);
    assert_eq!(rig.tick(60), GONE);
    assert_eq!(rig.deadline(), None);
    assert_eq!(rig.tick(70), [""; 0]);
}

#[test]
fn a_router_that_releases_at_once_does_not_wait() {
    assert_eq!(secondary().feed(50, Event::Desired(AT_ONCE)), GONE);
    // Nothing is held: there is nothing to let go of.
    assert_eq!(Rig::new(plan(&[]), node(&[])).feed(50, Event::Desired(AT_ONCE)), [""; 0]);
}

/// Wanted again within the overlap: nobody notices. What was deleted meanwhile is back.
#[test]
fn addresses_that_are_wanted_again_in_time_stay() {
    let mut rig = secondary();
    rig.tick(100);
    rig.feed(200, Event::Desired(RELIEVED));
    let ip = "10.0.0.100".parse().unwrap();
    let said = rig.feed(205, Event::AddressGone { index: 2, ip, by: 9 });
    assert_eq!(said, ["says: 10.0.0.100 deleted by 9, Note"]);
    let back = ["own 10.0.0.11 10.0.0.100", "put 10.0.0.100/32 at 2 for 0"];
    assert_eq!(rig.feed(209, Event::Desired(HOLD)), back);
    assert_eq!(rig.deadline(), Some(500), "the burst goes on");
}

/// Wanted again while the clients were reset: the proxies are told, and the addresses stay.
#[test]
fn addresses_that_are_wanted_again_while_clients_are_reset_stay() {
    let mut rig = secondary();
    rig.meanwhile = Some(Event::Desired(HOLD));
    assert_eq!(rig.feed(50, Event::Desired(AT_ONCE)), ["reset 10.0.0.100", "active 10.0.0.100"]);
    // A configuration that came meanwhile is taken over now.
    rig.tick(100);
    rig.handle(150, Event::Desired(RELIEVED));
    let reset = rig.handle(160, Event::Tick);
    assert_eq!(reset.iter().map(words).collect::<Vec<_>>(), ["reset 10.0.0.100"]);
    let other = plan(&[("eth0", "10.0.0.100"), ("eth0", "10.0.0.101/24")]);
    assert!(rig.handle(161, Event::Desired(HOLD)).is_empty(), "not before they have been reset");
    assert!(rig.handle(161, Event::Plan(Box::new(other))).is_empty());
    let op = Box::new(reset[0].clone());
    let stay = rig.handle(162, Event::Done(op, Ok(Done::Yes)));
    assert_eq!(stay.iter().map(words).collect::<Vec<_>>(), ["active 10.0.0.100"]);
    assert_eq!(rig.tick(162)[0], "put 10.0.0.101/24 at 2 for 0");
}

/// Routes go before the addresses that they have as their sources.
#[test]
fn routes_go_before_addresses() {
    let mut both = plan(&[("eth0", "10.0.0.100/24"), ("eth0", "fd50::10/64")]);
    both.managed.routes = vec![default_route()];
    let mut rig = Rig::new(both, node(&[("eth0", "10.0.0.11/24")]));
    rig.feed(0, Event::Desired(HOLD));
    assert_eq!(
        rig.feed(50, Event::Desired(AT_ONCE)),
        [
            "reset 10.0.0.100 fd50::10",
            "destroy 10.0.0.100 fd50::10",
            "drop route to 0.0.0.0/0 through eth0 in table 254",
            "delete 10.0.0.100/24",
            "delete fd50::10/64",
            "take fd50::10 at 2",
            "disconnect fd50::10/64 at 2",
            "backup 10.0.0.100 fd50::10",
            "says: released",
        ]
    );
}

/// What makes an address secondary stays where it does so for another router's, too.
#[test]
fn what_serves_another_routers_address_stays() {
    let wide = plan(&[("eth0", "10.0.0.100/16")]);
    let mut rig = Rig::new(wide, node(&[("eth0", "10.0.0.11/24")]));
    assert_eq!(rig.feed(0, Event::Desired(HOLD))[0], "own 10.0.0.11 10.0.0.100");
    let ours = [("eth0", "10.0.0.11/24"), ("eth0", "10.0.0.100/16*"), ("eth0", "10.0.0.101/16*")];
    rig.feed(10, Event::Interfaces(Arc::new(node(&ours))));
    let done = rig.feed(20, Event::Desired(AT_ONCE));
    assert!(done.contains(&"delete 10.0.0.100/16".to_owned()), "{done:?}");
    assert!(!done.iter().any(|words| words.starts_with("disown")), "{done:?}");
}

/// The election ends: everything is released, whatever it last wanted.
#[test]
fn the_end_releases_everything() {
    let mut rig = secondary();
    assert!(!rig.reconciler.has_ended());
    assert_eq!(rig.feed(50, Event::End), GONE);
    assert!(rig.reconciler.has_ended());
    let mut nothing = Rig::new(plan(&[]), node(&[]));
    assert_eq!(nothing.feed(0, Event::End), [""; 0]);
    assert!(nothing.reconciler.has_ended());
}

/// It ends while clients are reset, or within the overlap.
#[test]
fn the_end_may_come_while_it_lets_go() {
    let mut rig = secondary();
    rig.meanwhile = Some(Event::End);
    assert_eq!(rig.feed(50, Event::Desired(AT_ONCE)), GONE);
    assert!(rig.reconciler.has_ended());
    let mut rig = secondary();
    rig.feed(50, Event::Desired(RELIEVED));
    assert_eq!(rig.feed(55, Event::End), [""; 0]);
    assert!(!rig.reconciler.has_ended());
    assert_eq!(rig.tick(60), GONE);
    assert!(rig.reconciler.has_ended());
}
