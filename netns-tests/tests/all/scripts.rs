//! Scripts whose exit code a priority follows, run as the operator would run them.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use lab::{Lab, Running, wait_until};
use netns_tests::users::open_to_everyone;
use netns_tests::{Duel, LIMIT, binary};
use vipd::status;

const VIP: &str = "10.77.0.200";

/// A node whose script is `text`, run as root every 200 ms; the keys follow.
fn node(priority: u8, lab: &Lab, text: &str, keys: &str) -> String {
    let path = lab.directory().join("check");
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    format!(
        "[[vrrp]]\nname = \"api\"\ninterface = \"eth0\"\nvrid = 51\npriority = {priority}\n\
         addresses = [\"{VIP}\"]\nadvert_interval = \"100ms\"\ntrack = [\"check\"]\n\
         [[track]]\nname = \"check\"\nscript = [\"{}\"]\nuser = \"root\"\ninterval = \"200ms\"\n{keys}",
        path.display()
    )
}

fn peer(priority: u8) -> String {
    format!(
        "[[vrrp]]\nname = \"api\"\ninterface = \"eth0\"\nvrid = 51\npriority = {priority}\n\
         addresses = [\"{VIP}\"]\nadvert_interval = \"100ms\"\n"
    )
}

/// The first node's priority, and why its script is unusable, if it is.
fn known(duel: &Duel) -> (u8, Option<String>) {
    let status = status::vrrpd(&duel.runtime_dir(0)).unwrap();
    let router = &status.routers[0];
    (router.effective_priority.get(), router.trackers[0].reason.clone())
}

#[test]
fn a_failure_and_a_delay_are_told_apart_and_both_move_the_address() {
    let mut duel = Duel::new(VIP);
    let mood = duel.lab.directory().join("mood");
    fs::write(&mood, "exit 0").unwrap();
    let text = format!(". {}", mood.display());
    let vipd = duel.vipd(0, &node(150, &duel.lab, &text, "fall = 2\nweight = -60\n"));
    duel.wait_for(&[0]);
    let _peer = duel.vipd(1, &peer(100));
    sleep(Duration::from_secs(1));
    assert_eq!(known(&duel), (150, None));

    fs::write(&mood, "exit 7").unwrap();
    duel.wait_for(&[1]);
    assert_eq!(known(&duel), (90, Some("failed: exit status: 7".to_owned())));
    fs::write(&mood, "sleep 986").unwrap();
    vipd.wait_for_log("too slow: killed after 200ms", LIMIT).unwrap();
    let why = Some("too slow: killed after 200ms".to_owned());
    wait_until("the delay was told", LIMIT, || known(&duel) == (90, why.clone())).unwrap();
    fs::write(&mood, "exit 0").unwrap();
    duel.wait_for(&[0]);
    assert_eq!(known(&duel), (150, None));
    let sleepers = Command::new("pgrep").args(["-f", "^sleep 986$"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&sleepers.stdout), "", "what it started lives on");
}

#[test]
fn never_two_run_at_once() {
    let mut duel = Duel::new(VIP);
    let lock = duel.lab.directory().join("lock");
    // A second one at work would find the directory, and fail.
    let text = format!("mkdir {0} || exit 1\nsleep 0.15\nrmdir {0}", lock.display());
    // On a busy machine 0.15 s take longer.
    let node = node(150, &duel.lab, &text, "").replace("\"200ms\"", "\"600ms\"");
    let vipd = duel.vipd(0, &node);
    duel.wait_for(&[0]);
    for _ in 0..30 {
        sleep(Duration::from_millis(100));
        assert_eq!(known(&duel), (150, None), "{}", vipd.log());
    }
}

#[test]
fn a_dead_runner_moves_nothing() {
    let mut duel = Duel::new(VIP);
    let vipd = duel.vipd(0, &node(150, &duel.lab, "exit 0", ""));
    duel.wait_for(&[0]);
    let _peer = duel.vipd(1, &peer(100));
    sleep(Duration::from_secs(1));
    let killed = Command::new("kill").args(["-KILL", &runner(&vipd)]).status().unwrap();
    assert!(killed.success());
    vipd.wait_for_log("lost the runner", LIMIT).unwrap();
    for _ in 0..20 {
        sleep(Duration::from_millis(100));
        assert_eq!(duel.owners.owners(), ["lb1"], "{}", vipd.log());
    }
    assert!(!vipd.log().contains("no health was reported in time"), "{}", vipd.log());
}

