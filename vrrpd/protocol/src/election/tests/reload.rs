//! A reload changes what the operator decided, and nothing that is under way.

use super::*;

#[test]
fn of_a_shorter_interval_is_advertised_at_once_and_makes_nobody_late() {
    let mut router = Router::active(settings());
    router.advance(900_000);
    let anew = Settings { interval: interval(5), ..settings() };
    let actions = router.election.reconfigure(anew, router.now);
    // 900 ms are many intervals of 50 ms, but those who listen wait for seconds.
    assert_eq!(actions, [Action::Advertise(lead(100))]);
    assert_eq!(router.election.deadline(), Some(router.now + Duration::from_millis(50)));
}

#[test]
fn of_a_longer_interval_is_advertised_before_anyone_misses_an_advert() {
    let short = Settings { interval: interval(5), ..settings() };
    let mut router = Router::active(short);
    router.advance(20_000);
    let actions = router.election.reconfigure(settings(), router.now);
    assert_eq!(actions, [Action::Advertise(lead(100))]);
    assert_eq!(router.election.deadline(), Some(router.now + Duration::from_secs(1)));
}

#[test]
fn that_changes_no_interval_sends_nothing_out_of_turn() {
    let mut router = Router::active(settings());
    router.advance(400_000);
    let due = router.election.deadline();
    let anew = Settings { preempt: Preempt::Never, ..settings() };
    assert_eq!(router.election.reconfigure(anew, router.now), []);
    assert_eq!(router.election.deadline(), due);
}

#[test]
fn does_not_hide_that_an_active_router_is_late() {
    let mut router = Router::active(settings());
    router.advance(3_000_000);
    let anew = Settings { interval: interval(400), ..settings() };
    let actions = router.election.reconfigure(anew, router.now);
    assert_eq!(actions[0], Action::ReleaseAddresses(Release::AtOnce));
    assert_eq!(router.name(), StateName::Backup);
}

#[test]
fn counts_for_a_backup_that_has_heard_nobody() {
    let mut router = Router::backup(settings());
    router.advance(200_000);
    let anew = Settings { interval: interval(10), ..settings() };
    assert_eq!(router.election.reconfigure(anew, router.now), []);
    assert_eq!(router.deadline_micros(), 160_937);
    // Once a router was heard, its interval counts.
    let _ = router.hears_lead(PEER, 150);
    let anew = Settings { interval: interval(400), ..settings() };
    assert_eq!(router.election.reconfigure(anew, router.now), []);
    assert_eq!(router.deadline_micros(), 3_609_375);
}
