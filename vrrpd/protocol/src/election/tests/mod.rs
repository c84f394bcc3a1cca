//! One sentence of the RFC, one test; times are worked by hand.
//!
//! The router under test has priority 100 at 1 s unless said otherwise: skew 609.375 ms, down
//! interval 3609.375 ms.

mod handover;
mod reload;
mod sync_group;

use super::*;

const US: &str = "192.0.2.11";
const PEER: &str = "192.0.2.12";
const LOWER_PEER: &str = "192.0.2.9";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn priority(number: u8) -> Priority {
    Priority::try_from(number).unwrap()
}

fn interval(centiseconds: u16) -> AdvertInterval {
    AdvertInterval::from_centiseconds(centiseconds).unwrap()
}

fn settings() -> Settings {
    Settings {
        version: Version::V3,
        priority: priority(100),
        interval: interval(100),
        preempt: Preempt::After(Duration::ZERO),
        sole_peer: false,
        grouped: false,
        decides_ties: true,
        address: ip(US),
    }
}

/// A router on a clock that only the test moves.
struct Router {
    election: Election,
    start: Instant,
    now: Instant,
}

impl Router {
    #[expect(clippy::disallowed_methods, reason = "a start for the virtual clock")]
    fn new(settings: Settings) -> Self {
        let now = Instant::now();
        Self { election: Election::new(settings), start: now, now }
    }

    fn backup(settings: Settings) -> Self {
        let mut router = Self::new(settings);
        let _ = router.feed(Event::Startup);
        router
    }

    /// A router that became Active at its down interval.
    fn active(settings: Settings) -> Self {
        let mut router = Self::backup(settings);
        router.now = router.election.deadline().unwrap();
        let _ = router.feed(Event::Tick);
        assert_eq!(router.name(), StateName::Active);
        router
    }

    fn feed(&mut self, event: Event) -> Vec<Action> {
        self.election.handle(event, self.now)
    }

    fn hears(&mut self, source: &str, claim: Claim, centiseconds: u16) -> Vec<Action> {
        let interval = interval(centiseconds);
        self.feed(Event::Received(Received { source: ip(source), claim, interval }))
    }

    fn hears_lead(&mut self, source: &str, number: u8) -> Vec<Action> {
        self.hears(source, lead(number), 100)
    }

    fn advance(&mut self, micros: u64) {
        self.now += Duration::from_micros(micros);
    }

    /// Moves to the next deadline and ticks there.
    fn tick(&mut self) -> Vec<Action> {
        self.now = self.election.deadline().unwrap();
        self.feed(Event::Tick)
    }

    fn name(&self) -> StateName {
        self.election.state().name()
    }

    /// The deadline in microseconds from now.
    fn deadline_micros(&self) -> u128 {
        self.election.deadline().unwrap().duration_since(self.now).as_micros()
    }
}

fn lead(number: u8) -> Claim {
    Claim::Lead(priority(number))
}

fn transition(from: StateName, to: StateName, cause: Cause) -> Action {
    Action::Transition(Transition { from, to, cause })
}

mod initialize {
    use super::*;

    #[test]
    fn the_owner_becomes_active_at_once() {
        // §6.4.1: priority 255: send an advert, announce the addresses, arm Adver_Timer.
        let mut router = Router::new(Settings { priority: Priority::OWNER, ..settings() });
        let actions = router.feed(Event::Startup);
        let change = transition(StateName::Initialize, StateName::Active, Cause::Owner);
        assert_eq!(actions, [Action::Advertise(lead(255)), Action::ClaimAddresses, change]);
        assert_eq!(router.deadline_micros(), 1_000_000);
    }

    #[test]
    fn anyone_else_listens_for_a_down_interval_first() {
        let mut router = Router::new(settings());
        let actions = router.feed(Event::Startup);
        let change = transition(StateName::Initialize, StateName::Backup, Cause::Started);
        assert_eq!(actions, [change]);
        assert_eq!(router.deadline_micros(), 3_609_375);
    }

    #[test]
    fn nothing_but_a_start_counts() {
        let mut router = Router::new(settings());
        assert_eq!(router.hears_lead(PEER, 200), []);
        for event in [Event::Tick, Event::Shutdown, Event::Fault] {
            assert_eq!(router.feed(event), []);
        }
        assert_eq!(router.name(), StateName::Initialize);
        assert_eq!(router.election.deadline(), None);
    }

    #[test]
    fn a_successor_of_an_active_router_goes_on() {
        let mut router = Router::new(settings());
        let actions = router.feed(Event::Resume);
        let change = transition(StateName::Initialize, StateName::Active, Cause::Resumed);
        assert_eq!(actions, [Action::Advertise(lead(100)), Action::ClaimAddresses, change]);
    }
}

