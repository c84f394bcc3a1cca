//! What an operator orders: handover, pause, resume. Nobody who pings the address notices.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::process::{Command, Output};
use std::thread::sleep;
use std::time::Duration;

use lab::{Moment, Running};
use netns_tests::{Duel, LIMIT, PLANNED, binary};
use nix::sys::signal::Signal;
use vipd::status;

const VIP: &str = "10.77.0.200";

fn node(priority: u8) -> String {
    format!(
        "[[vrrp]]\nname = \"api\"\ninterface = \"eth0\"\nvrid = 51\npriority = {priority}\n\
         addresses = [\"{VIP}\"]\nadvert_interval = \"100ms\"\n"
    )
}

/// Two nodes of which the first is Active.
fn pair() -> (Duel, [Running; 2]) {
    let mut duel = Duel::new(VIP);
    let first = duel.vipd(0, &node(150));
    duel.wait_for(&[0]);
    let second = duel.vipd(1, &node(100));
    sleep(Duration::from_secs(1));
    (duel, [first, second])
}

fn order(duel: &Duel, host: usize, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary("vipd"));
    command.args(arguments).arg("--runtime-dir").arg(duel.runtime_dir(host)).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Silence while `action` is done and everybody has had time to notice, in milliseconds.
fn silence_of(duel: &mut Duel, owner: usize, action: impl FnOnce(&Duel)) -> u128 {
    let ping = duel.ping();
    let since = Moment::now();
    action(duel);
    duel.wait_for(&[owner]);
    sleep(Duration::from_millis(300));
    Duel::silence(&ping.stop(), since)
}

#[test]
fn measures_handover_moves_the_address_and_leaves_it_there() {
    let (mut duel, _nodes) = pair();
    let silence = silence_of(&mut duel, 1, |duel| {
        let output = order(duel, 0, &["handover", "api"]);
        assert!(output.status.success(), "{}", text(&output));
        assert_eq!(text(&output), "api (IPv4): 10.77.0.12 took over\n");
    });
    assert!(silence <= 50, "{silence} ms of silence");
    // Though its priority is higher, it does not take them back.
    sleep(Duration::from_secs(1));
    assert_eq!(duel.owners.owners(), ["lb2"]);
    // There is nothing to hand over there now.
    let output = order(&duel, 0, &["handover"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));

    let silence = silence_of(&mut duel, 0, |duel| {
        assert!(order(duel, 0, &["resume"]).status.success());
    });
    assert!(silence <= 50, "{silence} ms of silence");
}

#[test]
fn handover_to_one_of_two_peers() {
    let (mut duel, nodes) = pair();
    // Left to themselves, the better of the two would have them: its skew is shorter.
    let third = duel.lab.host("lb3", 13).unwrap();
    let patient = |priority| node(priority) + "preempt = false\n";
    let config = duel.lab.write("lb3.toml", &patient(120)).unwrap();
    let mut vipd = Command::new(binary("vipd"));
    vipd.args(["run", "--config"]).arg(config);
    vipd.arg("--runtime-dir").arg(duel.lab.directory().join("lb3"));
    let third = third.start("vipd", &mut vipd).unwrap();
    duel.reload(1, &nodes[1], &patient(100));
    third.wait_for_log("ready to take part", LIMIT).unwrap();
    sleep(Duration::from_secs(1));

    let nobody = order(&duel, 0, &["handover", "--to", "10.77.0.99"]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(
        text(&nobody).contains("no peer that can serve took over: goes on"),
        "{}",
        text(&nobody)
    );
    assert_eq!(duel.owners.owners(), ["lb1"]);

    let silence = silence_of(&mut duel, 1, |duel| {
        let output = order(duel, 0, &["handover", "--to", "10.77.0.12"]);
        assert!(output.status.success(), "{}", text(&output));
        assert_eq!(text(&output), "api (IPv4): 10.77.0.12 took over\n");
    });
    assert!(silence <= PLANNED, "{silence} ms of silence");
    sleep(Duration::from_secs(1));
    assert_eq!(duel.owners.owners(), ["lb2"]);
    assert!(!third.log().contains("became Active"), "{}", third.log());
}

#[test]
fn who_handed_over_still_replaces_a_dead_peer() {
    let (mut duel, nodes) = pair();
    assert!(order(&duel, 0, &["handover"]).status.success());
    duel.wait_for(&[1]);
    nodes[1].signal_all(Signal::SIGKILL).unwrap();
    duel.wait_for(&[0]);
}

#[test]
fn handover_to_nobody_changes_nothing() {
    let mut duel = Duel::new(VIP);
    let _lonely = duel.vipd(0, &node(150));
    duel.wait_for(&[0]);
    let silence = silence_of(&mut duel, 0, |duel| {
        let output = order(duel, 0, &["handover"]);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        assert_eq!(text(&output), "api (IPv4): no peer that can serve took over: goes on\n");
    });
    assert!(silence <= PLANNED, "{silence} ms of silence");
}

#[test]
fn a_pause_outlives_the_daemon() {
    let (mut duel, _nodes) = pair();
    let silence = silence_of(&mut duel, 1, |duel| {
        assert!(order(duel, 0, &["pause"]).status.success());
    });
    assert!(silence <= PLANNED, "{silence} ms of silence");
    let before = status::vrrpd(&duel.runtime_dir(0)).unwrap();
    assert!(before.paused);
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(i32::try_from(before.pid).unwrap()),
        Signal::SIGKILL,
    )
    .unwrap();
    lab::wait_until("a successor ran", LIMIT, || {
        status::vrrpd(&duel.runtime_dir(0)).is_ok_and(|status| status.pid != before.pid)
    })
    .unwrap();
    sleep(Duration::from_secs(1));
    let after = status::vrrpd(&duel.runtime_dir(0)).unwrap();
    assert!(after.paused);
    assert_eq!(after.routers[0].effective_priority.get(), 1);
    assert_eq!(duel.owners.owners(), ["lb2"]);
    assert!(text(&order(&duel, 0, &["status"])).contains("paused"));
    assert!(order(&duel, 0, &["resume"]).status.success());
    duel.wait_for(&[0]);
}
