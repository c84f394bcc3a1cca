//! The supervisor's decisions, row by row. Times are milliseconds.

use std::os::unix::process::ExitStatusExt;

use process::messages::Resumable;
use rustix::process::Signal;
use vocabulary::{Family, Name};

use super::Program::{Console, Lbproxy, Runner, Vrrpd};
use super::*;

const KILLED: i32 = 9;
const FAILED: i32 = 0x100;

/// A core with a clock.
struct Rig {
    core: Core,
    start: Instant,
}

impl Rig {
    #[expect(clippy::disallowed_methods, reason = "a start for the virtual clock")]
    fn new() -> Self {
        Self { core: Core::new(), start: Instant::now() }
    }

    /// All four programs run: vrrpd is 1, lbproxy 2, runner 3, console 4. They tick within an hour.
    fn running() -> Self {
        let mut rig = Self::new();
        let wanted = wanted(&[Vrrpd, Lbproxy, Runner, Console]);
        let starts = [Vrrpd, Lbproxy, Runner, Console].map(alone);
        assert_eq!(rig.at(0, Event::Wanted(wanted)), starts);
        for (program, pid) in [(Vrrpd, 1), (Lbproxy, 2), (Runner, 3), (Console, 4)] {
            assert_eq!(rig.at(0, Event::Started { program, pid }), []);
            assert_eq!(rig.at(0, tick(pid, 3_600_000, &[])), []);
        }
        rig
    }

    fn at(&mut self, millis: u64, event: Event) -> Vec<Effect> {
        self.core.handle(event, self.start + Duration::from_millis(millis))
    }

    fn deadline(&self) -> Option<u128> {
        self.core.deadline().map(|deadline| (deadline - self.start).as_millis())
    }
}

fn wanted(programs: &[Program]) -> Wanted {
    Wanted {
        vrrpd: programs.contains(&Vrrpd),
        lbproxy: programs.contains(&Lbproxy),
        runner: programs.contains(&Runner),
        console: programs.contains(&Console),
        relief: Duration::from_secs(1),
    }
}

fn router(name: &str) -> RouterId {
    RouterId { name: Name::try_from(name).unwrap(), family: Family::Ipv4 }
}

fn alone(program: Program) -> Effect {
    Effect::Start { program, role: Role::Alone { resume: Vec::new() } }
}

fn resuming(routers: &[(&str, u64)]) -> Effect {
    let resume = routers.iter().map(|(name, millis)| (router(name), *millis)).collect();
    Effect::Start { program: Vrrpd, role: Role::Alone { resume } }
}

fn successor() -> Effect {
    Effect::Start { program: Lbproxy, role: Role::Successor }
}

fn tick(pid: i32, patience_ms: u64, resumable: &[(&str, u64)]) -> Event {
    let resumable = resumable
        .iter()
        .map(|(name, within_ms)| Resumable { router: router(name), within_ms: *within_ms });
    Event::Ticked {
        pid,
        tick: Tick { patience_ms, resumable: resumable.collect(), retired: false },
    }
}

fn exited(pid: i32, status: i32) -> Event {
    Event::Exited { pid, status: ExitStatus::from_raw(status) }
}

fn kill(pid: i32) -> Effect {
    Effect::Signal { pid, signal: Signal::KILL }
}

fn term(pid: i32) -> Effect {
    Effect::Signal { pid, signal: Signal::TERM }
}

fn died(program: Program, status: i32, ending: Ending, pause: u64) -> Effect {
    let exit = Exit { status: ExitStatus::from_raw(status), ending };
    Effect::Say(Notice::Died { program, exit, pause: Duration::from_millis(pause) })
}

fn release(names: &[&str]) -> Effect {
    Effect::Release(names.iter().map(|name| router(name)).collect())
}

#[test]
fn only_what_has_work_is_started() {
    for (programs, expected) in [
        (&[][..], vec![]),
        (&[Lbproxy], vec![alone(Lbproxy)]),
        (&[Vrrpd, Runner], vec![alone(Vrrpd), alone(Runner)]),
        (&[Console, Lbproxy], vec![alone(Lbproxy), alone(Console)]),
    ] {
        assert_eq!(Rig::new().at(0, Event::Wanted(wanted(programs))), expected);
    }
}

