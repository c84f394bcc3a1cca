//! Inputs and the effects they have, worked by hand.

use config::{Checksum, Dialect, parse};
use vocabulary::{AdvertInterval, Priority};

use super::*;
use crate::election::{Cause, Received, StateName};

const OWN: [u8; 4] = [10, 0, 0, 11];
const PEER: [u8; 4] = [10, 0, 0, 12];

#[expect(clippy::disallowed_methods, reason = "a start for the virtual clock")]
fn start() -> Instant {
    Instant::now()
}

/// Priority 100, an advert a second, version 3, with these keys.
fn config(keys: &str) -> RouterConfig {
    let text = format!(
        "[[vrrp]]\nname = \"a\"\ninterface = \"eth0\"\nvrid = 7\npriority = 100\naddresses = [\"10.0.0.1\"]\n{keys}"
    );
    parse("a.toml", &text).unwrap().config.routers.remove(0)
}

fn priority(number: u8) -> Priority {
    Priority::try_from(number).unwrap()
}

fn place() -> Place {
    Place { index: 2, source: OWN.into(), prefix_len: 24 }
}

/// A router and its clock.
struct Bench {
    core: Core,
    start: Instant,
    millis: u64,
}

impl Bench {
    fn new(keys: &str, resume_within: Option<u64>) -> Self {
        let start = start();
        let until = resume_within.map(|millis| start + Duration::from_millis(millis));
        Self { core: Core::new(Arc::new(config(keys)), until), start, millis: 0 }
    }

    /// As a Backup that has heard nobody.
    fn backup(keys: &str) -> Self {
        let mut bench = Self::new(keys, None);
        bench.surrounded(Some(place()), 100, true);
        assert_eq!(bench.state(), StateName::Backup);
        bench
    }

    /// As the Active router: silence for 3 s and (256 − 100) / 256 s.
    fn active(keys: &str) -> Self {
        let mut bench = Self::backup(keys);
        bench.millis = 3_610;
        bench.feed(Input::Tick);
        assert_eq!(bench.state(), StateName::Active);
        bench
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_millis(self.millis)
    }

    fn feed(&mut self, input: Input<'_>) -> Vec<Effect> {
        self.core.handle(input, self.start + Duration::from_millis(self.millis))
    }

    fn surrounded(&mut self, place: Option<Place>, number: u8, proven: bool) -> Vec<Effect> {
        let priority = priority(number);
        self.feed(Input::Surroundings(Surroundings { place, priority, proven }))
    }

    fn hears(&mut self, claim: Claim, coverage: Coverage) -> Vec<Effect> {
        let interval = AdvertInterval::from_centiseconds(100).unwrap();
        let advert = Received { source: PEER.into(), claim, interval };
        self.feed(Input::Received { advert, coverage })
    }

    fn state(&self) -> StateName {
        self.core.election().state().name()
    }
}

fn says(claim: Claim) -> Effect {
    Effect::Advertise { claim, only: None }
}

fn lead(number: u8) -> Effect {
    says(Claim::Lead(priority(number)))
}

fn hold() -> Effect {
    Effect::Desire(DesiredState { ownership: Ownership::Hold, announcements: 0 })
}

fn release(release: Release) -> Effect {
    Effect::Desire(DesiredState { ownership: Ownership::Release(release), announcements: 0 })
}

/// The changes of state among these effects.
fn changes(effects: &[Effect]) -> Vec<(StateName, StateName, Cause)> {
    let change = |effect: &Effect| match effect {
        Effect::Changed { transition: Transition { from, to, cause }, .. } => {
            Some((*from, *to, *cause))
        }
        Effect::Advertise { .. }
        | Effect::Desire(_)
        | Effect::Contested(_)
        | Effect::HandoverRefused { .. } => None,
    };
    effects.iter().filter_map(change).collect()
}

#[test]
fn starts_once_it_has_a_place_and_is_proven() {
    for (place, proven, state) in [
        (None, true, StateName::Initialize),
        (Some(place()), false, StateName::Initialize),
        (Some(place()), true, StateName::Backup),
    ] {
        let mut bench = Bench::new("", None);
        bench.surrounded(place, 100, proven);
        assert_eq!(bench.state(), state, "{place:?} {proven}");
    }
}

