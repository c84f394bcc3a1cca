//! Two routers of one sync group.

use vocabulary::Name;

use super::super::group::{Member, settle};
use super::*;

const PEER6: &str = "fe80::12";

/// A router that keeps its last change for its siblings, and remembers what a sibling's made it do.
struct Sibling {
    router: Router,
    group: Option<Name>,
    news: Option<Transition>,
    done: Vec<Action>,
}

impl Member for Sibling {
    fn group(&self) -> Option<&Name> {
        self.group.as_ref()
    }

    fn state(&self) -> &State {
        self.router.election.state()
    }

    fn take_news(&mut self) -> Option<Transition> {
        self.news.take()
    }
}

impl Sibling {
    fn told(&mut self, event: Event) {
        let actions = self.router.feed(event);
        self.noted(&actions);
        self.done.extend(actions);
    }

    /// What it did by itself.
    fn noted(&mut self, actions: &[Action]) {
        for action in actions {
            if let Action::Transition(transition) = action {
                self.news = Some(*transition);
            }
        }
    }

    fn hears_lead(&mut self, source: &str, number: u8) {
        let actions = self.router.hears_lead(source, number);
        self.noted(&actions);
    }

    fn tick(&mut self) {
        let actions = self.router.tick();
        self.noted(&actions);
    }
}

/// An IPv4 and an IPv6 router that started together.
fn pair() -> [Sibling; 2] {
    let settings = Settings { grouped: true, ..settings() };
    let other = Settings { address: ip("fe80::11"), decides_ties: false, ..settings };
    let [one, mut other] = [Router::backup(settings), Router::new(other)];
    (other.start, other.now) = (one.start, one.now);
    let _ = other.feed(Event::Startup);
    let group = Some(Name::try_from("both").unwrap());
    [one, other].map(|router| Sibling { router, group: group.clone(), news: None, done: vec![] })
}

fn settled(pair: &mut [Sibling; 2]) -> [StateName; 2] {
    settle(pair, Sibling::told);
    [pair[0].router.name(), pair[1].router.name()]
}

const BACKUP: [StateName; 2] = [StateName::Backup; 2];
const ACTIVE: [StateName; 2] = [StateName::Active; 2];

#[test]
fn silence_makes_it_active_only_when_all_are_silent() {
    let mut pair = pair();
    pair[1].router.advance(1_000_000);
    pair[1].hears_lead(PEER6, 150);
    // 3609.375 ms after its start; the sibling heard its peer 1 s later.
    pair[0].tick();
    assert_eq!(settled(&mut pair), BACKUP);
    assert_eq!(pair[0].router.election.deadline(), None);
    assert_eq!(pair[1].router.deadline_micros(), 3_609_375);
    pair[1].tick();
    assert_eq!(settled(&mut pair), ACTIVE);
    for (sibling, source) in pair.iter().zip([None, Some(ip(PEER6))]) {
        let cause = Cause::Silence { from: source, lasted: Duration::from_micros(3_609_375) };
        let became = transition(StateName::Backup, StateName::Active, cause);
        let actions = [Action::Advertise(lead(100)), Action::ClaimAddresses, became];
        assert_eq!(sibling.done, actions);
    }
}

#[test]
fn a_peer_that_speaks_again_ends_the_wait() {
    let mut pair = pair();
    pair[0].tick();
    assert_eq!(settled(&mut pair), BACKUP);
    pair[0].hears_lead(PEER, 150);
    pair[1].tick();
    assert_eq!(settled(&mut pair), BACKUP);
}

#[test]
fn time_does_nothing_to_who_waits() {
    let mut pair = pair();
    pair[0].tick();
    let waiting = *pair[0].router.election.state();
    for _ in 0..5 {
        pair[0].router.advance(1_000_000);
        assert_eq!(pair[0].router.feed(Event::Tick), []);
        assert_eq!(*pair[0].router.election.state(), waiting);
    }
}

#[test]
fn preemption_waits_for_all() {
    let mut pair = pair();
    for (sibling, peer) in pair.iter_mut().zip([PEER, PEER6]) {
        sibling.hears_lead(peer, 150);
        sibling.router.advance(4_000_000);
    }
    // The listening time is over, and one peer's priority fell.
    pair[0].hears_lead(PEER, 1);
    assert_eq!(settled(&mut pair), BACKUP);
    pair[1].hears_lead(PEER6, 1);
    assert_eq!(settled(&mut pair), ACTIVE);
}

