//! Every clause in docs/rfc9568.md names tests that exist.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn functions(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            functions(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let mut lines = text.lines().map(str::trim);
            while let Some(line) = lines.next() {
                if line != "#[test]" {
                    continue;
                }
                // Other attributes may stand between.
                let name = lines.by_ref().find_map(|line| line.strip_prefix("fn "));
                found.extend(name.and_then(|name| name.split('(').next()).map(str::to_owned));
            }
        }
    }
}

#[test]
fn every_clause_has_a_test_or_a_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let document = fs::read_to_string(root.join("docs/rfc9568.md")).unwrap();
    let mut tests = BTreeSet::new();
    for folder in ["shared", "vrrpd", "netns-tests"] {
        functions(&root.join(folder), &mut tests);
    }
    let rows = document.lines().filter(|line| line.starts_with("| ") && line.ends_with(" |"));
    let mut rows_seen = 0;
    for row in rows.filter(|row| !row.starts_with("| clause")) {
        rows_seen += 1;
        let cells: Vec<&str> = row.trim_matches(['|', ' ']).split(" | ").collect();
        // Clause, level, what; then what shows it done, and what shows the opposite refused.
        let proofs = if cells.len() == 5 { &cells[3..] } else { &cells[cells.len() - 1..] };
        for proof in proofs {
            let named: Vec<&str> = proof.split('`').skip(1).step_by(2).collect();
            if proof.trim().starts_with('–') {
                continue;
            }
            assert!(!named.is_empty(), "no test is named in: {row}");
            for test in named {
                assert!(tests.contains(test), "there is no test `{test}`, named in: {row}");
            }
        }
    }
    assert!(rows_seen >= 80, "{rows_seen} rows");
}
