//! A reload is one transaction over all programs, whatever only root may read and whoever dies meanwhile.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use lab::{Running, wait_until};
use netns_tests::web::Web;
use netns_tests::{Duel, LIMIT, binary, copy_program};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use vipd::status;

const VIP: &str = "10.77.0.200";
const ENDPOINT: &str = "10.77.0.200:6443";

/// A node that serves, alone.
fn node(configure: impl Fn(&Web) -> String) -> (Duel, Web, Running) {
    let mut duel = Duel::new(VIP);
    let web = Web::new(&duel, &[6443]);
    let vipd = duel.vipd(0, &configure(&web));
    duel.wait_for(&[0]);
    web.wait_for(&duel.client, ENDPOINT, "6443");
    (duel, web, vipd)
}

/// `vipd reload` of the first node, begun.
fn begin(duel: &Duel) -> Child {
    let mut command = Command::new(binary("vipd"));
    command.arg("reload").arg("--runtime-dir").arg(duel.runtime_dir(0));
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The exit code of `vipd reload` with this file, and what it complains of.
fn reload(duel: &Duel, config: &str) -> (Option<i32>, String) {
    duel.lab.write("lb1.toml", config).unwrap();
    outcome(begin(duel))
}

fn outcome(child: Child) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

/// The first node's priority, and both programs' processes.
fn state(duel: &Duel) -> (u8, u32, u32) {
    let dir = duel.runtime_dir(0);
    let (vrrpd, lbproxy) = (status::vrrpd(&dir).unwrap(), status::lbproxy(&dir).unwrap());
    (vrrpd.routers[0].priority.get(), vrrpd.pid, lbproxy.pid)
}

fn server_is_up(duel: &Duel) -> bool {
    let status = status::lbproxy(&duel.runtime_dir(0)).unwrap();
    status.proxies[0].servers[0].state.to_string() == "up"
}

#[test]
fn what_one_program_refuses_no_other_takes_over() {
    let metrics = "[metrics]\nlisten = \"127.0.0.1:9911\"\n";
    let (duel, web, vipd) = node(|web| web.node(150, metrics));
    let before = state(&duel);
    assert_eq!(reload(&duel, &web.node(140, metrics)), (Some(0), String::new()));
    assert_eq!(state(&duel), (140, before.1, before.2));

    let (code, words) = reload(&duel, &web.node(120, "balance = \"rond_robin\"\n"));
    assert_eq!(code, Some(2), "{words}");
    assert!(words.contains("error[E") && words.contains("rond_robin"), "{words}");
    // Only one program each can find these.
    let taken = web.node(120, "[metrics]\nlisten = \"192.0.2.7:9911\"\n");
    let (code, words) = reload(&duel, &taken);
    assert_eq!(code, Some(2), "{words}");
    assert!(words.contains("error: console: listen on"), "{words}");
    let no_ca = web.node(120, metrics).replace("ca = \"/", "ca = \"/nowhere/");
    let (code, words) = reload(&duel, &no_ca);
    assert_eq!(code, Some(2), "{words}");
    assert!(words.contains("error: lbproxy: check of proxy apiserver"), "{words}");
    let typing_error = web.node(120, metrics).replace("\"eth0\"", "\"enp3s0\"");
    let (code, words) = reload(&duel, &typing_error);
    assert_eq!(code, Some(2), "{words}");
    assert!(words.contains("error: vrrpd: router api"), "{words}");
    assert_eq!(state(&duel), (140, before.1, before.2));
    assert_eq!(web.ask(&duel.client, ENDPOINT).as_deref(), Some("6443"));
    assert!(vipd.log().contains("reload refused: everything stays as it was"));

    let nobody = Command::new(binary("vipd"))
        .args(["reload", "--runtime-dir", "/nowhere"])
        .output()
        .unwrap();
    assert_eq!(nobody.status.code(), Some(1));
}

/// The authority in a directory of root's, and the file, are for root alone; `lbproxy` is not root.
#[test]
fn what_only_root_may_read_works_and_is_followed_as_it_changes() {
    let (duel, web, vipd) = node(|web| web.node(150, ""));
    let private = duel.lab.directory().join("private");
    fs::create_dir(&private).unwrap();
    fs::set_permissions(&private, Permissions::from_mode(0o700)).unwrap();
    let ca = private.join("ca.crt");
    let replace = |text: &[u8]| {
        let new = private.join("new");
        fs::write(&new, text).unwrap();
        fs::set_permissions(&new, Permissions::from_mode(0o600)).unwrap();
        fs::rename(&new, &ca).unwrap();
    };
    let good = fs::read(&web.certificates.ca).unwrap();
    replace(&good);
    let path = web.certificates.ca.display().to_string();
    let config = |priority| web.node(priority, "").replace(&path, &ca.display().to_string());
    let file = duel.lab.write("lb1.toml", &config(140)).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    for priority in [140, 130] {
        assert_eq!(reload(&duel, &config(priority)), (Some(0), String::new()));
        assert_eq!(state(&duel).0, priority);
    }
    web.wait_for(&duel.client, ENDPOINT, "6443");

    // A file that nobody can use changes nothing, and nobody has to tell of the next one. What the file of
    // the configuration says meanwhile is of no interest.
    fs::write(&file, config(99)).unwrap();
    replace(b"no certificate");
    vipd.wait_for_log("cannot be used: the last ones stay", LIMIT).unwrap();
    std::thread::sleep(Duration::from_secs(1));
    assert!(server_is_up(&duel));
    let warnings = vipd.log().matches("the last ones stay").count();
    assert_eq!(warnings, 1, "{}", vipd.log());
    replace(&[&good[..], b"\n"].concat());
    let reloaded = || vipd.log().matches("reloaded generation=").count() == 3;
    wait_until("the new one is taken", LIMIT, reloaded).unwrap();
    assert!(server_is_up(&duel));
    assert_eq!(state(&duel).0, 130);
}

#[test]
fn a_hundred_reloads_in_five_seconds_end_with_the_last() {
    let (duel, web, vipd) = node(|web| web.node(150, ""));
    let before = state(&duel);
    for round in 1..=100 {
        duel.reload(0, &vipd, &web.node(100 + round, ""));
        std::thread::sleep(Duration::from_millis(40));
    }
    assert_eq!(reload(&duel, &web.node(210, "")), (Some(0), String::new()));
    assert_eq!(state(&duel), (210, before.1, before.2), "{}", vipd.log());
    assert!(!vipd.log().contains("reload refused"), "{}", vipd.log());
    assert_eq!(web.ask(&duel.client, ENDPOINT).as_deref(), Some("6443"));
}

#[test]
fn a_program_that_dies_in_the_middle_refuses_and_the_next_reload_is_taken() {
    let (duel, web, vipd) = node(|web| web.node(150, ""));
    let before = state(&duel);
    let lbproxy = Pid::from_raw(i32::try_from(before.2).unwrap());
    kill(lbproxy, Signal::SIGSTOP).unwrap();
    duel.lab.write("lb1.toml", &web.node(140, "")).unwrap();
    let first = begin(&duel);
    vipd.wait_for_log("msg=reloading", LIMIT).unwrap();
    // One that is asked for during the other.
    duel.lab.write("lb1.toml", &web.node(130, "")).unwrap();
    let second = begin(&duel);
    let (code, words) = outcome(first);
    assert_eq!((code, words.lines().next()), (Some(2), Some("error: lbproxy: died meanwhile")));
    assert_eq!(outcome(second), (Some(0), String::new()), "{}", vipd.log());
    let after = state(&duel);
    assert_eq!((after.0, after.1), (130, before.1));
    assert_ne!(after.2, before.2);
    web.wait_for(&duel.client, ENDPOINT, "6443");
}

/// Whoever could take the lock during an upgrade would end the supervisor.
#[test]
fn the_lock_is_nobody_elses_during_an_upgrade() {
    let (duel, _web, vipd) = node(|web| web.node(150, ""));
    let path = duel.runtime_dir(0).join("vipd.pid");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let may_lock = |path: &Path| {
        let file = fs::File::open(path).unwrap();
        Flock::lock(file, FlockArg::LockSharedNonblock).is_ok()
    };
    vipd.signal(Signal::SIGUSR2).unwrap();
    let mut tries = 0_u32;
    while !vipd.log().contains("msg=upgraded") {
        for _ in 0..100 {
            assert!(!may_lock(&path), "after {tries} tries");
            tries += 1;
        }
    }
    assert!(tries >= 1_000, "{tries}");
}

/// Configuration, the directory above it and the binary of an upgrade: as hooks of root's.
#[test]
fn what_others_than_root_may_write_is_refused() {
    let mut duel = Duel::new(VIP);
    let web = Web::new(&duel, &[6443]);
    let program = duel.lab.directory().join("vipd");
    copy_program(&binary("vipd"), &program);
    let file = duel.lab.write("lb1.toml", &web.node(150, "")).unwrap();
    let mode = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    let command = || {
        let mut vipd = Command::new(&program);
        vipd.arg("run").arg("--config").arg(&file).arg("--runtime-dir").arg(duel.runtime_dir(0));
        vipd
    };
    let words = |shown: &str, path: &Path, mode: &str, command: &str| {
        let path = path.display();
        let fault = format!("{path} is writable by everyone (owner 0, mode {mode})");
        assert!(shown.contains(&fault), "{shown}");
        assert!(shown.contains(&format!("decides what root runs: {command} {path}")), "{shown}");
    };

    mode(&file, 0o646);
    let refused = duel.hosts[0].start("refused", &mut command()).unwrap();
    assert_eq!(refused.wait(LIMIT).unwrap().code(), Some(2));
    words(&refused.log(), &file, "0646", "chmod o-w");
    mode(&file, 0o600);
    let vipd = duel.hosts[0].start("vipd", &mut command()).unwrap();
    duel.wait_for(&[0]);
    web.wait_for(&duel.client, ENDPOINT, "6443");
    let before = state(&duel);

    fs::write(&file, web.node(140, "")).unwrap();
    let folder = duel.lab.directory();
    mode(folder, 0o713);
    let (code, shown) = outcome(begin(&duel));
    mode(folder, 0o711);
    assert_eq!(code, Some(2), "{shown}");
    words(&shown, folder, "0713", "chmod o-w");
    mode(&program, 0o757);
    vipd.signal(Signal::SIGUSR2).unwrap();
    vipd.wait_for_log("upgrade refused: everything stays as it is", LIMIT).unwrap();
    words(&vipd.log(), &program, "0757", "chmod o-w");
    assert_eq!(state(&duel), before);
    assert_eq!(outcome(begin(&duel)), (Some(0), String::new()));
    assert_eq!(state(&duel), (140, before.1, before.2));
}