#[test]
fn told_twice_of_the_same_surroundings_does_nothing() {
    let mut bench = Bench::active("");
    assert_eq!(bench.surrounded(Some(place()), 100, true), []);
}

#[test]
fn a_fault_ends_it_and_another_address_starts_it_again() {
    let (init, active, backup) = (StateName::Initialize, StateName::Active, StateName::Backup);
    let mut bench = Bench::active("");
    let effects = bench.surrounded(None, 100, true);
    assert_eq!(effects[0], release(Release::AtOnce));
    assert_eq!(changes(&effects), [(active, init, Cause::Fault)]);
    assert_eq!(bench.core.deadline(), None);

    let mut bench = Bench::active("");
    let moved = Place { source: [10, 0, 0, 13].into(), ..place() };
    let effects = bench.surrounded(Some(moved), 100, true);
    let expected = [(active, init, Cause::Fault), (init, backup, Cause::Started)];
    assert_eq!(changes(&effects), expected);
    assert_eq!(bench.core.expectation().own, IpAddr::from([10, 0, 0, 13]));
    assert_eq!(bench.core.election().settings().address, IpAddr::from([10, 0, 0, 13]));
}

#[test]
fn what_takes_over_tells_what_it_knew() {
    let mut bench = Bench::backup("");
    bench.hears(Claim::Lead(priority(150)), Coverage::Message);
    bench.millis = 3_612;
    let effects = bench.feed(Input::Tick);
    let lasted = Duration::from_millis(3_612);
    let cause = Cause::Silence { from: Some(PEER.into()), lasted };
    let transition = Transition { from: StateName::Backup, to: StateName::Active, cause };
    let evidence = Evidence {
        priority: priority(100),
        heard: Some(LastHeard { address: PEER.into(), priority: priority(150), ago_us: 3_612_000 }),
        // Due at 3 s + 156 / 256 s = 3,609.375 ms.
        lag_us: Some(2_625),
    };
    assert_eq!(effects, [lead(100), hold(), Effect::Changed { transition, evidence }]);
}

#[test]
fn a_changed_priority_is_advertised_at_once() {
    let mut bench = Bench::active("");
    assert_eq!(bench.surrounded(Some(place()), 1, true), [lead(1)]);
    // Doubts about what is tracked come too late to count.
    assert_eq!(bench.surrounded(Some(place()), 1, false), []);
}

#[test]
fn goes_on_for_a_predecessor_within_its_time() {
    let mut bench = Bench::new("", Some(500));
    assert_eq!(
        Core::first_desire(true),
        DesiredState { ownership: Ownership::Hold, announcements: 0 }
    );
    assert_eq!(bench.core.deadline(), Some(bench.start + Duration::from_millis(500)));
    bench.millis = 499;
    // Its trackers have not told anything: its predecessor's had.
    let effects = bench.surrounded(Some(place()), 100, false);
    assert_eq!(effects[..2], [lead(100), hold()]);
    let expected = [(StateName::Initialize, StateName::Active, Cause::Resumed)];
    assert_eq!(changes(&effects), expected);
}

#[test]
fn what_a_predecessor_left_is_released_when_it_is_too_late() {
    // The time passes without an interface.
    let mut bench = Bench::new("", Some(500));
    bench.surrounded(None, 100, true);
    bench.millis = 500;
    assert_eq!(bench.feed(Input::Tick), [release(Release::AtOnce)]);
    assert_eq!(bench.core.deadline(), None);
    assert_eq!(bench.feed(Input::Tick), []);
    // The interface comes before the tick does.
    let mut bench = Bench::new("", Some(500));
    bench.millis = 501;
    let effects = bench.surrounded(Some(place()), 100, true);
    assert_eq!(effects[0], release(Release::AtOnce));
    assert_eq!(bench.state(), StateName::Backup);
}

#[test]
fn a_successor_has_three_intervals_from_the_last_advert() {
    let mut bench = Bench::active("");
    let mut after = |millis: u64| {
        bench.millis = 3_610 + millis;
        bench.core.resumable(bench.now())
    };
    assert_eq!(after(0), Some(Duration::from_secs(3)));
    assert_eq!(after(2_400), Some(Duration::from_millis(600)));
    assert_eq!(after(3_100), Some(Duration::ZERO));
    let backup = Bench::backup("");
    assert_eq!(backup.core.resumable(backup.now()), None);
}

