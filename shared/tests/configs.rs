//! Every example configuration is right, and every bad one is told everything that is wrong with it.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::{Path, PathBuf};

use shared::config::load;

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let entries = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    files.sort();
    files
}

#[test]
fn every_example_is_right() {
    let examples = files("configs", "toml");
    assert!(examples.len() >= 8, "{examples:?}");
    for example in examples {
        match load(&example) {
            Ok(loaded) => assert!(loaded.warnings.found().is_empty(), "{}", loaded.warnings),
            Err(problems) => panic!("{problems}"),
        }
    }
}

/// Beside each `bad/NAME.toml` stands `bad/NAME.txt`: exactly what must be printed for it.
#[test]
fn every_bad_one_is_told_all_at_once() {
    let bad = files("configs/bad", "toml");
    assert_eq!(bad.len(), files("configs/bad", "txt").len());
    for path in bad {
        let source = std::fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        let printed = match shared::config::parse(name, &source) {
            Ok(loaded) => panic!("{name} passes: {:?}", loaded.config),
            Err(problems) => problems.to_string(),
        };
        let expected = std::fs::read_to_string(path.with_extension("txt")).unwrap();
        assert_eq!(printed, expected, "{name} prints\n{printed}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let problems = load(Path::new("/nowhere/vipd.toml")).unwrap_err().to_string();
    assert!(problems.contains("/nowhere/vipd.toml"), "{problems}");
    assert!(problems.contains("No such file"), "{problems}");
}