mod backup {
    use super::*;

    #[test]
    fn takes_over_when_the_down_timer_ends_and_not_before() {
        let mut router = Router::backup(settings());
        router.advance(3_609_374);
        assert_eq!(router.feed(Event::Tick), []);
        router.advance(1);
        let actions = router.feed(Event::Tick);
        // §6.4.2: the advert, then the addresses.
        assert_eq!(actions[..2], [Action::Advertise(lead(100)), Action::ClaimAddresses]);
        let lasted = Duration::from_micros(3_609_375);
        let cause = Cause::Silence { from: None, lasted };
        assert_eq!(actions[2], transition(StateName::Backup, StateName::Active, cause));
        assert_eq!(router.deadline_micros(), 1_000_000);
    }

    #[test]
    fn that_overslept_listens_for_one_more_interval() {
        let mut router = Router::backup(settings());
        router.advance(3_609_375 + 1_000_000);
        assert_eq!(router.feed(Event::Tick), []);
        assert_eq!(router.deadline_micros(), 1_000_000);
        // Still nobody: now the silence counts.
        assert!(router.tick().contains(&Action::ClaimAddresses));
    }

    #[test]
    fn rearms_its_timer_on_an_advert_of_its_own_priority_or_more() {
        for theirs in [100, 101, 255] {
            let mut router = Router::backup(settings());
            router.advance(3_000_000);
            assert_eq!(router.hears_lead(PEER, theirs), [], "{theirs}");
            assert_eq!(router.deadline_micros(), 3_609_375, "{theirs}");
        }
    }

    #[test]
    fn never_compares_addresses() {
        // An equal priority from a lower address is obeyed all the same.
        let mut router = Router::backup(settings());
        assert_eq!(router.hears_lead(LOWER_PEER, 100), []);
        router.advance(3_600_000);
        assert_eq!(router.hears_lead(LOWER_PEER, 100), []);
        assert_eq!(router.name(), StateName::Backup);
    }

    #[test]
    fn learns_the_active_routers_interval_in_version_3() {
        // 3 * 100 ms + (256 - 100) * 100 ms / 256 = 360.9375 ms.
        let mut router = Router::backup(settings());
        router.hears(PEER, lead(200), 10);
        assert_eq!(router.deadline_micros(), 360_937);
    }

    #[test]
    fn keeps_its_own_interval_in_version_2() {
        let mut router = Router::backup(Settings { version: Version::V2, ..settings() });
        router.hears(PEER, lead(200), 10);
        assert_eq!(router.deadline_micros(), 3_609_375);
    }

    #[test]
    fn waits_a_skew_when_the_active_router_resigns() {
        let mut router = Router::backup(settings());
        router.hears_lead(PEER, 200);
        assert_eq!(router.hears(PEER, Claim::Resign, 100), []);
        assert_eq!(router.deadline_micros(), 609_375);
        // The skew is of the learned interval.
        router.hears(PEER, lead(200), 10);
        router.hears(PEER, Claim::Resign, 10);
        assert_eq!(router.deadline_micros(), 60_937);
    }

    #[test]
    fn does_not_mind_a_resignation_that_its_successor_overtook() {
        let mut router = Router::backup(settings());
        router.hears_lead(PEER, 200);
        router.hears_lead(LOWER_PEER, 200);
        assert_eq!(router.hears(PEER, Claim::Resign, 100), []);
        assert_eq!(router.deadline_micros(), 3_609_375);
    }

    #[test]
    fn with_one_peer_alone_waits_for_nobody_when_it_resigns() {
        let mut router = Router::backup(Settings { sole_peer: true, ..settings() });
        router.hears_lead(PEER, 200);
        let actions = router.hears(PEER, Claim::Resign, 100);
        let cause = Cause::PeerResigned { peer: ip(PEER) };
        assert_eq!(actions[2], transition(StateName::Backup, StateName::Active, cause));
    }

    #[test]
    fn takes_over_at_once_from_a_lower_priority() {
        let mut router = Router::backup(settings());
        router.hears_lead(PEER, 200);
        router.advance(4_000_000);
        router.hears_lead(PEER, 200);
        // The peer's proxy died: it advertises 1.
        let actions = router.hears_lead(PEER, 1);
        let cause = Cause::Preempted { peer: ip(PEER), theirs: priority(1), ours: priority(100) };
        let change = transition(StateName::Backup, StateName::Active, cause);
        assert_eq!(actions, [Action::Advertise(lead(100)), Action::ClaimAddresses, change]);
    }