#[test]
fn a_program_is_started_once() {
    let mut rig = Rig::new();
    assert_eq!(rig.at(0, Event::Wanted(wanted(&[Lbproxy]))), [alone(Lbproxy)]);
    assert_eq!(rig.at(0, Event::Time), [], "it is being started");
    assert_eq!(rig.at(0, Event::Started { program: Lbproxy, pid: 2 }), []);
    assert_eq!(rig.at(0, Event::Wanted(wanted(&[Lbproxy]))), []);
}

#[test]
fn who_keeps_dying_is_started_ever_later() {
    let mut rig = Rig::running();
    let mut at = 1;
    for (pid, pause) in [(2, 0), (12, 0), (22, 0), (32, 100), (42, 200)] {
        let mut effects = rig.at(at, exited(pid, FAILED));
        assert_eq!(effects.remove(0), died(Lbproxy, FAILED, Ending::None, pause));
        if pause > 0 {
            assert_eq!((effects, rig.deadline()), (vec![], Some(u128::from(at + pause))));
            assert_eq!(rig.at(at + pause - 1, Event::Time), []);
            effects = rig.at(at + pause, Event::Time);
        }
        assert_eq!(effects, [alone(Lbproxy)]);
        at += pause;
        assert_eq!(rig.at(at, Event::Started { program: Lbproxy, pid: pid + 10 }), []);
    }
}

#[test]
fn what_the_system_does_not_start_is_tried_again() {
    let mut rig = Rig::new();
    assert_eq!(rig.at(0, Event::Wanted(wanted(&[Lbproxy]))), [alone(Lbproxy)]);
    let error = || "no process".to_owned();
    let failed = Event::NotStarted { program: Lbproxy, error: error() };
    let pause = Duration::from_millis(100);
    let notice = Notice::NotStarted { program: Lbproxy, error: error(), pause };
    assert_eq!(rig.at(0, failed), [Effect::Say(notice)]);
    assert_eq!(rig.at(99, Event::Time), []);
    assert_eq!(rig.at(100, Event::Time), [alone(Lbproxy)]);
}

#[test]
fn who_hangs_is_killed_and_started_again() {
    let mut rig = Rig::running();
    assert_eq!(rig.at(0, tick(2, 300, &[])), []);
    assert_eq!(rig.deadline(), Some(300));
    assert_eq!(rig.at(299, Event::Time), []);
    assert_eq!(rig.at(300, Event::Time), [kill(2)]);
    assert_eq!(rig.at(310, Event::Time), [], "it is killed once");
    let gone = [died(Lbproxy, KILLED, Ending::Hung, 0), alone(Lbproxy)];
    assert_eq!(rig.at(325, exited(2, KILLED)), gone);
}

#[test]
fn a_machine_that_stood_still_kills_nobody() {
    let mut rig = Rig::running();
    assert_eq!(rig.at(0, tick(2, 300, &[])), []);
    assert_eq!(rig.at(450, Event::Time), []);
    assert_eq!(rig.deadline(), Some(750));
}

#[test]
fn a_successor_of_vrrpd_goes_on_while_no_peer_can_have_taken_over() {
    // It needs 15 ms; at the death these are left of the 400 ms since the last tick.
    for (died_at, expected) in [
        (100, vec![resuming(&[("api", 300)])]),
        (385, vec![resuming(&[("api", 15)])]),
        (386, vec![Effect::Say(Notice::TooLate { router: router("api") }), resuming(&[])]),
    ] {
        let mut rig = Rig::running();
        assert_eq!(rig.at(0, tick(1, 3_600_000, &[("api", 400)])), []);
        let mut effects = rig.at(died_at, exited(1, KILLED));
        assert_eq!(effects.remove(0), died(Vrrpd, KILLED, Ending::None, 0));
        assert_eq!(effects, expected, "died at {died_at}");
    }
}

