//! The schema knows what the check knows, as far as a schema can.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use config::{Code, Problems, parse, reference, schema};
use serde_json::{Value, json};

/// Reads a schema and values; prints for each value what is wrong with it.
const VALIDATE: &str = "\
import json, sys
from jsonschema import Draft202012Validator as Validator
schema, values = json.load(sys.stdin)
Validator.check_schema(schema)
validator = Validator(schema)
json.dump([[error.message for error in validator.iter_errors(value)] for value in values], sys.stdout)
";

/// What Debian's `python3-jsonschema` has against each value. No validator of this language is taken: they
/// change the features of crates that the programs are built with.
fn complaints(values: &[Value]) -> Vec<Vec<String>> {
    let mut python = Command::new("/usr/bin/python3");
    python.args(["-c", VALIDATE]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = python.spawn().expect("python3");
    let question = json!([schema(), values]).to_string();
    child.stdin.take().unwrap().write_all(question.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "is python3-jsonschema installed, as ./test does?");
    let answers: Vec<Vec<String>> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answers.len(), values.len());
    answers
}

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder);
    let entries = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|found| found == "toml")).collect()
}

/// The file as JSON; none if it is not TOML.
fn parsed(path: &Path) -> Option<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    let value: toml::Value = toml::from_str(&text).ok()?;
    Some(serde_json::to_value(value).unwrap())
}

#[test]
fn every_example_fits() {
    let files = files("configs");
    assert!(files.len() >= 8, "{files:?}");
    let values: Vec<Value> = files.iter().map(|path| parsed(path).unwrap()).collect();
    for (path, complaints) in files.iter().zip(complaints(&values)) {
        assert!(complaints.is_empty(), "{}: {complaints:#?}", path.display());
    }
}

/// Keys, types, words and ranges are a schema's matter; what hangs together is not.
const OF_A_SCHEMA: [Code; 3] = [Code::UnknownKey, Code::WrongType, Code::Word];

#[test]
fn what_is_a_matter_of_the_schema_does_not_fit() {
    let is_meant = |path: &PathBuf| {
        let source = std::fs::read_to_string(path).unwrap();
        let found = parse("x", &source).map_or_else(|problems| problems, |loaded| loaded.warnings);
        found.found().iter().any(|found| OF_A_SCHEMA.contains(&found.code)) || has_number(&found)
    };
    let files = files("configs/bad").into_iter().filter(is_meant);
    let (files, values): (Vec<PathBuf>, Vec<Value>) =
        files.filter_map(|path| parsed(&path).map(|value| (path, value))).unzip();
    assert!(files.len() >= 8, "{files:?}");
    for (path, complaints) in files.iter().zip(complaints(&values)) {
        assert!(!complaints.is_empty(), "{} fits", path.display());
    }
}

fn has_number(problems: &Problems) -> bool {
    problems.found().iter().any(|found| found.code == Code::Number)
}

#[test]
fn texts_may_come_from_the_environment() {
    let with = |balance: &str| json!({ "proxy": [{ "balance": balance }] });
    let found = complaints(&["least_conn", "${BALANCE}", "leastconn"].map(with));
    assert_eq!(
        found.iter().map(Vec::is_empty).collect::<Vec<_>>(),
        [true, true, false],
        "{found:?}"
    );
}

/// `UPDATE=1` writes the page.
#[test]
fn the_reference_is_what_the_code_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, reference()).unwrap();
    }
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(page == reference(), "docs/reference.md is stale: UPDATE=1 cargo test -p config");
    let undocumented: Vec<&str> = page.lines().filter(|line| line.ends_with("|  |")).collect();
    assert!(undocumented.is_empty(), "{undocumented:#?}");
}
