//! An operator who changes the interval.

use super::*;

#[test]
fn an_active_router_is_not_late_by_an_interval_that_nobody_was_told() {
    let mut router = Router::active(settings());
    router.advance(400_000);
    // Peers go by 1 s until the next advert, which comes by the new interval already.
    router.reconfigure(Settings { interval: interval(10), ..settings() });
    assert_eq!(router.deadline_micros(), 100_000);
    assert_eq!(router.tick(), [Action::Advertise(lead(100))]);
    // From then on by 100 ms.
    router.advance(300_000);
    assert_eq!(router.feed(Event::Tick)[0], Action::ReleaseAddresses(Release::AtOnce));
}

#[test]
fn an_active_router_keeps_its_promise_when_its_interval_becomes_longer() {
    let mut router = Router::active(Settings { interval: interval(10), ..settings() });
    router.advance(40_000);
    router.reconfigure(settings());
    assert_eq!(router.deadline_micros(), 60_000);
}

#[test]
fn a_backup_listens_for_its_new_interval_while_nobody_was_heard() {
    let mut router = Router::backup(settings());
    router.advance(200_000);
    router.reconfigure(Settings { interval: interval(10), ..settings() });
    assert_eq!(router.deadline_micros(), 160_937);
    // Once a router was heard, its interval counts.
    let _ = router.hears_lead(PEER, 150);
    router.reconfigure(settings());
    assert_eq!(router.deadline_micros(), 3_609_375);
}