#[test]
fn stops_at_once_as_a_backup_and_once_relieved_as_active() {
    let mut bench = Bench::backup("");
    let cause = Cause::Stopped;
    let effects = bench.feed(Input::Stop);
    assert_eq!(changes(&effects), [(StateName::Backup, StateName::Initialize, cause)]);
    assert!(bench.core.has_ended());
    // It stays so, whatever surrounds it.
    assert_eq!(bench.surrounded(Some(place()), 100, true), []);

    let mut bench = Bench::active("");
    assert_eq!(bench.feed(Input::Stop)[0], says(Claim::Resign));
    assert!(bench.core.is_relied_on() && !bench.core.has_ended());
    let effects = bench.hears(Claim::Lead(priority(90)), Coverage::Message);
    assert_eq!(effects[..2], [says(Claim::Resign), release(Release::Relieved)]);
    assert!(bench.core.has_ended());

    let mut bench = Bench::active("");
    bench.feed(Input::Stop);
    assert_eq!(bench.feed(Input::Stop)[1], release(Release::AtOnce));
    assert!(bench.core.has_ended());
}

#[test]
fn a_handover_is_told_to_the_peer_of_its_family_alone() {
    let v6 = IpAddr::from([0xfe80_u16, 0, 0, 0, 0, 0, 0, 12]);
    let table: [(&[IpAddr], Option<IpAddr>); 3] = [
        (&[], None),
        (&[v6], None),
        (&[v6, PEER.into(), [10, 0, 0, 13].into()], Some(PEER.into())),
    ];
    for (to, only) in table {
        let mut bench = Bench::active("");
        let effects = bench.feed(Input::HandOver(to));
        assert_eq!(effects[0], Effect::Advertise { claim: Claim::Resign, only }, "{to:?}");
        assert_eq!(bench.state(), StateName::Releasing);
        // What it says afterwards is for everyone again.
        assert_eq!(bench.feed(Input::Reclaim)[0], lead(100));
    }
}

#[test]
fn a_handover_to_who_is_no_configured_peer_is_refused() {
    let mut bench = Bench::active("peers = [\"10.0.0.12\"]");
    let stranger = IpAddr::from([10, 0, 0, 13]);
    let effects = bench.feed(Input::HandOver(&[stranger]));
    assert_eq!(effects, [Effect::HandoverRefused { peer: stranger }]);
    assert_eq!(bench.state(), StateName::Active);
    assert_eq!(bench.feed(Input::HandOver(&[PEER.into()])).len(), 2);
}

#[test]
fn announces_again_when_another_was_active() {
    let mut bench = Bench::active("");
    let effects = bench.hears(Claim::Lead(priority(50)), Coverage::Message);
    let again = Effect::Desire(DesiredState { ownership: Ownership::Hold, announcements: 1 });
    assert_eq!(effects, [lead(100), again]);
}

#[test]
fn moves_with_its_siblings() {
    let mut bench = Bench::active("");
    let effects = bench.feed(Input::Sibling(Event::Yield));
    assert_eq!(effects[2], release(Release::Relieved));
    assert_eq!(bench.state(), StateName::Backup);
    bench.feed(Input::Sibling(Event::Join));
    assert_eq!(bench.state(), StateName::Active);
}

#[test]
fn a_reload_keeps_address_and_priority_and_is_advertised() {
    let mut bench = Bench::active("");
    bench.surrounded(Some(place()), 90, true);
    bench.millis += 500;
    let new = Arc::new(config("advert_interval = \"2s\"\npreempt = false"));
    assert_eq!(bench.feed(Input::Configuration(new)), [lead(90)]);
    let settings = bench.core.election().settings();
    assert_eq!(settings.address, IpAddr::from(OWN));
    assert_eq!(settings.interval.duration(), Duration::from_secs(2));
    let expectation = bench.core.expectation();
    assert_eq!((expectation.own, expectation.own_prefix), (IpAddr::from(OWN), 24));
    assert_eq!(expectation.interval.duration(), Duration::from_secs(2));
}