#[test]
fn addresses_that_nobody_goes_on_with_go_before_a_peer_has_them() {
    let mut rig = Rig::running();
    assert_eq!(rig.at(0, tick(1, 3_600_000, &[("api", 400), ("web", 500)])), []);
    let _ = rig.at(100, exited(1, KILLED));
    assert_eq!(rig.deadline(), Some(400));
    assert_eq!(rig.at(110, Event::Started { program: Vrrpd, pid: 11 }), []);
    // The successor goes on with one of them.
    assert_eq!(rig.at(120, tick(11, 3_600_000, &[("web", 500)])), []);
    assert_eq!(rig.at(399, Event::Time), []);
    assert_eq!(rig.at(400, Event::Time), [release(&["api"])]);
    assert_eq!(rig.at(500, Event::Time), [], "a successor has it");
}

#[test]
fn what_a_hung_vrrpd_has_does_not_wait_for_its_end() {
    let mut rig = Rig::running();
    assert_eq!(rig.at(0, tick(1, 150, &[("api", 150), ("web", 400)])), []);
    assert_eq!(rig.at(150, Event::Time), [kill(1), release(&["api"])]);
    let effects = rig.at(175, exited(1, KILLED));
    // That one is late as well, and is released once more: there is nothing left of it.
    let expected = [
        died(Vrrpd, KILLED, Ending::Hung, 0),
        Effect::Say(Notice::TooLate { router: router("api") }),
        resuming(&[("web", 225)]),
    ];
    assert_eq!(effects, expected);
    assert_eq!(rig.at(175, Event::Time), [release(&["api"])]);
}

#[test]
fn a_runner_waits_until_what_the_one_before_started_is_gone() {
    let mut rig = Rig::running();
    let dead = [died(Runner, KILLED, Ending::None, 0), Effect::KillOrphans];
    assert_eq!(rig.at(10, exited(3, KILLED)), dead);
    assert_eq!(rig.at(10, Event::Orphans { left: true }), []);
    assert_eq!(rig.at(20, Event::Time), []);
    assert_eq!(rig.at(30, Event::Orphans { left: false }), [alone(Runner)]);
}

#[test]
fn what_has_no_work_any_more_ends_and_stays_ended() {
    let mut rig = Rig::running();
    let effects = rig.at(0, Event::Wanted(wanted(&[Vrrpd])));
    assert_eq!(effects, [term(2), term(3), term(4)]);
    assert_eq!(rig.at(10, exited(4, 0)), []);
    assert_eq!(rig.at(20, exited(3, 0)), [Effect::KillOrphans]);
    // It may take 3 s.
    assert_eq!(rig.at(2999, Event::Time), []);
    assert_eq!(rig.at(3000, Event::Time), [kill(2)]);
    let exit = Exit { status: ExitStatus::from_raw(KILLED), ending: Ending::TooSlow };
    let late = Notice::NotInOrder { program: Lbproxy, exit };
    assert_eq!(rig.at(3010, exited(2, KILLED)), [Effect::Say(late)]);
    assert_eq!(rig.at(3020, Event::Time), []);
}

#[test]
fn who_is_wanted_again_while_it_ends_starts_after_that() {
    let mut rig = Rig::running();
    assert_eq!(rig.at(0, Event::Wanted(wanted(&[Vrrpd, Runner, Console]))), [term(2)]);
    assert_eq!(rig.at(5, Event::Wanted(wanted(&[Vrrpd, Lbproxy, Runner, Console]))), []);
    let replaced = Effect::Say(Notice::Replaced { program: Lbproxy });
    assert_eq!(rig.at(10, exited(2, 0)), [replaced, alone(Lbproxy)]);
}

#[test]
fn the_end_comes_in_order() {
    let mut rig = Rig::running();
    assert_eq!(rig.at(0, Event::Stop), [Effect::Say(Notice::Stopping), term(1)]);
    assert_eq!(rig.at(50, exited(1, 0)), [term(2)]);
    assert_eq!(rig.at(60, exited(2, 0)), [term(4)]);
    assert_eq!(rig.at(70, exited(4, 0)), [term(3)]);
    // The addresses are gone: a runner that fails changes nothing.
    let exit = Exit { status: ExitStatus::from_raw(FAILED), ending: rig_ending(&rig, 70, 6000) };
    let failed = Effect::Say(Notice::NotInOrder { program: Runner, exit });
    let last = [failed, Effect::KillOrphans, Effect::Exit { clean: true }];
    assert_eq!(rig.at(80, exited(3, FAILED)), last);
}

