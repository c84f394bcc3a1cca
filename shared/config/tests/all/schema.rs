//! The schema knows what the check knows, as far as a schema can.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::{Path, PathBuf};

use config::{Code, Problems, parse, reference, schema};
use jsonschema::Validator;
use serde_json::Value;

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder);
    let entries = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|found| found == "toml")).collect()
}

fn validator() -> Validator {
    jsonschema::validator_for(&schema()).unwrap()
}

/// The file as JSON; none if it is not TOML.
fn json(path: &Path) -> Option<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    let value: toml::Value = toml::from_str(&text).ok()?;
    Some(serde_json::to_value(value).unwrap())
}

#[test]
fn every_example_fits() {
    let validator = validator();
    for path in files("configs") {
        let value = json(&path).unwrap();
        let errors: Vec<String> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", path.display());
    }
}

/// Keys, types, words and ranges are a schema's matter; what hangs together is not.
const OF_A_SCHEMA: [Code; 3] = [Code::UnknownKey, Code::WrongType, Code::Word];

#[test]
fn what_is_a_matter_of_the_schema_does_not_fit() {
    let validator = validator();
    let mut refused = 0;
    for path in files("configs/bad") {
        let Some(value) = json(&path) else { continue };
        let source = std::fs::read_to_string(&path).unwrap();
        let found = parse("x", &source).map_or_else(|problems| problems, |loaded| loaded.warnings);
        let expected = found.found().iter().any(|found| OF_A_SCHEMA.contains(&found.code))
            || has_number(&found);
        if expected {
            refused += 1;
            assert!(!validator.is_valid(&value), "{} fits", path.display());
        }
    }
    assert!(refused >= 8, "{refused}");
}

fn has_number(problems: &Problems) -> bool {
    problems.found().iter().any(|found| found.code == Code::Number)
}

#[test]
fn texts_may_come_from_the_environment() {
    let validator = validator();
    let with = |balance: &str| serde_json::json!({ "proxy": [{ "balance": balance }] });
    assert!(validator.is_valid(&with("least_conn")));
    assert!(validator.is_valid(&with("${BALANCE}")));
    assert!(!validator.is_valid(&with("leastconn")));
}

/// `UPDATE=1` writes the page.
#[test]
fn the_reference_is_what_the_code_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, reference()).unwrap();
    }
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(page == reference(), "docs/reference.md is stale: UPDATE=1 cargo test -p shared");
    let undocumented: Vec<&str> = page.lines().filter(|line| line.ends_with("|  |")).collect();
    assert!(undocumented.is_empty(), "{undocumented:#?}");
}
