//! Hooks and the FIFO, with keepalived beside: the same script records the same lines.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use lab::{Lab, wait_until};
use netns_tests::users::open_to_everyone;
use netns_tests::{Duel, LIMIT, peer};

const VIP: &str = "10.77.0.200";

/// Writes a program into the lab's directory.
fn program(lab: &Lab, name: &str, text: &str) -> PathBuf {
    let path = lab.directory().join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn wait_for_lines(path: &Path, count: usize) {
    let what = format!("{} had {count} lines", path.display());
    let there = wait_until(&what, LIMIT, || read(path).lines().count() >= count);
    assert!(there.is_ok(), "{what}, but it has:\n{}", read(path));
}

fn ip(duel: &Duel, arguments: &str) {
    let mut command = Command::new(peer("ip"));
    command.args(arguments.split(' '));
    assert!(duel.hosts[0].output(&mut command, LIMIT).unwrap().status.success(), "{arguments}");
}

fn ours(lines: &str) -> String {
    format!(
        "[[vrrp]]\nname = \"VI_1\"\ninterface = \"eth0\"\nvrid = 51\npriority = 101\n\
         addresses = [\"{VIP}\"]\nadvert_interval = \"100ms\"\n{lines}"
    )
}

/// Start, interface lost, interface back, planned stop; `own` are the lines each step adds.
fn live(duel: &mut Duel, log: &Path, start: impl FnOnce(&mut Duel) -> lab::Running) {
    let mut daemon = start(duel);
    wait_for_lines(log, 2 * 2);
    ip(duel, "link set eth0 down");
    wait_for_lines(log, 3 * 2);
    ip(duel, "link set eth0 up");
    wait_for_lines(log, 5 * 2);
    daemon.stop(LIMIT).unwrap();
    wait_for_lines(log, 6 * 2);
}

/// keepalived starts the generic and the specific hook of a change together, so their lines may change
/// places; each kind alone is in order, and must be the same.
fn of_kind<'a>(lines: &'a str, kind: &str) -> Vec<&'a str> {
    lines.lines().filter(|line| line.starts_with("generic") == (kind == "generic")).collect()
}

#[test]
fn the_same_script_records_what_it_records_under_keepalived() {
    let mut records = Vec::new();
    for who in ["keepalived", "vipd"] {
        let mut duel = Duel::new(VIP);
        let log = duel.lab.directory().join("log");
        let hook = program(&duel.lab, "hook", &format!("echo \"$@\" >> {}", log.display()));
        let hook = hook.display().to_string();
        live(&mut duel, &log, |duel| {
            if who == "vipd" {
                let hooks = format!(
                    "notify = [\"{hook}\", \"generic\"]\nnotify_active = [\"{hook}\", \"master\"]\n\
                     notify_backup = [\"{hook}\", \"backup\"]\nnotify_fault = [\"{hook}\", \"fault\"]\n\
                     notify_stop = [\"{hook}\", \"stop\"]\nnotify_user = \"root\"\n"
                );
                return duel.vipd(0, &ours(&hooks));
            }
            duel.keepalived(
                0,
                &format!(
                    "global_defs {{\nscript_user root\nenable_script_security\n}}\n\
                     vrrp_instance VI_1 {{\nstate BACKUP\ninterface eth0\nvirtual_router_id 51\n\
                     priority 101\nversion 3\nadvert_int 0.1\nvirtual_ipaddress {{\n{VIP}\n}}\n\
                     notify \"{hook} generic\"\nnotify_master \"{hook} master\"\n\
                     notify_backup \"{hook} backup\"\nnotify_fault \"{hook} fault\"\n\
                     notify_stop \"{hook} stop\"\n}}\n"
                ),
            )
        });
        records.push(read(&log));
    }
    let expected = [
        "generic INSTANCE VI_1 BACKUP 101",
        "generic INSTANCE VI_1 MASTER 101",
        "generic INSTANCE VI_1 FAULT 101",
        "generic INSTANCE VI_1 BACKUP 101",
        "generic INSTANCE VI_1 MASTER 101",
        "generic INSTANCE VI_1 STOP 101",
    ];
    for record in &records {
        assert_eq!(of_kind(record, "generic"), expected);
    }
    let own = ["backup", "master", "fault", "backup", "master", "stop"];
    for record in &records {
        assert_eq!(of_kind(record, "own"), own);
    }
}

#[test]
fn the_fifo_has_keepalived_s_lines_and_hooks_their_user_and_environment() {
    let mut duel = Duel::new(VIP);
    let directory = duel.lab.directory().to_owned();
    let (fifo, log) = (directory.join("notify.fifo"), directory.join("log"));
    let text = format!(
        "echo $(id -un) $VIPD_ROUTER $VIPD_FAMILY $VIPD_STATE $VIPD_REASON >> {}",
        log.display()
    );
    let hook = program(&duel.lab, "hook", &text);
    fs::write(&log, "").unwrap();
    fs::set_permissions(&log, fs::Permissions::from_mode(0o666)).unwrap();
    open_to_everyone(&directory);
    let config = format!(
        "[notify]\nfifo = \"{}\"\nuser = \"root\"\n{}notify = [\"{}\"]\nnotify_user = \"nobody\"\n",
        fifo.display(),
        ours(""),
        hook.display()
    );
    let mut vipd = duel.vipd(0, &config);
    duel.wait_for(&[0]);
    wait_for_lines(&log, 2);
    assert_eq!(fifo.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let mut reader = fs::File::open(&fifo).unwrap();
    vipd.stop(LIMIT).unwrap();
    let mut lines = String::new();
    std::io::Read::read_to_string(&mut reader, &mut lines).unwrap();
    let expected =
        "INSTANCE \"VI_1\" BACKUP 101\nINSTANCE \"VI_1\" MASTER 101\nINSTANCE \"VI_1\" STOP 101\n";
    assert_eq!(lines, expected);
    assert!(!fifo.exists());
    let log = read(&log);
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines[1], "nobody VI_1 ipv4 MASTER silence");
    assert_eq!(lines[2], "nobody VI_1 ipv4 STOP unrelieved");
}

