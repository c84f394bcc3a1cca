//! Two routers of one sync group.

use super::super::group::{all_wait, consequence};
use super::*;

const PEER6: &str = "fe80::12";

fn pair() -> [Router; 2] {
    let settings = Settings { grouped: true, ..settings() };
    let other = Settings { address: ip("fe80::11"), ..settings };
    let [one, mut other] = [Router::backup(settings), Router::new(other)];
    (other.start, other.now) = (one.start, one.now);
    let _ = other.feed(Event::Startup);
    [one, other]
}

fn wait(pair: &[Router]) -> bool {
    all_wait(pair.iter().map(|router| router.election.state()))
}

#[test]
fn silence_makes_it_active_only_when_all_are_silent() {
    let [mut one, mut other] = pair();
    other.advance(1_000_000);
    let _ = other.hears_lead(PEER6, 150);
    // 3609.375 ms after its start; the sibling heard its peer 1 s later.
    assert_eq!(one.tick(), vec![]);
    assert_eq!((one.name(), one.election.deadline()), (StateName::Backup, None));
    let mut pair = [one, other];
    assert!(!wait(&pair));
    assert_eq!(pair[1].deadline_micros(), 3_609_375);
    assert_eq!(pair[1].tick(), vec![]);
    assert!(wait(&pair));
    for (router, source, lasted) in [(0, None, 3_609_375), (1, Some(ip(PEER6)), 3_609_375)] {
        let cause = Cause::Silence { from: source, lasted: Duration::from_micros(lasted) };
        let became = transition(StateName::Backup, StateName::Active, cause);
        let actions = vec![Action::Advertise(lead(100)), Action::ClaimAddresses, became];
        assert_eq!(pair[router].feed(Event::Join), actions);
    }
}

#[test]
fn a_peer_that_speaks_again_ends_the_wait() {
    let [mut one, _] = pair();
    assert_eq!(one.tick(), vec![]);
    let _ = one.hears_lead(PEER, 150);
    assert!(!wait(&[one]));
}

#[test]
fn preemption_waits_for_all() {
    let [mut one, mut other] = pair();
    for router in [&mut one, &mut other] {
        let _ = router.hears_lead(PEER, 150);
        router.advance(4_000_000);
    }
    // The listening time is over, and one peer's priority fell.
    assert_eq!(one.hears_lead(PEER, 1), vec![]);
    let mut pair = [one, other];
    assert!(!wait(&pair));
    assert_eq!(pair[1].hears_lead(PEER, 1), vec![]);
    assert!(wait(&pair));
}

#[test]
fn who_yields_takes_its_siblings_along() {
    let outranked = Cause::Outranked { peer: ip(PEER), theirs: priority(150), ours: priority(100) };
    let yielded = Transition { from: StateName::Active, to: StateName::Backup, cause: outranked };
    assert_eq!(consequence(yielded), Some(Event::Yield));
    let mut sibling = Router::active(settings());
    let became = transition(StateName::Active, StateName::Backup, Cause::Yielded);
    let actions = vec![
        Action::Advertise(lead(100)),
        Action::Advertise(Claim::Resign),
        Action::ReleaseAddresses(Release::Relieved),
        became,
    ];
    assert_eq!(sibling.feed(Event::Yield), actions);
    assert_eq!(sibling.deadline_micros(), 3_609_375);
}

#[test]
fn only_active_and_backup_concern_the_siblings() {
    let states =
        [StateName::Initialize, StateName::Backup, StateName::Active, StateName::Releasing];
    for from in states {
        for to in states {
            let expected = match (from, to) {
                (_, StateName::Active) => Some(Event::Join),
                (StateName::Active, StateName::Backup) => Some(Event::Yield),
                _ => None,
            };
            let cause = Cause::Started;
            assert_eq!(consequence(Transition { from, to, cause }), expected);
        }
    }
}

#[test]
fn nobody_else_is_moved_by_a_group() {
    let mut initialize = Router::new(settings());
    assert_eq!(initialize.feed(Event::Join), vec![]);
    assert_eq!(initialize.feed(Event::Yield), vec![]);
    let mut active = Router::active(settings());
    assert_eq!(active.feed(Event::Join), vec![]);
    let mut backup = Router::backup(settings());
    assert_eq!(backup.feed(Event::Yield), vec![]);
    assert_eq!(backup.name(), StateName::Backup);
}
