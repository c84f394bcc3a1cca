//! `vipd check` as an operator runs it.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use shared::config::Code;

/// What a run of `vipd check` gave: exit code, standard output, standard error.
struct Answer {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs it beside the examples, so that they are named as they are in this repository.
fn check(arguments: &[&str]) -> Answer {
    check_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs"), arguments)
}

fn check_in(folder: &Path, arguments: &[&str]) -> Answer {
    let vipd = env!("CARGO_BIN_EXE_vipd");
    let output =
        Command::new(vipd).arg("check").args(arguments).current_dir(folder).output().unwrap();
    Answer {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn says_what_is_in_each_right_file() {
    let both = "two-node-lb1.toml is right: virtual routers 1, proxies 1\n\
                k0s.toml is right: virtual routers 0, proxies 3\n";
    let Answer { code, out, err } = check(&["two-node-lb1.toml", "k0s.toml", "two-node-lb2.toml"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.starts_with(both), "{out}");
    let Answer { code, out, .. } = check(&["--config", "k0s.toml"]);
    assert_eq!(
        (code, out.as_str()),
        (Some(0), "k0s.toml is right: virtual routers 0, proxies 3\n")
    );
}

#[test]
fn one_wrong_file_makes_the_exit_code_2_and_hides_no_other() {
    let Answer { code, out, err } = check(&["bad/empty.toml", "k0s.toml", "bad/missing.toml"]);
    assert_eq!((code, out.lines().count()), (Some(2), 1));
    assert!(err.starts_with("error[E0007]: the file configures nothing\n"), "{err}");
    assert!(err.contains("\n\nerror[E0005]: `"), "{err}");
}

#[test]
fn warnings_leave_the_exit_code_alone() {
    let Answer { code, out, err } = check(&["bad/allowed-in-vain.toml"]);
    assert_eq!(code, Some(0));
    assert!(err.starts_with("warning[W0001]: nothing here is W0104\n"), "{err}");
    assert!(out.contains("is right"), "{out}");
}

#[test]
fn tells_the_same_as_json() {
    let Answer { code, out, err } = check(&["--json", "bad/empty.toml", "k0s.toml"]);
    assert_eq!((code, err.as_str()), (Some(2), ""));
    let found: Value = serde_json::from_str(&out).unwrap();
    let expected = json!({ "files": [
        { "path": "bad/empty.toml", "right": false, "problems": [{
            "severity": "error",
            "code": "E0007",
            "title": "the file configures nothing",
            "help": "write a [[vrrp]] table for a virtual address, a [[proxy]] table for a load balancer, or both",
            "file": "bad/empty.toml",
            "line": 1,
            "column": 1,
        }] },
        { "path": "k0s.toml", "right": true, "problems": [] },
    ] });
    assert_eq!(found, expected);
}

#[test]
fn explains_each_code() {
    for code in Code::ALL {
        let Answer { code: exit, out, .. } = check(&["--explain", code.text()]);
        assert_eq!(exit, Some(0));
        assert!(out.starts_with(&format!("{code}: ")) && out.lines().count() > 2, "{out}");
    }
    assert!(check(&["--explain", "e0103"]).out.starts_with("E0103: "));
    let unknown = check(&["--explain", "E9999"]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.err.contains("there is no code \"E9999\""), "{}", unknown.err);
}

#[test]
fn a_file_that_is_not_there_has_a_code() {
    let Answer { code, err, .. } = check(&["/nowhere/vipd.toml"]);
    assert_eq!(code, Some(2));
    assert!(err.starts_with("error[E0001]: cannot read the configuration"), "{err}");
}

#[test]
fn programs_are_looked_at_and_a_hook_may_be_allowed_to_be_missing() {
    let folder = tempfile::tempdir().unwrap();
    let router = "name = \"a\"\ninterface = \"eth0\"\nvrid = 51\naddresses = [\"10.0.0.1\"]\n";
    let write = |text: String| std::fs::write(folder.path().join("vipd.toml"), text).unwrap();
    let checked = || check_in(folder.path(), &["vipd.toml"]);

    write(format!("[[vrrp]]\n{router}notify = [\"/nowhere/hook\"]\n"));
    let Answer { code, err, .. } = checked();
    assert_eq!(code, Some(0));
    assert!(err.starts_with("warning[W0501]: cannot look at the program"), "{err}");

    write(format!("allow = [\"W0501\"]\n[[vrrp]]\n{router}notify = [\"/nowhere/hook\"]\n"));
    assert_eq!((checked().code, checked().err.as_str()), (Some(0), ""));

    let script = "[[track]]\nname = \"s\"\nscript = [\"/nowhere/script\"]\n";
    write(format!("[[vrrp]]\n{router}track = [\"s\"]\n{script}"));
    let Answer { code, err, .. } = checked();
    assert_eq!(code, Some(2));
    assert!(err.starts_with("error[E0501]: cannot look at the program"), "{err}");
}