/// Both Active.
fn active() -> [Sibling; 2] {
    let mut pair = pair();
    pair.iter_mut().for_each(Sibling::tick);
    assert_eq!(settled(&mut pair), ACTIVE);
    pair.iter_mut().for_each(|sibling| sibling.done.clear());
    pair
}

#[test]
fn who_yields_takes_its_siblings_along() {
    let mut pair = active();
    pair[0].hears_lead(PEER, 150);
    assert_eq!(settled(&mut pair), BACKUP);
    assert_eq!(pair[0].done, []);
    let became = transition(StateName::Active, StateName::Backup, Cause::Yielded);
    let actions = [
        Action::Advertise(lead(100)),
        Action::Advertise(Claim::Resign),
        Action::ReleaseAddresses(Release::Relieved),
        became,
    ];
    assert_eq!(pair[1].done, actions);
    assert_eq!(pair[1].router.deadline_micros(), 3_609_375);
}

/// The addresses of one family may say the opposite of the other's: the first decides, if it can.
#[test]
fn of_equal_priorities_one_router_decides_for_all() {
    // The other family's peer has the higher address, this one's the lower.
    let mut pair = active();
    pair[1].hears_lead("fe80::ff", 100);
    assert_eq!(settled(&mut pair), ACTIVE);
    pair[0].hears_lead("192.0.2.1", 100);
    pair[1].router.advance(1_999_999);
    pair[1].hears_lead("fe80::ff", 100);
    assert_eq!(settled(&mut pair), ACTIVE);
    // Its peer takes no part in the group: after two intervals it is a tie as any other.
    pair[1].router.advance(1);
    pair[1].hears_lead("fe80::ff", 100);
    assert_eq!(settled(&mut pair), BACKUP);

    // The first has the lower address: its family decides at once.
    let mut pair = active();
    pair[0].hears_lead("192.0.2.254", 100);
    assert_eq!(settled(&mut pair), BACKUP);

    // A higher priority is no tie.
    let mut pair = active();
    pair[1].hears_lead("fe80::1", 101);
    assert_eq!(settled(&mut pair), BACKUP);

    // A tie that ended long ago is forgotten.
    let mut pair = active();
    pair[1].hears_lead("fe80::ff", 100);
    (0..4).for_each(|_| pair[1].tick());
    pair[1].hears_lead("fe80::ff", 100);
    assert_eq!(settled(&mut pair), ACTIVE);
}

#[test]
fn who_yields_is_not_called_back_by_old_news() {
    for yielding in [0, 1] {
        let mut pair = active();
        pair[yielding].hears_lead(PEER, 150);
        assert_eq!(settled(&mut pair), BACKUP, "the first to yield is number {yielding}");
    }
}

/// Of a handover one family is relieved, the other is not and goes on, its peer having lost an advert.
#[test]
fn who_was_relieved_takes_along_a_sibling_that_was_not() {
    let mut pair = active();
    pair.iter_mut().for_each(|sibling| sibling.told(Event::HandOver));
    assert_eq!(settled(&mut pair), [StateName::Releasing, StateName::Releasing]);
    pair[1].tick();
    assert_eq!(settled(&mut pair), [StateName::Releasing, StateName::Active]);
    pair[0].hears_lead(PEER, 150);
    assert_eq!(settled(&mut pair), BACKUP);
}

#[test]
fn a_fault_and_an_end_are_not_passed_on() {
    for event in [Event::Fault, Event::Shutdown, Event::HandOver] {
        let mut pair = active();
        pair[0].told(event);
        settle(&mut pair, Sibling::told);
        assert_eq!(pair[1].done, [], "{event:?}");
    }
}

#[test]
fn who_starts_as_backup_takes_nobody_along() {
    let mut pair = active();
    pair[1].told(Event::Fault);
    settle(&mut pair, Sibling::told);
    pair[1].told(Event::Startup);
    assert_eq!(settled(&mut pair), [StateName::Active, StateName::Backup]);
}

#[test]
fn another_group_is_not_moved_nor_waited_for() {
    let mut pair = active();
    pair[1].group = Some(Name::try_from("other").unwrap());
    pair[0].hears_lead(PEER, 150);
    assert_eq!(settled(&mut pair), [StateName::Backup, StateName::Active]);
    pair[0].tick();
    assert_eq!(settled(&mut pair), ACTIVE);
    assert_eq!(pair[1].done, []);
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