fn rig_ending(rig: &Rig, told: u64, limit: u64) -> Ending {
    Ending::Terminated { kill_at: rig.start + Duration::from_millis(told + limit) }
}

#[test]
fn a_vrrpd_that_does_not_end_is_killed_and_its_addresses_removed() {
    let mut rig = Rig::running();
    assert_eq!(rig.at(0, Event::Stop), [Effect::Say(Notice::Stopping), term(1)]);
    // 3 s, and 1 s for a peer.
    assert_eq!(rig.at(3999, Event::Time), []);
    assert_eq!(rig.at(4000, Event::Time), [kill(1)]);
    let exit = Exit { status: ExitStatus::from_raw(KILLED), ending: Ending::TooSlow };
    let late = Effect::Say(Notice::NotInOrder { program: Vrrpd, exit });
    assert_eq!(rig.at(4010, exited(1, KILLED)), [late, Effect::ReleaseAll, term(2)]);
    let _ = (rig.at(4020, exited(2, 0)), rig.at(4030, exited(4, 0)));
    let last = [Effect::KillOrphans, Effect::Exit { clean: false }];
    assert_eq!(rig.at(4040, exited(3, 0)), last);
}

#[test]
fn told_twice_it_ends_at_once() {
    let mut rig = Rig::running();
    let _ = rig.at(0, Event::Stop);
    let at_once = Effect::Say(Notice::StoppingAtOnce);
    assert_eq!(rig.at(10, Event::Stop), [at_once, Effect::ReleaseAll, Effect::ExitAtOnce]);
}

#[test]
fn who_died_before_the_end_is_not_started_for_it() {
    let mut rig = Rig::new();
    let _ = rig.at(0, Event::Wanted(wanted(&[Vrrpd])));
    let _ = rig.at(0, Event::Started { program: Vrrpd, pid: 1 });
    let _ = rig.at(0, tick(1, 3_600_000, &[("api", 400)]));
    let _ = rig.at(10, exited(1, KILLED));
    let error = "no process".to_owned();
    let _ = rig.at(10, Event::NotStarted { program: Vrrpd, error });
    let all = [Effect::Say(Notice::Stopping), release(&["api"]), Effect::Exit { clean: true }];
    assert_eq!(rig.at(20, Event::Stop), all);
    assert_eq!(rig.at(1000, Event::Time), []);
}

/// What an upgrade finds: the programs of before, of which vrrpd has not ticked yet.
fn upgrading() -> Rig {
    let mut rig = Rig::new();
    for (program, pid) in [(Vrrpd, 1), (Lbproxy, 2), (Runner, 3), (Console, 4)] {
        assert_eq!(rig.at(0, Event::Adopted { program, pid, retired: false }), []);
    }
    assert_eq!(rig.at(0, Event::Upgraded), [successor()]);
    assert_eq!(rig.at(0, Event::Wanted(wanted(&[Vrrpd, Lbproxy, Runner, Console]))), []);
    assert_eq!(rig.at(10, Event::Started { program: Lbproxy, pid: 12 }), []);
    for pid in [2, 3, 4, 12] {
        assert_eq!(rig.at(20, tick(pid, 3_600_000, &[])), []);
    }
    rig
}

