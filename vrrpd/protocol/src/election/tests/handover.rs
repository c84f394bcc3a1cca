//! Addresses that are handed over on purpose.

use super::*;

/// Active with priority 150, and told to hand over.
fn handing_over() -> Router {
    let mut router = Router::active(Settings { priority: priority(150), ..settings() });
    let releasing = transition(StateName::Active, StateName::Releasing, Cause::HandingOver);
    assert_eq!(router.feed(Event::HandOver), vec![Action::Advertise(Claim::Resign), releasing]);
    router
}

/// Behind a peer of priority 100 that took over.
fn handed_over() -> Router {
    let mut router = handing_over();
    router.advance(50_000);
    let backup =
        transition(StateName::Releasing, StateName::Backup, Cause::Relieved { peer: ip(PEER) });
    let released = Action::ReleaseAddresses(Release::Relieved);
    let resign = Action::Advertise(Claim::Resign);
    assert_eq!(router.hears_lead(PEER, 100), vec![resign, released, backup]);
    router
}

#[test]
fn the_addresses_are_not_taken_back_from_a_peer_that_can_serve() {
    let mut router = handed_over();
    for _ in 0..10 {
        router.advance(1_000_000);
        assert_eq!(router.hears_lead(PEER, 100), vec![]);
    }
    assert_eq!(router.feed(Event::Reclaim), vec![]);
    router.advance(1_000_000);
    assert!(router.hears_lead(PEER, 100).contains(&Action::ClaimAddresses));
}

#[test]
fn a_peer_that_cannot_serve_or_is_silent_is_replaced() {
    let mut unusable = handed_over();
    unusable.advance(1_000_000);
    assert!(unusable.hears_lead(PEER, 1).contains(&Action::ClaimAddresses));
    let mut silent = handed_over();
    // Priority 150: a skew of 106/256 s, 414.0625 ms.
    assert_eq!(silent.deadline_micros(), 3_414_062);
    assert!(silent.tick().contains(&Action::ClaimAddresses));
}

#[test]
fn without_a_peer_it_goes_on() {
    let mut router = handing_over();
    // The longest skew at 1 s, 255/256 s, and 200 ms.
    assert_eq!(router.deadline_micros(), 1_196_093);
    router.advance(1_196_000);
    assert_eq!(router.feed(Event::Tick), vec![], "before that");
    let on = transition(StateName::Releasing, StateName::Active, Cause::NotRelieved);
    assert_eq!(router.tick(), vec![Action::Advertise(lead(150)), Action::ClaimAddresses, on]);
}

#[test]
fn a_peer_that_cannot_serve_does_not_relieve_one_that_can() {
    let mut router = handing_over();
    let on = transition(StateName::Releasing, StateName::Active, Cause::NotRelieved);
    let actions = vec![Action::Advertise(lead(150)), Action::ClaimAddresses, on];
    assert_eq!(router.hears_lead(PEER, 1), actions);
    // Of two that cannot serve, the operator's order decides.
    let mut unusable = handing_over();
    let _ = unusable.feed(Event::PriorityChanged(priority(1)));
    let _ = unusable.hears_lead(PEER, 1);
    assert_eq!(unusable.name(), StateName::Backup);
}

#[test]
fn told_to_keep_the_addresses_meanwhile_it_goes_on() {
    let mut router = handing_over();
    let on = transition(StateName::Releasing, StateName::Active, Cause::Reclaimed);
    let actions = vec![Action::Advertise(lead(150)), Action::ClaimAddresses, on];
    assert_eq!(router.feed(Event::Reclaim), actions);
    // Whoever ends, ends.
    let mut ending = Router::active(settings());
    let _ = ending.feed(Event::Shutdown);
    assert_eq!(ending.feed(Event::Reclaim), vec![]);
}

#[test]
fn an_end_overtakes_a_handover() {
    let mut router = handing_over();
    assert_eq!(router.feed(Event::Shutdown), vec![]);
    let ended =
        transition(StateName::Releasing, StateName::Initialize, Cause::Relieved { peer: ip(PEER) });
    let released = Action::ReleaseAddresses(Release::Relieved);
    let resign = Action::Advertise(Claim::Resign);
    assert_eq!(router.hears_lead(PEER, 100), vec![resign, released, ended]);
}

/// As a pause does: the priority falls while the address is handed over.
#[test]
fn a_priority_that_changes_meanwhile_counts_afterwards() {
    let mut router = handing_over();
    assert_eq!(router.feed(Event::PriorityChanged(priority(1))), vec![]);
    assert!(router.tick().contains(&Action::Advertise(lead(1))));
}

#[test]
fn a_backup_has_nothing_to_hand_over() {
    let mut router = Router::backup(settings());
    assert_eq!(router.feed(Event::HandOver), vec![]);
    assert_eq!(router.name(), StateName::Backup);
}