    #[test]
    fn preempts_nobody_before_it_has_listened_for_a_down_interval() {
        let mut router = Router::backup(settings());
        for _ in 0..3 {
            router.advance(1_000_000);
            assert_eq!(router.hears_lead(PEER, 50), []);
        }
        router.advance(609_374);
        assert_eq!(router.hears_lead(PEER, 50), []);
        router.advance(1);
        assert!(router.hears_lead(PEER, 50).contains(&Action::ClaimAddresses));
    }

    #[test]
    fn waits_the_preempt_delay_from_the_first_lower_advert() {
        let delay = Preempt::After(Duration::from_secs(10));
        let mut router = Router::backup(Settings { preempt: delay, ..settings() });
        router.hears_lead(PEER, 50);
        for _ in 0..9 {
            router.advance(1_000_000);
            assert_eq!(router.hears_lead(PEER, 50), []);
        }
        router.advance(1_000_000);
        assert!(router.hears_lead(PEER, 50).contains(&Action::ClaimAddresses));
    }

    #[test]
    fn a_better_advert_starts_the_preempt_delay_anew() {
        let delay = Preempt::After(Duration::from_secs(3));
        let mut router = Router::backup(Settings { preempt: delay, ..settings() });
        for theirs in [50, 50, 50, 200, 50, 50, 50] {
            router.advance(1_000_000);
            assert_eq!(router.hears_lead(PEER, theirs), [], "{theirs}");
        }
        router.advance(1_000_000);
        assert!(router.hears_lead(PEER, 50).contains(&Action::ClaimAddresses));
    }

    #[test]
    fn that_may_not_preempt_follows_a_lower_priority() {
        let mut router = Router::backup(Settings { preempt: Preempt::Never, ..settings() });
        for _ in 0..10 {
            router.advance(1_000_000);
            assert_eq!(router.hears_lead(PEER, 1), []);
            assert_eq!(router.deadline_micros(), 3_609_375);
        }
    }

    #[test]
    fn takes_a_lesser_routers_advert_for_noise_while_a_better_one_is_active() {
        // §6.4.2: discard; the timer is not touched.
        let mut router = Router::backup(settings());
        router.advance(4_000_000);
        router.hears_lead(PEER, 200);
        router.advance(1_000_000);
        assert_eq!(router.hears_lead(LOWER_PEER, 50), []);
        assert_eq!(router.deadline_micros(), 2_609_375);
    }

    #[test]
    fn that_is_told_to_end_just_ends() {
        let mut router = Router::backup(settings());
        let change = transition(StateName::Backup, StateName::Initialize, Cause::Stopped);
        assert_eq!(router.feed(Event::Shutdown), [change]);
        assert_eq!(router.election.deadline(), None);
    }

    #[test]
    fn counts_a_priority_that_tracking_changed() {
        let mut router = Router::backup(settings());
        router.advance(4_000_000);
        assert_eq!(router.feed(Event::PriorityChanged(Priority::UNUSABLE)), []);
        assert_eq!(router.hears_lead(PEER, 50), []);
        assert_eq!(router.feed(Event::PriorityChanged(priority(100))), []);
        assert!(router.hears_lead(PEER, 50).contains(&Action::ClaimAddresses));
    }

    #[test]
    fn unusable_does_not_preempt_the_unusable() {
        let mut router = Router::backup(settings());
        router.advance(4_000_000);
        let _ = router.feed(Event::PriorityChanged(Priority::UNUSABLE));
        assert_eq!(router.hears_lead(PEER, 1), []);
        assert_eq!(router.name(), StateName::Backup);
    }
}

mod active {
    use super::*;

    #[test]
    fn advertises_every_interval_in_step() {
        let mut router = Router::active(settings());
        let first = router.election.deadline().unwrap();
        // 30 ms late: the next is due in 970 ms.
        router.now = first + Duration::from_millis(30);
        assert_eq!(router.feed(Event::Tick), [Action::Advertise(lead(100))]);
        assert_eq!(router.deadline_micros(), 970_000);
        assert_eq!(router.feed(Event::Tick), [], "before it is due");
        // Late by more than an interval: one advert, and no others in a hurry after it.
        router.advance(2_500_000);
        assert_eq!(router.feed(Event::Tick), [Action::Advertise(lead(100))]);
        assert_eq!(router.deadline_micros(), 1_000_000);
    }

