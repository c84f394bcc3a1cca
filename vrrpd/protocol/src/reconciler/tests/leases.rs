//! Leases and deletions.

use super::*;

/// A lease of four seconds is renewed each second, as long as the advert thread is alive: its last beat
/// must be less than a renewal's pause ago.
#[test]
fn leases_are_renewed_while_the_advert_thread_beats() {
    // When the thread last beat, and what happens a second after the lease began.
    let rows: [(u64, bool); 4] = [(0, false), (1, true), (500, true), (999, true)];
    for (beat, renewed) in rows {
        let mut rig = Rig::holding(4);
        rig.feed(beat, Event::Pulse(moment(beat)));
        let early = [rig.tick(999), rig.tick(999)].concat();
        assert!(early.iter().all(|words| words == "announce 10.0.0.100"), "beat {beat}: {early:?}");
        let done = rig.tick(1_000);
        let expected: &[&str] = if renewed { &["renew 10.0.0.100/24 at 2 for 4"] } else { &[] };
        assert_eq!(done, expected, "beat {beat}");
        assert_eq!(rig.reconciler.awaits_pulse(), !renewed, "beat {beat}");
        let ends = if renewed { 5_000 } else { 4_000 };
        assert_eq!(rig.reconciler.lease_ends(), Some(moment(ends)), "beat {beat}");
    }
}

/// Only the daemon's main thread goes on: nothing is renewed, and nobody is woken for it, until the advert
/// thread beats again.
#[test]
fn a_hanging_advert_thread_loses_its_lease() {
    let mut rig = Rig::holding(4);
    for at in [1_000, 1_500, 2_000, 3_000, 3_900] {
        assert!(!rig.tick(at).iter().any(|words| words.starts_with("renew")), "{at}");
    }
    assert_eq!(rig.deadline(), Some(5_000), "the burst only");
    assert_eq!(rig.reconciler.lease_ends(), Some(moment(4_000)));
    assert_eq!(rig.feed(4_100, Event::Pulse(moment(4_100))), ["renew 10.0.0.100/24 at 2 for 4"]);
    assert!(!rig.reconciler.awaits_pulse());
}

#[test]
fn nothing_is_renewed_without_leases() {
    let mut rig = Rig::holding(0);
    assert_eq!(rig.reconciler.lease_ends(), None);
    assert_eq!(rig.tick(100_000), ["announce 10.0.0.100"; 2]);
    assert!(!rig.reconciler.awaits_pulse());
}

/// A renewal that is refused is tried again as if the address were gone.
#[test]
fn a_renewal_that_is_refused_is_tried_again() {
    let mut rig = Rig::holding(4);
    rig.refused = vec!["renew"];
    let done = rig.feed(1_000, Event::Pulse(moment(1_000)));
    assert_eq!(done[..2], ["renew 10.0.0.100/24 at 2 for 4", "says: Renew, no"]);
    rig.tick(1_000);
    assert_eq!(rig.reconciler.deadline(), Some(moment(1_100)));
    let done = rig.tick(1_100);
    assert_eq!(done, ["put 10.0.0.100/24 at 2 for 4", "announce 10.0.0.100"]);
}

fn gone(ip: &str, by: u32) -> Event {
    Event::AddressGone { index: 2, ip: ip.parse().unwrap(), by }
}

/// What somebody deletes is added again at once and announced, counted, and from the third time in a
/// minute on a warning. What the kernel deletes is not counted.
#[test]
fn a_deleted_address_is_back_at_once() {
    let mut rig = Rig::holding(0);
    let put = "put 10.0.0.100/24 at 2 for 0";
    let rows: [(u64, u32, &str, u64); 6] = [
        (2_000, 77, "says: 10.0.0.100 deleted by 77, Note", 1),
        (4_000, 77, "says: 10.0.0.100 deleted by 77, Note", 2),
        (6_000, 0, "says: 10.0.0.100 deleted by 0, Note", 2),
        (8_000, 78, "says: 10.0.0.100 deleted by 78, Warning", 3),
        (10_000, 77, "", 4),
        (68_000, 77, "says: 10.0.0.100 deleted by 77, Note", 5),
    ];
    for (at, by, said, deletions) in rows {
        let done = rig.feed(at, gone("10.0.0.100", by));
        let mut expected = vec![said, put, "announce 10.0.0.100"];
        expected.retain(|words| !words.is_empty());
        assert_eq!(done, expected, "{at}");
        assert_eq!(rig.reconciler.deletions(), deletions, "{at}");
    }
}

/// Another's address, one at another interface, or one that is back already.
#[test]
fn what_is_not_missing_is_not_added() {
    let mut rig = Rig::holding(0);
    rig.tick(100);
    assert_eq!(rig.feed(200, gone("10.0.0.99", 77)), [""; 0]);
    let elsewhere = Event::AddressGone { index: 3, ip: "10.0.0.100".parse().unwrap(), by: 77 };
    assert_eq!(rig.feed(200, elsewhere), [""; 0]);
    let back = node(&[("eth0", "10.0.0.11/24"), ("eth0", "10.0.0.100/24*")]);
    rig.feed(200, Event::Interfaces(Arc::new(back)));
    assert_eq!(rig.feed(200, gone("10.0.0.100", 77)), [""; 0]);
    assert_eq!(rig.reconciler.deletions(), 0);
    let mut nothing = Rig::new(plan(&[("eth0", "10.0.0.100/24")]), node(&[]));
    assert_eq!(nothing.feed(0, gone("10.0.0.100", 77)), [""; 0]);
}

/// Messages of the kernel were lost: everything is added again, and routes are compared.
#[test]
fn after_lost_messages_everything_is_added_again() {
    let mut both = plan(&[("eth0", "10.0.0.100/24"), ("eth0", "10.0.0.101/24")]);
    both.managed.routes = vec![default_route()];
    let mut rig = Rig::new(both, node(&[("eth0", "10.0.0.11/24")]));
    assert_eq!(rig.feed(0, Event::AnythingGone), [""; 0], "nothing is held");
    rig.feed(0, Event::Desired(HOLD));
    assert_eq!(
        rig.feed(2_000, Event::AnythingGone),
        [
            "put 10.0.0.100/24 at 2 for 0",
            "put 10.0.0.101/24 at 2 for 0",
            "compare 1",
            "announce 10.0.0.100 10.0.0.101",
        ]
    );
    assert_eq!(rig.reconciler.deletions(), 0);
}