/// The number of the process that runs a node's scripts.
fn runner(vipd: &Running) -> String {
    let mut pgrep = Command::new("pgrep");
    let found = pgrep.args(["-x", "runner", "-P", &vipd.pid().to_string()]).output().unwrap();
    String::from_utf8(found.stdout).unwrap().trim().to_owned()
}

/// A killed runner's script and what that started are gone before its successor's begins; whatever user
/// they run as. What a script left on purpose goes on.
#[test]
fn never_two_run_at_once_though_their_runner_is_killed() {
    for user in ["root", "nobody"] {
        let duel = Duel::new(VIP);
        let directory = duel.lab.directory().to_owned();
        let [log, before, left] = ["log", "before", "left"].map(|name| directory.join(name));
        for path in [&log, &before, &left] {
            fs::write(path, "").unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o666)).unwrap();
        }
        open_to_everyone(&directory);
        // Each tells who of the one before it is still there.
        let text = format!(
            "for pid in $(cat {before}); do [ -d /proc/$pid ] && echo beside $pid >> {log}; done\n\
             if [ -s {before} ]; then echo later >> {log}; else\n\
             (sleep 984 & echo $! > {left}) > /dev/null; echo $$ > {before}; exit 0; fi\n\
             sleep 985 &\necho $! $$ > {before}\nwait",
            before = before.display(),
            log = log.display(),
            left = left.display(),
        );
        // A runner starts it at once, and then once a minute.
        let node = node(150, &duel.lab, &text, "timeout = \"1m\"\n")
            .replace("user = \"root\"", &format!("user = \"{user}\""))
            .replace("interval = \"200ms\"", "interval = \"1m\"");
        let vipd = duel.vipd(0, &node);
        let lines = || fs::read_to_string(&log).unwrap().lines().count();
        let mut last = String::new();
        for round in 0..4 {
            let begun = || lines() == round && fs::read_to_string(&before).unwrap() != last;
            let at_work = wait_until("a script was at work", LIMIT, begun);
            assert!(at_work.is_ok(), "{}", vipd.log());
            last = fs::read_to_string(&before).unwrap();
            let killed = Command::new("kill").args(["-KILL", &runner(&vipd)]).status().unwrap();
            assert!(killed.success());
        }
        wait_until("a script ran", LIMIT, || lines() == 4).unwrap();
        let told = fs::read_to_string(&log).unwrap();
        assert_eq!(told, "later\n".repeat(4), "as {user}: {}", vipd.log());
        let left = fs::read_to_string(&left).unwrap();
        assert!(Path::new("/proc").join(left.trim()).exists(), "as {user}: {}", vipd.log());
        let ended = Command::new("kill").arg(left.trim()).status().unwrap();
        assert!(ended.success());
        // It is our child by now, and buried by us.
        let gone = || !Path::new("/proc").join(left.trim()).exists();
        wait_until("it was buried", LIMIT, gone).unwrap();
    }
}

#[test]
fn one_that_cannot_run_is_refused_with_its_place() {
    let duel = Duel::new(VIP);
    let text = node(150, &duel.lab, "exit 0", "");
    let path = duel.lab.directory().join("vipd.toml");
    let check = |text: &str| {
        fs::write(&path, text).unwrap();
        let output =
            Command::new(binary("vipd")).args(["check", "--config"]).arg(&path).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(check(&text), (Some(0), String::new()));
    for (before, after, fault) in [
        ("/check\"]", "/chekc\"]", "cannot look at the program: No such file or directory"),
        ("user = \"root\"", "user = \"rooot\"", "there is no user \"rooot\""),
    ] {
        let (code, told) = check(&text.replace(before, after));
        assert_eq!(code, Some(2));
        assert!(told.contains(fault) && told.contains("vipd.toml:11:11"), "{told}");
    }
    let script = duel.lab.directory().join("check");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(check(&text).1.contains("root may not execute"), "{}", check(&text).1);
    fs::set_permissions(&script, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(check(&text).1.contains("is writable by everyone"), "{}", check(&text).1);
}
