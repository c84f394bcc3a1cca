//! The drill keeps its promises; as anyone may run it, and without leaving anything behind.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
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

/// Runs the drill with these arguments; an object for each fault.
fn drill(arguments: &[&str]) -> Vec<Value> {
    let mut vipd = Command::new(binary("vipd"));
    let output = vipd.args(["drill", "--json"]).args(arguments).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    let object = |line| {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {told}{complaint}"))
    };
    let objects: Vec<Value> = told.lines().map(object).collect();
    let gave_up = complaint.lines().find(|line| line.starts_with("error: "));
    assert!(gave_up.is_none() && !objects.is_empty(), "{complaint}");
    objects
}

/// What the client that is connected while a fault happens has to see.
const FATES: [(&str, &[&str]); 14] = [
    ("planned-stop", &["told"]),
    ("vrrpd-killed", &["goes on"]),
    ("vrrpd-hung", &["goes on"]),
    ("node-killed", &["told"]),
    // What it had sent was acknowledged by the frozen node's kernel; it may wait for long.
    ("node-frozen", &["hangs", "told"]),
    ("node-cut", &["told"]),
    ("link-down", &["told"]),
    ("proxy-killed", &["told"]),
    ("proxy-hung", &["told"]),
    ("backends-lost", &["told"]),
    // It may be one of another backend.
    ("backend-killed", &["told", "goes on"]),
    ("split-and-heal", &["told"]),
    ("failback", &["told"]),
    ("upgrade", &["goes on"]),
];

/// What was promised of a fault and not kept.
fn broken(told: &Value) -> Vec<String> {
    let fault = told["fault"].as_str().unwrap();
    let (_, fates) = FATES.iter().find(|(name, _)| *name == fault).unwrap();
    let bounds = told["bounds"].as_array().unwrap();
    assert!(!bounds.is_empty(), "{told}");
    let missed = bounds.iter().filter(|bound| bound["ok"] != true);
    let mut broken: Vec<String> = missed.map(Value::to_string).collect();
    let clients = told["connected_client"].as_array().unwrap();
    let right = clients.iter().filter(|fate| fates.contains(&fate.as_str().unwrap())).count();
    if right * 2 < clients.len() {
        broken.push(format!("the client: {clients:?}"));
    }
    let had = |figure: &str| told[figure]["median"].as_f64().unwrap() > 0.0;
    let (two, none) = (had("dual_owner_ms"), had("no_owner_ms"));
    match fault {
        // The new owner has the address before the old one lets go of it.
        "planned-stop" | "failback" if none || !two => broken.push("break before make".to_owned()),
        // The address never leaves the node.
        "vrrpd-killed" | "vrrpd-hung" | "upgrade" if none || two => {
            broken.push("it moved".to_owned())
        }
        _ => {}
    }
    broken
}

/// Every fault once, and those again three times that missed anything: what is promised is the middle of
/// three runs.
#[test]
fn measures_every_promise() {
    let first = drill(&["--runs", "1"]);
    let faults: BTreeSet<&str> = first.iter().map(|told| told["fault"].as_str().unwrap()).collect();
    assert_eq!(faults, FATES.map(|(fault, _)| fault).into_iter().collect());
    for once in first.iter().filter(|told| !broken(told).is_empty()) {
        let thrice = drill(&["--runs", "3", "--fault", once["fault"].as_str().unwrap()]);
        let broken = broken(&thrice[0]);
        assert!(broken.is_empty(), "{broken:?}\n{once}\n{thrice:?}");
    }
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

/// Two storms: that it can be done. For long runs there is the command.
#[test]
fn measures_that_a_pair_outlives_storms() {
    let mut vipd = Command::new(binary("vipd"));
    let output = vipd.args(["drill", "--chaos", "12s", "--seed", "3"]).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("\nmissed: 0; "), "{told}");
    let disturbances = told.split(", ").nth(1).and_then(|words| words.split(' ').next());
    assert!(disturbances.unwrap().parse::<u32>().unwrap() >= 4, "{told}");
}