#[test]
fn an_upgrade_replaces_the_proxy_first_then_the_others() {
    let mut rig = upgrading();
    // The old one retires; what vrrpd has is not known yet.
    assert_eq!(rig.at(100, Event::Closed { pid: 2 }), []);
    assert_eq!(rig.at(110, tick(1, 3_600_000, &[("api", 400)])), [kill(1), term(4), term(3)]);
    assert!(rig.core.is_upgrading());
    let replaced = |program| Effect::Say(Notice::Replaced { program });
    assert_eq!(rig.at(120, exited(1, KILLED)), [replaced(Vrrpd), resuming(&[("api", 390)])]);
    assert_eq!(rig.at(121, Event::Started { program: Vrrpd, pid: 11 }), []);
    assert_eq!(rig.at(130, exited(4, 0)), [replaced(Console), alone(Console)]);
    assert_eq!(rig.at(131, Event::Started { program: Console, pid: 14 }), []);
    assert_eq!(
        rig.at(140, exited(3, 0)),
        [replaced(Runner), Effect::KillOrphans, Effect::Say(Notice::Upgraded)]
    );
    assert!(!rig.core.is_upgrading());
    assert_eq!(rig.at(140, Event::Orphans { left: false }), [alone(Runner)]);
    // The old proxy ends with its last connection.
    let exit = Exit { status: ExitStatus::from_raw(0), ending: Ending::None };
    assert_eq!(rig.at(900, exited(2, 0)), [Effect::Say(Notice::RetiredEnded { exit })]);
}

#[test]
fn a_new_proxy_that_dies_before_it_serves_ends_the_upgrade() {
    let mut rig = upgrading();
    let exit = Exit { status: ExitStatus::from_raw(FAILED), ending: Ending::None };
    let notice = Notice::SuccessorDied { program: Lbproxy, exit };
    assert_eq!(rig.at(50, exited(12, FAILED)), [Effect::Say(notice)]);
    assert!(!rig.core.is_upgrading());
    assert_eq!(rig.at(60, tick(1, 3_600_000, &[("api", 400)])), [], "the others stay");
    assert_eq!(rig.core.running().map(|(_, pid)| pid).collect::<Vec<_>>(), [1, 2, 3, 4]);
}

#[test]
fn an_old_proxy_that_dies_during_an_upgrade_leaves_the_new_one() {
    let mut rig = upgrading();
    let exit = Exit { status: ExitStatus::from_raw(KILLED), ending: Ending::None };
    let notice = Effect::Say(Notice::PredecessorDied { exit });
    assert_eq!(rig.at(50, exited(2, KILLED)), [notice]);
    assert_eq!(rig.at(60, tick(1, 3_600_000, &[])), [kill(1), term(4), term(3)]);
}

#[test]
fn a_vrrpd_that_dies_during_an_upgrade_is_replaced_at_once() {
    let mut rig = upgrading();
    assert_eq!(rig.at(30, tick(1, 3_600_000, &[("api", 400)])), [], "the old proxy serves");
    let effects = rig.at(50, exited(1, KILLED));
    assert_eq!(effects, [died(Vrrpd, KILLED, Ending::None, 0), resuming(&[("api", 380)])]);
}

#[test]
fn without_a_process_for_the_new_proxy_there_is_no_upgrade() {
    let mut rig = Rig::new();
    let _ = rig.at(0, Event::Adopted { program: Lbproxy, pid: 2, retired: false });
    assert_eq!(rig.at(0, Event::Upgraded), [successor()]);
    let error = || "no process".to_owned();
    let notice = Notice::NoSuccessor { program: Lbproxy, error: error() };
    let failed = Event::NotStarted { program: Lbproxy, error: error() };
    assert_eq!(rig.at(0, failed), [Effect::Say(notice)]);
    assert!(!rig.core.is_upgrading());
}

#[test]
fn the_end_during_an_upgrade_ends_both_proxies() {
    let mut rig = upgrading();
    let _ = rig.at(30, Event::Adopted { program: Lbproxy, pid: 5, retired: true });
    assert_eq!(rig.at(40, Event::Stop), [Effect::Say(Notice::Stopping), term(1)]);
    assert_eq!(rig.at(50, exited(1, 0)), [term(2), term(12), term(5)]);
    assert_eq!(rig.at(60, exited(12, 0)), []);
    assert_eq!(rig.at(70, exited(2, 0)), []);
    let exit = Exit { status: ExitStatus::from_raw(0), ending: rig_ending(&rig, 50, 3000) };
    let ended = Effect::Say(Notice::RetiredEnded { exit });
    assert_eq!(rig.at(80, exited(5, 0)), [ended, term(4)]);
}