#[test]
fn the_checksum_follows_the_peers_unless_it_is_configured() {
    let (source, group) = (IpAddr::from(OWN), IpAddr::from([224, 0, 0, 18]));
    // Version 3, VRID 7, priority 100, 1 s, 10.0.0.1: the words 3107 6401 0064 0A00 0001 make 9F6D, and its
    // complement is 6092. With the pseudo-header, 0A00 000B E000 0012 0070 000C, they make 8A07: 75F8.
    let (message, pseudo) = ([0x60, 0x92], [0x75, 0xF8]);
    let table = [
        (Checksum::Auto, Coverage::Message, pseudo, message),
        (Checksum::Auto, Coverage::PseudoHeader, pseudo, pseudo),
        (Checksum::Rfc9568, Coverage::PseudoHeader, message, message),
    ];
    for (checksum, theirs, before, after) in table {
        let mut bench = Bench::backup("");
        let config = RouterConfig { dialect: Dialect::V3(checksum), ..config("") };
        bench.feed(Input::Configuration(Arc::new(config)));
        let sum = |core: &Core| -> [u8; 2] {
            let message = core.message(Claim::Lead(priority(100)), source, group);
            assert_eq!(message[..6], [0x31, 7, 100, 1, 0, 100]);
            [message[6], message[7]]
        };
        assert_eq!(sum(&bench.core), before, "{checksum:?} before {theirs:?}");
        bench.hears(Claim::Lead(priority(150)), theirs);
        assert_eq!(sum(&bench.core), after, "{checksum:?} after {theirs:?}");
    }
}

#[test]
fn adverts_go_to_the_group_or_to_the_peers() {
    let to = |keys: &str, only| Bench::backup(keys).core.destinations(only).collect::<Vec<_>>();
    assert_eq!(to("", None), [IpAddr::from([224, 0, 0, 18])]);
    assert_eq!(to("", Some(PEER.into())), [IpAddr::from(PEER)]);
    let peers = "peers = [\"10.0.0.12\", \"10.0.0.13\"]";
    assert_eq!(to(peers, None), [IpAddr::from(PEER), IpAddr::from([10, 0, 0, 13])]);
    assert_eq!(to(peers, Some(PEER.into())), [IpAddr::from(PEER)]);
}

#[test]
fn a_fault_is_every_siblings() {
    let member = |group: &str| {
        let config = RouterConfig { sync_group: Name::try_from(group).ok(), ..config("") };
        Core::new(Arc::new(config), None)
    };
    let routers = [member("one"), member("one"), member("two"), member("")];
    let whole = Some(Surroundings { place: Some(place()), priority: priority(100), proven: true });
    let faulty = whole.map(|whole| Surroundings { place: None, ..whole });
    for (given, expected) in [
        ([whole; 4], [whole; 4]),
        ([faulty, whole, whole, whole], [faulty, faulty, whole, whole]),
        // What surrounds it is not known yet.
        ([whole, None, whole, whole], [faulty, None, whole, whole]),
        ([whole, whole, whole, faulty], [whole, whole, whole, faulty]),
    ] {
        let mut surroundings = given;
        share_faults(&routers, &mut surroundings);
        assert_eq!(surroundings, expected);
    }
}

#[test]
fn tracking_a_pause_and_a_start_decide_who_takes_part_with_what() {
    use crate::tracking::Verdict;
    let of = |proven, in_doubt, paused| {
        let verdict = Verdict { priority: priority(120), proven };
        let Surroundings { priority, proven, .. } =
            Surroundings::of(Some(place()), verdict, in_doubt, paused);
        (priority.get(), proven)
    };
    assert_eq!(of(true, true, false), (120, true));
    assert_eq!(of(false, true, false), (120, false));
    assert_eq!(of(false, false, false), (120, true));
    assert_eq!(of(true, false, true), (1, true));
}

#[test]
fn the_same_list_of_peers_on_every_node_is_spoken_to_without_itself() {
    let bench = Bench::backup("peers = [\"10.0.0.11\", \"10.0.0.12\", \"10.0.0.13\"]");
    let others: Vec<IpAddr> = vec![PEER.into(), [10, 0, 0, 13].into()];
    assert_eq!(bench.core.destinations(None).collect::<Vec<_>>(), others);
    assert_eq!(bench.core.destinations(Some(PEER.into())).collect::<Vec<_>>(), others[..1]);
}
