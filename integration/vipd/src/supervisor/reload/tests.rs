//! The coordinator's decisions, row by row.

use std::time::{Duration, Instant};

use super::Program::{Console, Lbproxy, Vrrpd};
use super::*;

#[expect(clippy::disallowed_methods, reason = "a start for the virtual clock")]
fn zero() -> Instant {
    Instant::now()
}

/// A coordinator in the middle of a reload of these programs to generation 2.
fn preparing(programs: &[Program], now: Instant) -> Reload {
    let mut reload = Reload::new(1);
    assert_eq!(reload.handle(Event::Request(What::All), now), [Effect::Read(What::All)]);
    let asked: Vec<Effect> = programs
        .iter()
        .map(|program| Effect::Prepare { program: *program, generation: 2 })
        .collect();
    assert_eq!(reload.handle(Event::Candidate(programs.to_vec()), now), asked);
    reload
}

fn says(program: Program, generation: u64, verdict: Verdict) -> Event {
    Event::Answered { program, generation, verdict }
}

fn commit(program: Program) -> Effect {
    Effect::Commit { program, generation: 2 }
}

fn abort(program: Program) -> Effect {
    Effect::Abort { program, generation: 2 }
}

fn refused(problems: &[(Program, &str)]) -> Effect {
    let problem = |(program, words): &(Program, &str)| Problem {
        program: *program,
        words: (*words).to_owned(),
    };
    Effect::Refused(problems.iter().map(problem).collect())
}

#[test]
fn all_prepare_before_one_commits() {
    let now = zero();
    let mut reload = preparing(&[Vrrpd, Lbproxy], now);
    assert_eq!(reload.handle(says(Lbproxy, 2, Verdict::Prepared), now), []);
    assert_eq!(
        reload.handle(says(Vrrpd, 2, Verdict::Prepared), now),
        [Effect::Adopt { generation: 2 }, commit(Vrrpd), commit(Lbproxy)]
    );
    assert_eq!(reload.handle(says(Vrrpd, 2, Verdict::Committed), now), []);
    assert!(!reload.is_idle());
    assert_eq!(reload.handle(says(Lbproxy, 2, Verdict::Committed), now), [Effect::Taken]);
    assert!(reload.is_idle());
    assert_eq!(reload.deadline(), None);
}

#[test]
fn one_refusal_aborts_all_when_everybody_has_answered() {
    let now = zero();
    let mut reload = preparing(&[Vrrpd, Lbproxy, Console], now);
    let no = |words: &str| Verdict::Refused(words.to_owned());
    assert_eq!(reload.handle(says(Lbproxy, 2, no("the port is taken")), now), []);
    assert_eq!(reload.handle(says(Vrrpd, 2, Verdict::Prepared), now), []);
    assert_eq!(
        reload.handle(says(Console, 2, no("so is mine")), now),
        [
            abort(Vrrpd),
            abort(Lbproxy),
            abort(Console),
            refused(&[(Lbproxy, "the port is taken"), (Console, "so is mine")]),
        ]
    );
    assert!(reload.is_idle());
}

#[test]
fn who_dies_while_it_is_asked_refuses() {
    let now = zero();
    let mut reload = preparing(&[Vrrpd, Lbproxy], now);
    assert_eq!(reload.handle(Event::Died(Lbproxy), now), []);
    assert_eq!(
        reload.handle(says(Vrrpd, 2, Verdict::Prepared), now),
        [abort(Vrrpd), refused(&[(Lbproxy, "died meanwhile")])]
    );
    // One that was not asked may die.
    let mut reload = preparing(&[Vrrpd], now);
    assert_eq!(reload.handle(Event::Died(Console), now), []);
    assert_eq!(
        reload.handle(says(Vrrpd, 2, Verdict::Prepared), now),
        [Effect::Adopt { generation: 2 }, commit(Vrrpd)]
    );
}

#[test]
fn who_starts_while_others_are_asked_is_asked_as_well() {
    let now = zero();
    let mut reload = preparing(&[Vrrpd], now);
    let asked = Effect::Prepare { program: Lbproxy, generation: 2 };
    assert_eq!(reload.handle(Event::Started(Lbproxy), now), [asked]);
    assert_eq!(reload.handle(says(Vrrpd, 2, Verdict::Prepared), now), []);
    assert_eq!(
        reload.handle(says(Lbproxy, 2, Verdict::Prepared), now),
        [Effect::Adopt { generation: 2 }, commit(Vrrpd), commit(Lbproxy)]
    );
    // Later ones start with the new configuration.
    assert_eq!(reload.handle(Event::Started(Console), now), []);
}

