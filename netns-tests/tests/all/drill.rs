//! Every fault of the drill, once. What the drill promises on a quiet machine is its own to judge;
//! here, on a busy one, the pair must come through at all.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use netns_tests::{LIMIT, binary, copy_program};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// A busy machine may be so much worse than what is promised, before something is broken.
const NOISE: f64 = 4.0;

/// And so many milliseconds on top.
const SLACK_MS: f64 = 250.0;

fn drill(fault: &str) -> Value {
    let mut vipd = Command::new(binary("vipd"));
    let output = vipd.args(["drill", "--json", "--runs", "1", "--fault", fault]).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}{complaint}"))
}

/// Drills a fault; tells what the client that was connected saw.
fn comes_through(fault: &str) -> String {
    let told = drill(fault);
    assert_eq!((told["fault"].as_str(), told["runs"].as_u64()), (Some(fault), Some(1)), "{told}");
    let bounds = told["bounds"].as_array().unwrap();
    assert!(!bounds.is_empty(), "{told}");
    for bound in bounds {
        let (at_most, median) = (&bound["at_most"], &bound["median"]);
        let limit = at_most.as_f64().unwrap() * NOISE + SLACK_MS;
        assert!(median.as_f64().unwrap() <= limit, "{told}");
    }
    told["connected_client"][0].as_str().unwrap().to_owned()
}

#[test]
fn planned_stop() {
    assert_ne!(comes_through("planned-stop"), "hangs");
}

#[test]
fn vrrpd_killed() {
    comes_through("vrrpd-killed");
}

#[test]
fn vrrpd_hung() {
    comes_through("vrrpd-hung");
}

/// It takes the running program away from under its clients, and none of them notices.
#[test]
fn upgrade() {
    assert_eq!(comes_through("upgrade"), "goes on");
}

#[test]
fn node_killed() {
    assert_eq!(comes_through("node-killed"), "told");
}

/// What the client had sent was acknowledged by the frozen node's kernel; it may wait for long.
#[test]
fn node_frozen() {
    comes_through("node-frozen");
}

#[test]
fn node_cut() {
    assert_eq!(comes_through("node-cut"), "told");
}

#[test]
fn link_down() {
    assert_eq!(comes_through("link-down"), "told");
}

#[test]
fn proxy_killed() {
    assert_eq!(comes_through("proxy-killed"), "told");
}

#[test]
fn proxy_hung() {
    assert_eq!(comes_through("proxy-hung"), "told");
}

#[test]
fn backends_lost() {
    assert_eq!(comes_through("backends-lost"), "told");
}

#[test]
fn backend_killed() {
    comes_through("backend-killed");
}

#[test]
fn split_and_heal() {
    comes_through("split-and-heal");
}

#[test]
fn failback() {
    assert_eq!(comes_through("failback"), "told");
}

/// As a newcomer runs it: without any right.
#[test]
fn needs_no_root() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let vipd = folder.path().join("vipd");
    copy_program(&binary("vipd"), &vipd);
    let mut drill = Command::new(&vipd);
    drill.args(["drill", "--json", "--runs", "1", "--fault", "proxy-killed"]);
    let output = drill.current_dir("/").uid(65534).gid(65534).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("\"fault\":\"proxy-killed\""), "{told}{complaint}");
}

/// The programs that a drill started know its work directory.
fn programs_of(folder: &str) -> usize {
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines.filter(|line| String::from_utf8_lossy(line).contains(folder)).count()
}

#[test]
fn that_is_interrupted_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    // A shell that runs the tests in the background has them ignore SIGINT.
    let mut drill = Command::new("env")
        .arg("--default-signal")
        .arg(binary("vipd"))
        .args(["drill", "--runs", "9", "--fault", "backend-killed"])
        .env("TMPDIR", path)
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let began = lab::wait_until("the pair ran", LIMIT, || programs_of(path) > 2);
    began.unwrap();
    kill(Pid::from_raw(i32::try_from(drill.id()).unwrap()), Signal::SIGINT).unwrap();
    let status = drill.wait().unwrap();
    assert!(!status.success(), "{status}");
    sleep(Duration::from_millis(500));
    assert_eq!(programs_of(path), 0);
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}
