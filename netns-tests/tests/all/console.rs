//! Who may ask a node and order it, and what the others can do to it: nothing.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Output};
use std::time::Duration;

use lab::wait_until;
use netns_tests::web::Web;
use netns_tests::{Duel, LIMIT, binary, peer};
use nix::sys::signal::Signal;
use vipd::status;

const VIP: &str = "10.77.0.200";

/// `vipd` with these arguments, about the first host's node, as this user.
fn vipd(duel: &Duel, uid: u32, arguments: &[&str]) -> Output {
    let uid = uid.to_string();
    // Another user must reach the program; a root's target directory may be closed.
    let program = duel.lab.directory().join("vipd-of-others");
    if !program.exists() {
        netns_tests::copy_program(&binary("vipd"), &program);
    }
    let mut command = Command::new(peer("setpriv"));
    command.args(["--reuid", &uid, "--regid", &uid, "--clear-groups"]).arg(program);
    command.args(arguments).arg("--runtime-dir").arg(duel.runtime_dir(0)).output().unwrap()
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// The resident memory of a process, in KiB.
fn memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn another_user_reaches_nothing() {
    let mut duel = Duel::new(VIP);
    let web = Web::new(&duel, &[6443]);
    let vipd_run = duel.vipd(0, &web.node(150, ""));
    duel.wait_for(&[0]);
    web.wait_for(&duel.client, "10.77.0.200:6443", "6443");
    let directory = duel.runtime_dir(0);
    // The way to the directory is open, so that what refuses is the socket.
    for folder in [directory.as_path(), duel.lab.directory()] {
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(folder, open).unwrap();
    }
    let sockets = || {
        let entries = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap());
        let sockets = entries.filter(|entry| entry.file_type().unwrap().is_socket());
        let mut names: Vec<_> =
            sockets.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(sockets(), ["supervisor.sock", "vipd.sock"]);
    let refused = vipd(&duel, 65534, &["reload"]);
    assert_eq!(refused.status.code(), Some(1), "{}", words(&refused));
    assert!(words(&refused).contains("only root may"), "{}", words(&refused));
    for arguments in [
        &["status"][..],
        &["events", "--follow"],
        &["pause"],
        &["handover"],
        &["server", "maint", "apiserver/6443"],
        &["sessions", "shutdown", "apiserver"],
    ] {
        let output = vipd(&duel, 65534, arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", words(&output));
        assert!(words(&output).contains("only root may"), "{arguments:?}: {}", words(&output));
    }
    assert_eq!(vipd(&duel, 0, &["status"]).status.code(), Some(0));
    assert_eq!(duel.owners.owners(), ["lb1"]);
    assert!(!vipd_run.log().contains("paused"), "{}", vipd_run.log());
}

#[test]
fn status_tells_a_dead_program_and_no_node_by_its_exit_code() {
    let mut duel = Duel::new(VIP);
    let none = vipd(&duel, 0, &["status"]);
    assert_eq!(none.status.code(), Some(3), "{}", words(&none));
    assert!(words(&none).contains("vipd does not run here: systemctl start vipd"));
    let web = Web::new(&duel, &[6443]);
    // Somebody else listens where the proxy should: it dies again and again.
    let taken = duel.hosts[0].run(|| std::net::TcpListener::bind("0.0.0.0:6443")).unwrap().unwrap();
    let mut node = duel.vipd(0, &web.node(150, ""));
    let told = || vipd(&duel, 0, &["status"]);
    let dead = || {
        let output = told();
        output.status.code() == Some(1) && words(&output).contains("does not answer: lbproxy")
    };
    wait_until("the dead proxy is told of", LIMIT, dead).unwrap();
    drop(taken);
    wait_until("all is well", LIMIT, || told().status.code() == Some(0)).unwrap();
    duel.wait_for(&[0]);
    node.stop(LIMIT).unwrap();
    assert_eq!(vipd(&duel, 0, &["status"]).status.code(), Some(3));
}

#[test]
fn those_who_never_read_and_a_dead_console_cost_nobody_anything() {
    let mut duel = Duel::new(VIP);
    let web = Web::new(&duel, &[6443]);
    let node = duel.vipd(0, &web.node(150, ""));
    duel.wait_for(&[0]);
    let directory = duel.runtime_dir(0);
    let pids =
        || Some([status::vrrpd(&directory).ok()?.pid, status::lbproxy(&directory).ok()?.pid]);
    let before = pids().unwrap();
    let memories = before.map(memory);
    let mut silent = Vec::new();
    for number in 0..300 {
        let mut stream = UnixStream::connect(directory.join("vipd.sock")).unwrap();
        let request = ["{\"type\":\"events\"}\n", "{\"type\":\"status\"}\n", "{"][number % 3];
        // Its place may be somebody else's already.
        drop(stream.write_all(request.as_bytes()));
        silent.push(stream);
    }
    wait_until("an operator is answered", LIMIT, || status::node(&directory).is_ok()).unwrap();
    let grown = before.map(memory).into_iter().zip(memories).map(|(now, then)| now - then.min(now));
    let grown: Vec<u64> = grown.collect();
    assert!(grown.iter().all(|kib| *kib < 4096), "{grown:?} KiB");
    // Who said nothing is sent away.
    let last = silent.last_mut().unwrap();
    last.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    assert_eq!(last.read(&mut [0; 16]).unwrap_or_default(), 0);
    drop(silent);

    let kill = |signal: &str| {
        let parent = node.pid().to_string();
        let mut pkill = Command::new(peer("pkill"));
        let killed = pkill.args([signal, "-x", "console", "-P", &parent]).status().unwrap();
        assert!(killed.success());
    };
    kill("-STOP");
    assert_eq!(web.ask(&duel.client, "10.77.0.200:6443").as_deref(), Some("6443"));
    kill("-KILL");
    wait_until("another console answers", LIMIT, || pids() == Some(before)).unwrap();
    assert_eq!(duel.owners.owners(), ["lb1"]);
    node.signal(Signal::SIGTERM).unwrap();
}