#[test]
fn who_is_silent_refuses_after_five_seconds() {
    let now = zero();
    let mut reload = preparing(&[Vrrpd, Lbproxy], now);
    assert_eq!(reload.handle(says(Vrrpd, 2, Verdict::Prepared), now), []);
    let end = now + Duration::from_secs(5);
    assert_eq!(reload.deadline(), Some(end));
    assert_eq!(reload.handle(Event::Time, end - Duration::from_millis(1)), []);
    assert_eq!(
        reload.handle(Event::Time, end),
        [abort(Vrrpd), abort(Lbproxy), refused(&[(Lbproxy, "did not answer within 5s")])]
    );
    // What it says now is of one that is over.
    assert_eq!(reload.handle(says(Lbproxy, 2, Verdict::Prepared), end), []);
    assert!(reload.is_idle());
}

/// All have prepared, and are told to commit.
fn committing(programs: &[Program], now: Instant) -> Reload {
    let mut reload = preparing(programs, now);
    for program in programs {
        drop(reload.handle(says(*program, 2, Verdict::Prepared), now));
    }
    reload
}

#[test]
fn who_dies_instead_of_committing_goes_over_by_its_successor() {
    let now = zero();
    let mut reload = committing(&[Vrrpd, Lbproxy], now);
    assert_eq!(reload.handle(says(Vrrpd, 2, Verdict::Committed), now), []);
    assert_eq!(reload.handle(Event::Died(Lbproxy), now), [Effect::Taken]);
}

#[test]
fn who_neither_commits_nor_dies_is_killed() {
    let now = zero();
    let mut reload = committing(&[Vrrpd, Lbproxy], now);
    assert_eq!(reload.handle(says(Vrrpd, 2, Verdict::Committed), now), []);
    let end = now + Duration::from_secs(5);
    assert_eq!(reload.handle(Event::Time, end), [Effect::Kill(Lbproxy), Effect::Taken]);

    let mut reload = committing(&[Vrrpd], now);
    let never = Verdict::Refused("was never prepared".to_owned());
    let killed = [Effect::Kill(Vrrpd), Effect::Taken];
    assert_eq!(reload.handle(says(Vrrpd, 2, never), now), killed);
}

#[test]
fn what_nobody_needs_to_be_asked_is_taken_at_once() {
    let now = zero();
    let mut reload = Reload::new(1);
    drop(reload.handle(Event::Request(What::All), now));
    let taken = [Effect::Adopt { generation: 2 }, Effect::Taken];
    assert_eq!(reload.handle(Event::Candidate(Vec::new()), now), taken);
}

#[test]
fn a_wrong_file_asks_nobody() {
    let now = zero();
    let mut reload = Reload::new(1);
    assert_eq!(reload.handle(Event::Request(What::All), now), [Effect::Read(What::All)]);
    assert_eq!(reload.handle(Event::NoCandidate, now), []);
    assert!(reload.is_idle());
}

#[test]
fn whatever_is_asked_for_meanwhile_is_done_once_after_it() {
    let now = zero();
    let mut reload = preparing(&[Vrrpd], now);
    for what in [What::Files, What::All, What::Files] {
        assert_eq!(reload.handle(Event::Request(what), now), []);
    }
    drop(reload.handle(says(Vrrpd, 2, Verdict::Prepared), now));
    assert_eq!(
        reload.handle(says(Vrrpd, 2, Verdict::Committed), now),
        [Effect::Taken, Effect::Read(What::All)]
    );
    let next = [Effect::Prepare { program: Vrrpd, generation: 3 }];
    assert_eq!(reload.handle(Event::Candidate(vec![Vrrpd]), now), next);
    // An answer of the one before is none.
    assert_eq!(reload.handle(says(Vrrpd, 2, Verdict::Prepared), now), []);
    let no = Verdict::Refused("no".to_owned());
    let over = [Effect::Abort { program: Vrrpd, generation: 3 }, refused(&[(Vrrpd, "no")])];
    assert_eq!(reload.handle(says(Vrrpd, 3, no), now), over);
    assert!(reload.is_idle());
}

#[test]
fn none_begins_while_an_upgrade_is_under_way() {
    let now = zero();
    let mut reload = Reload::new(1);
    assert_eq!(reload.handle(Event::Allowed(false), now), []);
    assert_eq!(reload.handle(Event::Request(What::Files), now), []);
    assert_eq!(reload.handle(Event::Allowed(true), now), [Effect::Read(What::Files)]);
}