    #[test]
    fn yields_to_a_higher_priority_and_says_one_last_word() {
        let mut router = Router::active(settings());
        let actions = router.hears(PEER, lead(101), 10);
        let cause = Cause::Outranked { peer: ip(PEER), theirs: priority(101), ours: priority(100) };
        assert_eq!(
            actions,
            [
                Action::Advertise(lead(100)),
                Action::ReleaseAddresses(Release::Relieved),
                transition(StateName::Active, StateName::Backup, cause),
            ]
        );
        // The winner's interval is learned.
        assert_eq!(router.deadline_micros(), 360_937);
    }

    #[test]
    fn of_equal_priority_yields_to_the_higher_address_unsigned() {
        for (ours, theirs, yields) in [
            ("10.0.0.9", "10.0.0.10", true),
            ("10.0.0.10", "10.0.0.9", false),
            ("100.0.0.1", "200.0.0.1", true),
            ("200.0.0.1", "100.0.0.1", false),
            ("fe80::9", "fe80::a", true),
            ("fe80::a000", "fe80::9", false),
            ("10.0.0.9", "10.0.0.9", false),
        ] {
            let mut router = Router::active(Settings { address: ip(ours), ..settings() });
            let _ = router.hears_lead(theirs, 100);
            let expected = if yields { StateName::Backup } else { StateName::Active };
            assert_eq!(router.name(), expected, "{ours} hears {theirs}");
        }
    }

    #[test]
    fn does_not_ask_its_preempt_mode_when_it_is_outranked() {
        let mut router = Router::active(Settings { preempt: Preempt::Never, ..settings() });
        let _ = router.hears_lead(PEER, 200);
        assert_eq!(router.name(), StateName::Backup);
    }

    #[test]
    fn answers_a_losing_advert_at_once_and_keeps_its_own_time() {
        for version in [Version::V2, Version::V3] {
            let mut router = Router::active(Settings { version, ..settings() });
            router.advance(400_000);
            let answer = [Action::Advertise(lead(100)), Action::Announce];
            assert_eq!(router.hears_lead(PEER, 99), answer, "{version:?}");
            assert_eq!(router.deadline_micros(), 600_000, "{version:?}");
        }
    }

    #[test]
    fn answers_losing_adverts_four_times_an_interval_at_most() {
        let mut router = Router::active(settings());
        let mut answers = 0;
        for _ in 0..990 {
            answers += router.hears_lead(PEER, 99).len();
            router.advance(1_000);
        }
        // At 0, 250, 500 and 750 ms, an advert and an announcement each.
        assert_eq!(answers, 8);
    }

    #[test]
    fn answers_a_resignation_with_an_advert_and_starts_its_interval_anew() {
        let mut router = Router::active(settings());
        router.advance(400_000);
        // Hosts may believe whoever resigned.
        let answer = [Action::Advertise(lead(100)), Action::Announce];
        assert_eq!(router.hears(PEER, Claim::Resign, 100), answer);
        assert_eq!(router.deadline_micros(), 1_000_000);
    }

    #[test]
    fn tells_a_changed_priority_at_once() {
        let mut router = Router::active(settings());
        router.advance(400_000);
        let change = Event::PriorityChanged(Priority::UNUSABLE);
        assert_eq!(router.feed(change), [Action::Advertise(lead(1))]);
        assert_eq!(router.deadline_micros(), 1_000_000);
        assert_eq!(router.feed(change), []);
        assert_eq!(router.name(), StateName::Active);
    }

    #[test]
    fn that_was_late_by_three_intervals_yields_before_it_looks() {
        let mut router = Router::active(settings());
        router.advance(2_999_999);
        assert_eq!(router.feed(Event::Tick), [Action::Advertise(lead(100))]);
        router.advance(3_000_000);
        let actions = router.feed(Event::Tick);
        let silent = Duration::from_secs(3);
        let cause = Cause::Late { silent, interval: interval(100) };
        assert_eq!(
            actions,
            [
                Action::ReleaseAddresses(Release::AtOnce),
                Action::Advertise(Claim::Resign),
                transition(StateName::Active, StateName::Backup, cause),
            ]
        );
        // A peer of lower priority took over meanwhile: it is outranked, and hears so.
        assert!(router.hears_lead(PEER, 50).contains(&Action::ClaimAddresses));
    }

    #[test]
    fn that_was_late_says_nothing_more_as_active() {
        for event in [Event::PriorityChanged(priority(150)), Event::Shutdown] {
            let mut router = Router::active(settings());
            router.advance(3_000_000);
            let actions = router.feed(event);
            assert_eq!(actions[0], Action::ReleaseAddresses(Release::AtOnce));
            let leads = |action: &Action| matches!(action, Action::Advertise(Claim::Lead(_)));
            assert!(!actions.iter().any(leads), "{event:?}");
        }
    }

