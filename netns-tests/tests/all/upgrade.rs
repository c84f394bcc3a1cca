//! A new binary in the place of the one that runs.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use lab::{Connection, Fate, Habit, Moment, Running, Service, wait_until};
use netns_tests::web::Web;
use netns_tests::{Duel, LIMIT, binary, copy_program};
use nix::sys::signal::Signal;
use vipd::status;
use vrrp::election::StateName;

const VIP: &str = "10.77.0.200";
const ENDPOINT: &str = "10.77.0.200:6443";

/// Upgrades have to take the helpers along.
const METRICS: &str = "[metrics]\nlisten = \"127.0.0.1:9911\"\n";

/// The processes of both programs on the first host.
fn programs(duel: &Duel) -> Option<[u32; 2]> {
    let dir = duel.runtime_dir(0);
    Some([status::vrrpd(&dir).ok()?.pid, status::lbproxy(&dir).ok()?.pid])
}

/// How many processes on the first host are an `lbproxy`.
fn proxies(first: &Running) -> usize {
    let children = format!("/proc/{0}/task/{0}/children", first.pid());
    let children = fs::read_to_string(children).unwrap();
    let name = |pid: &str| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    children.split_whitespace().filter(|pid| name(pid).trim() == "lbproxy").count()
}

#[test]
fn measures_no_client_notices_three_in_a_row() {
    let mut duel = Duel::new(VIP);
    let web = Web::new(&duel, &[6443]);
    let first = duel.vipd(0, &web.node(150, METRICS));
    duel.wait_for(&[0]);
    let _second = duel.vipd(1, &web.node(100, METRICS));
    web.wait_for(&duel.client, ENDPOINT, "6443");
    let endpoint = web.endpoint(ENDPOINT);
    let held = Connection::start(&duel.client, &endpoint, Habit::Busy, LIMIT).unwrap();
    let (ping, since) = (duel.ping(), Moment::now());
    let service = Service::start(&duel.client, &endpoint).unwrap();
    for round in 1..=3 {
        let before = programs(&duel).unwrap();
        let mut upgrade = Command::new(binary("vipd"));
        upgrade.arg("upgrade").arg("--runtime-dir").arg(duel.runtime_dir(0));
        let output = upgrade.output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words}{}", first.log_tail(40));
        let after = programs(&duel).unwrap();
        assert!(before.iter().zip(&after).all(|(old, new)| old != new), "{before:?} {after:?}");
        // The first one serves the client that is connected; those between had none.
        wait_until("two proxies", LIMIT, || proxies(&first) == 2).unwrap();
        assert_eq!(first.log().matches("msg=upgraded").count(), round);
    }
    let silence = Duel::silence(&ping.stop(), since);
    assert!(silence <= 50, "{silence} ms");
    let service = service.stop().unwrap();
    let failed: Vec<_> = service.failed().collect();
    assert!(failed.is_empty(), "{failed:?} {silence}\n{}", first.log());
    let held = held.stop().unwrap();
    assert!(matches!(held.fate, Fate::WentOn), "{held:?}\n{}", first.log());
    wait_until("one proxy", LIMIT, || proxies(&first) == 1).unwrap();

    // The peer never had anything to do, and reloads and the end go as ever.
    let peer = status::vrrpd(&duel.runtime_dir(1)).unwrap();
    assert_eq!(peer.routers[0].state, StateName::Backup);
    let changes = duel.owners.owners();
    assert_eq!(changes, ["lb1"]);
    duel.reload(0, &first, &web.node(50, METRICS));
    duel.wait_for(&[1]);
    first.signal(Signal::SIGTERM).unwrap();
    assert!(first.wait(LIMIT).unwrap().success(), "{}", first.log_tail(20));
}

#[test]
fn a_binary_that_does_not_run_changes_nothing() {
    let mut duel = Duel::new(VIP);
    let web = Web::new(&duel, &[6443]);
    let program = duel.lab.directory().join("vipd");
    copy_program(&binary("vipd"), &program);
    let config = duel.lab.write("lb1.toml", &web.node(150, METRICS)).unwrap();
    let mut vipd = Command::new(&program);
    vipd.arg("run").arg("--config").arg(config).arg("--runtime-dir").arg(duel.runtime_dir(0));
    let first = duel.hosts[0].start("vipd", &mut vipd).unwrap();
    duel.wait_for(&[0]);
    web.wait_for(&duel.client, ENDPOINT, "6443");
    let before = programs(&duel);
    let attempt = |said: &str| {
        first.signal(Signal::SIGUSR2).unwrap();
        first.wait_for_log(said, LIMIT).unwrap();
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(programs(&duel), before);
        assert_eq!(web.ask(&duel.client, ENDPOINT).as_deref(), Some("6443"));
    };

    fs::remove_file(&program).unwrap();
    attempt("cannot be run: No such file or directory");
    script(&duel, "echo 'no such option' >&2\nexit 2");
    attempt("no such option");
    // It passes the trial, and is gone when it is to be run.
    script(&duel, "rm \"$0\"");
    attempt("reason=\"cannot run");
    assert_eq!(duel.owners.owners(), ["lb1"]);

    // A signal that comes between two programs waits for the second.
    let real = binary("vipd");
    let slow = format!(
        "[ \"$1\" = check ] && exit\necho 'takes its time'\nsleep 0.5\nexec {} \"$@\"",
        real.display()
    );
    script(&duel, &slow);
    first.signal(Signal::SIGUSR2).unwrap();
    first.wait_for_log("takes its time", LIMIT).unwrap();
    first.signal(Signal::SIGTERM).unwrap();
    assert!(first.wait(LIMIT).unwrap().success(), "{}", first.log_tail(20));
    assert!(first.log().contains("stopping: hands the addresses over"));
}

/// A script in the place of the first host's program; sh would let blocked signals in.
fn script(duel: &Duel, text: &str) {
    let program = duel.lab.write("vipd", &format!("#!/bin/bash\n{text}\n")).unwrap();
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
}