#[test]
fn a_hook_that_hangs_is_killed_with_its_children_and_delays_no_advert() {
    let mut duel = Duel::new(VIP);
    let log = duel.lab.directory().join("log");
    let text = format!("echo $3 >> {}\nsleep 987 &\nsleep 987", log.display());
    let hook = program(&duel.lab, "hook", &text);
    let hooks = format!(
        "notify = [\"{}\"]\nnotify_user = \"root\"\nnotify_timeout = \"1s\"\nnotify_retry = false\n",
        hook.display()
    );
    let vipd = duel.vipd(0, &ours(&hooks));
    let _peer = duel.vipd(1, &ours("").replace("101", "100"));
    duel.wait_for(&[0]);
    vipd.wait_for_log("it ran for more than 1s and was killed", LIMIT).unwrap();
    // In order: the second had to wait for the end of the first.
    wait_for_lines(&log, 2);
    assert_eq!(read(&log), "BACKUP\nMASTER\n");
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!(duel.owners.owners(), ["lb1"]);
    let sleepers = Command::new("pgrep").args(["-f", "^sleep 987$"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&sleepers.stdout), "", "the hook's children live on");
}

#[test]
fn what_others_can_write_is_not_run_as_root() {
    let mut duel = Duel::new(VIP);
    let log = duel.lab.directory().join("log");
    let hook = program(&duel.lab, "hook", &format!("echo run >> {}", log.display()));
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o757)).unwrap();
    let hooks = format!("notify = [\"{}\"]\nnotify_user = \"root\"\n", hook.display());
    let vipd = duel.vipd(0, &ours(&hooks));
    duel.wait_for(&[0]);
    vipd.wait_for_log("is writable by everyone", LIMIT).unwrap();
    assert!(!log.exists());
}

fn failing_hooks(duel: &Duel) -> Vec<(String, u32)> {
    let routers = vipd::status::vrrpd(&duel.runtime_dir(0)).map(|status| status.routers);
    let hooks = routers.unwrap_or_default().into_iter().flat_map(|router| router.failing_hooks);
    hooks.map(|hook| (hook.state, hook.tries)).collect()
}

/// As a cloud's API that is away for a moment: a second later, and two seconds after that.
#[test]
fn a_hook_that_fails_is_run_again_until_it_works() {
    let mut duel = Duel::new(VIP);
    let log = duel.lab.directory().join("log");
    let file = log.display();
    let text = format!(
        "echo $VIPD_STATE >> {file}\n[ $VIPD_STATE = BACKUP ] || [ $(grep -c MASTER {file}) -ge 3 ]"
    );
    let hook = program(&duel.lab, "hook", &text);
    let hooks = format!("notify = [\"{}\"]\nnotify_user = \"root\"\n", hook.display());
    let _vipd = duel.vipd(0, &ours(&hooks));
    duel.wait_for(&[0]);
    let told = || failing_hooks(&duel).iter().any(|(state, tries)| state == "MASTER" && *tries < 3);
    wait_until("the status told of it", LIMIT, told).unwrap();
    wait_for_lines(&log, 4);
    wait_until("the status told of none", LIMIT, || failing_hooks(&duel).is_empty()).unwrap();
    assert_eq!(read(&log), "BACKUP\nMASTER\nMASTER\nMASTER\n");
}

/// The link heals: what a cloud moved to the other node is to be moved back.
#[test]
fn whoever_stays_active_after_a_partition_is_told_that_the_other_yielded() {
    let mut duel = Duel::new(VIP);
    let log = duel.lab.directory().join("log");
    let hook =
        program(&duel.lab, "hook", &format!("echo $VIPD_STATE $VIPD_CAUSE >> {}", log.display()));
    let hooks = format!("notify_contested = [\"{}\"]\nnotify_user = \"root\"\n", hook.display());
    let vipd = duel.vipd(0, &ours(&hooks));
    duel.wait_for(&[0]);
    let _peer = duel.vipd(1, &ours("").replace("101", "100"));
    // Not of the peer's start, nor of a takeover.
    vipd.wait_for_log("became Active", LIMIT).unwrap();
    duel.lab.cut("lb1").unwrap();
    duel.wait_for(&[0, 1]);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(read(&log), "");
    duel.lab.heal("lb1").unwrap();
    duel.wait_for(&[0]);
    wait_for_lines(&log, 1);
    let told = "MASTER 10.77.0.12 was Active as well with priority 100, and has yielded to our 101; adverts heard: ";
    assert!(read(&log).starts_with(told), "{}", read(&log));
    assert!(vipd.log().contains("another router is Active as well"), "{}", vipd.log());
}
