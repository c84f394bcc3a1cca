//! `vipd check` as an operator runs it.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::process::Command;

use config::Code;
use serde_json::{Value, json};

/// What a run of `vipd check` gave: exit code, standard output, standard error.
struct Answer {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs it beside the examples, so that they are named as they are in this repository.
fn check(arguments: &[&str]) -> Answer {
    check_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs"), arguments)
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
    assert!(out.contains("can be used, with the warning above"), "{out}");
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

/// Beside each `bad/pair/NAME-1.toml` and `NAME-2.toml` stands `NAME.txt`: exactly what must be printed for
/// both. `UPDATE=1` writes it, for somebody to read.
#[test]
fn what_keeps_a_pair_from_working_is_told() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/bad/pair");
    let mut raised = Vec::new();
    for name in ["different", "peers", "doubtful"] {
        let files = [format!("{name}-1.toml"), format!("{name}-2.toml")];
        let Answer { out, err, .. } = check_in(&folder, &[&files[0], &files[1]]);
        let beside = folder.join(name).with_extension("txt");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&beside, format!("{err}{out}")).unwrap();
        }
        assert_eq!(format!("{err}{out}"), std::fs::read_to_string(&beside).unwrap(), "{name}");
        let told = check_in(&folder, &["--json", &files[0], &files[1]]);
        let told: Value = serde_json::from_str(&told.out).unwrap();
        let problems = told["files"].as_array().unwrap().iter();
        let problems = problems.flat_map(|file| file["problems"].as_array().unwrap());
        raised.extend(problems.map(|found| found["code"].as_str().unwrap().to_owned()));
    }
    let of_pairs = Code::ALL.iter().filter(|code| code.is_of_pair()).map(|code| code.text());
    let missing: Vec<&str> =
        of_pairs.filter(|code| !raised.iter().any(|had| had == code)).collect();
    assert!(missing.is_empty(), "no bad pair is {missing:?}");
}

#[test]
fn a_pair_is_told_what_each_fault_costs_its_clients() {
    let Answer { code, out, err } = check(&["two-node-lb1.toml", "two-node-lb2.toml"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    // By hand: 3 × 100 ms and a skew of 60.9 ms; 300 ms of a link's silence; checks every second, three of
    // them with a second to answer. An advert's flight and the kernel take half a millisecond.
    let expected = "\
two-node-lb1.toml is right: virtual routers 1, proxies 1
two-node-lb2.toml is right: virtual routers 1, proxies 1

without service at worst, as these files play the real election:
k8s-api
  planned stop of the Active node            0 ms
  the Active node dies, or is cut off      362 ms
  the better node comes back                 0 ms
  the Active node's proxy dies               1 ms
  the Active node's proxy hangs            301 ms
  no server answers the Active node       4001 ms
";
    assert_eq!(out, expected, "{out}");
    let json = check(&["--json", "two-node-lb2.toml", "two-node-lb1.toml"]).out;
    let json: Value = serde_json::from_str(&json).unwrap();
    let dies = json!({
        "router": "k8s-api",
        "fault": "the Active node dies, or is cut off",
        "milliseconds": 362,
    });
    assert_eq!(json["downtime"][1], dies);
}

#[test]
fn the_schema_and_the_reference_are_printed() {
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_vipd")).args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let schema: Value = serde_json::from_str(&run(&["schema"])).unwrap();
    assert_eq!(schema, config::schema());
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference.md");
    assert_eq!(run(&["schema", "--markdown"]), std::fs::read_to_string(page).unwrap());
}