    #[test]
    fn that_was_late_and_may_not_preempt_leaves_the_addresses_to_its_peer() {
        let mut router = Router::active(Settings { preempt: Preempt::Never, ..settings() });
        router.advance(5_000_000);
        let _ = router.feed(Event::Tick);
        assert_eq!(router.hears_lead(PEER, 50), []);
        assert_eq!(router.name(), StateName::Backup);
    }

    #[test]
    fn whose_interface_is_gone_lets_go_at_once() {
        let mut router = Router::active(settings());
        let change = transition(StateName::Active, StateName::Initialize, Cause::Fault);
        let expected = [Action::ReleaseAddresses(Release::AtOnce), change];
        assert_eq!(router.feed(Event::Fault), expected);
    }
}

mod releasing {
    use super::*;

    fn releasing(settings: Settings) -> Router {
        let mut router = Router::active(settings);
        let actions = router.feed(Event::Shutdown);
        // One advert of priority 0 (§6.4.3), and no address released yet.
        let change = transition(StateName::Active, StateName::Releasing, Cause::Stopped);
        assert_eq!(actions, [Action::Advertise(Claim::Resign), change]);
        router
    }

    #[test]
    fn serves_until_a_peer_is_heard() {
        let mut router = releasing(settings());
        router.advance(609_375);
        let actions = router.hears_lead(PEER, 1);
        let cause = Cause::Relieved { peer: ip(PEER) };
        let change = transition(StateName::Releasing, StateName::Initialize, cause);
        // Told again, a peer that was Active all along announces the addresses.
        let resign = Action::Advertise(Claim::Resign);
        assert_eq!(actions, [resign, Action::ReleaseAddresses(Release::Relieved), change]);
    }

    #[test]
    fn gives_up_waiting_after_the_longest_skew_and_a_margin() {
        let mut router = releasing(settings());
        // 255/256 s + 200 ms.
        assert_eq!(router.deadline_micros(), 1_196_093);
        let actions = router.tick();
        let change = transition(StateName::Releasing, StateName::Initialize, Cause::Unrelieved);
        let resign = Action::Advertise(Claim::Resign);
        assert_eq!(actions, [resign, Action::ReleaseAddresses(Release::AtOnce), change]);
    }

    #[test]
    fn is_not_relieved_by_another_that_resigns() {
        let mut router = releasing(settings());
        assert_eq!(router.hears(PEER, Claim::Resign, 100), []);
        assert_eq!(router.name(), StateName::Releasing);
    }

    #[test]
    fn ends_at_once_when_told_again() {
        let mut router = releasing(settings());
        let actions = router.feed(Event::Shutdown);
        assert_eq!(actions[1], Action::ReleaseAddresses(Release::AtOnce));
        assert_eq!(router.name(), StateName::Initialize);
    }
}

/// Every state meets every event at every moment and keeps its promises.
#[test]
fn no_event_is_unexpected_anywhere() {
    let claims = [lead(1), lead(100), lead(255), Claim::Resign];
    let received = claims.map(|claim| {
        let (source, interval) = (ip(PEER), interval(10));
        Event::Received(Received { source, claim, interval })
    });
    let events = [
        Event::Startup,
        Event::Resume,
        Event::Tick,
        Event::Shutdown,
        Event::Fault,
        Event::PriorityChanged(priority(7)),
    ];
    let makers: [fn(Settings) -> Router; 3] = [Router::new, Router::backup, Router::active];
    for make in makers {
        for event in events.iter().chain(&received) {
            for second in events.iter().chain(&received) {
                let mut router = make(settings());
                let start = router.start;
                for event in [event, second] {
                    router.advance(700_000);
                    let before = router.name();
                    let actions = router.feed(*event);
                    let after = router.name();
                    // Every change is told, and the tale has no gap.
                    let mut told = before;
                    for action in &actions {
                        if let Action::Transition(change) = action {
                            assert_eq!(change.from, told, "{event:?}");
                            told = change.to;
                        }
                    }
                    assert_eq!(told, after, "{event:?}");
                    // Addresses are claimed on the way to Active, and only there.
                    let claims = actions.contains(&Action::ClaimAddresses);
                    let rises = before != after && after == StateName::Active;
                    assert_eq!(claims, rises, "{event:?}");
                    // Whoever takes part waits for something.
                    let waits = router.election.deadline().is_some_and(|at| at > start);
                    assert_eq!(waits, after != StateName::Initialize, "{event:?}");
                }
            }
        }
    }
}
