//! Programs on hosts.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use nix::sys::signal::Signal;

use super::{SOON, lab, ms};
use crate::node::{NodeError, signal};
use crate::topology::Lab;
use crate::wait::wait_until;

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

#[test]
fn a_program_runs_on_its_host_and_its_output_is_kept() {
    let lab = lab();
    let host = lab.host("lb1", 11).unwrap();
    let script = "echo out; echo err >&2; cat /proc/net/fib_trie; sleep 60";
    let mut program = host.start("talker", &mut shell(script)).unwrap();
    program.wait_for_log("10.77.0.11", SOON).unwrap();
    assert!(program.log().starts_with("out\nerr\n"));
    assert_eq!(program.log_path(), lab.directory().join("lb1-talker.log"));
    assert_eq!(program.exit_status(), None);
    assert_eq!(program.kill().unwrap().signal(), Some(9));
    // A second run appends to the file and sees its own lines.
    let again = host.start("talker", &mut shell("echo once more")).unwrap();
    assert!(again.wait(SOON).unwrap().success());
    assert_eq!(again.log(), "once more\n");
    assert!(std::fs::read_to_string(again.log_path()).unwrap().starts_with("out\nerr\n"));
    let output = host.output(&mut shell("echo out; echo err >&2; exit 3"), SOON).unwrap();
    assert_eq!(
        (output.status.code(), &output.stdout[..], &output.stderr[..]),
        (Some(3), &b"out\n"[..], &b"err\n"[..])
    );
    let error = host.output(&mut shell("echo slow >&2; sleep 60"), ms(200)).unwrap_err();
    assert!(error.to_string().ends_with("the log of lb1/sh ends:\nslow\n"), "{error}");
}

#[test]
fn a_program_stops_when_asked_and_is_killed_when_it_does_not() {
    let lab = lab();
    let host = lab.host("lb1", 11).unwrap();
    let polite = "trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.01; done";
    let mut program = host.start("polite", &mut shell(polite)).unwrap();
    program.wait_for_log("ready", SOON).unwrap();
    let ended = program.stop(SOON).unwrap();
    assert_eq!((ended.status.code(), ended.forced), (Some(5), false));
    assert!(program.log().ends_with("bye\n"));
    assert_eq!(program.stop(SOON).unwrap(), ended);
    assert!(matches!(program.signal(Signal::SIGTERM), Err(NodeError::Signal { .. })));

    let deaf = "trap '' TERM; echo ready; while :; do sleep 0.01; done";
    let mut program = host.start("deaf", &mut shell(deaf)).unwrap();
    program.wait_for_log("ready", SOON).unwrap();
    let ended = program.stop(ms(100)).unwrap();
    assert_eq!((ended.status.signal(), ended.forced), (Some(9), true));
}

#[test]
fn a_whole_group_is_frozen_killed_and_never_left_behind() {
    let lab = lab();
    let host = lab.host("lb1", 11).unwrap();
    let family = "(while :; do echo child; sleep 0.01; done) & while :; do sleep 0.01; done";
    let program = host.start("family", &mut shell(family)).unwrap();
    program.wait_for_log("child", SOON).unwrap();
    program.freeze().unwrap();
    std::thread::sleep(ms(100));
    let frozen = program.log();
    std::thread::sleep(ms(100));
    assert_eq!(program.log(), frozen);
    program.thaw().unwrap();
    wait_until("it goes on", SOON, || program.log().len() > frozen.len()).unwrap();
    // The leader alone dies: its end is seen, and the child goes on.
    signal(program.pid(), Signal::SIGKILL).unwrap();
    assert_eq!(program.wait(SOON).unwrap().signal(), Some(9));
    let length = program.log().len();
    wait_until("the child goes on", SOON, || program.log().len() > length).unwrap();
    let log = program.log_path().to_owned();
    drop(program);
    let size = || std::fs::metadata(&log).unwrap().len();
    let last = size();
    std::thread::sleep(ms(100));
    assert_eq!(size(), last, "the child has gone with the value");
}

#[test]
fn the_work_directory_goes_with_the_lab_or_stays_when_named() {
    let lab = lab();
    let path = lab.write("vipd.toml", "# empty\n").unwrap();
    let kept = lab.directory().join("kept");
    let second = Lab::kept_in(&kept).unwrap();
    let host = second.host("lb1", 11).unwrap();
    let program = host.start("sleeper", &mut shell("sleep 60")).unwrap();
    drop((second, host));
    assert!(program.exit_status().is_none(), "a program outlives the lab's other parts");
    drop(program);
    assert!(kept.join("lb1-sleeper.log").exists());
    drop(lab);
    assert!(!path.exists());
}
