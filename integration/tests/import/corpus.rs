//! Real files and the guides' own set-ups, where they are at hand: beside the repository, in
//! `../shared`. A build machine must have them.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use integration::import::{Disk, Given, Imported, Source, import};

/// As long may one file take.
const LIMIT: Duration = Duration::from_secs(2);

/// A folder beside the repository; none, said aloud, where it is missing outside CI.
fn beside(folder: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(folder);
    if path.is_dir() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none(), "{} is missing", path.display());
    #[expect(clippy::print_stderr, reason = "a skipped test shall be seen")]
    {
        eprintln!("SKIPPED: {} is missing", path.display());
    }
    None
}

fn given(program: &str, source: &Path) -> Given {
    let text = std::fs::read(source).unwrap();
    let name = source.file_name().unwrap().to_str().unwrap();
    let source = Some(Source::new(name, &String::from_utf8_lossy(&text)));
    match program {
        "keepalived" => Given { keepalived: source, ..Given::default() },
        "haproxy" => Given { haproxy: source, ..Given::default() },
        _ => Given { nginx: source, ..Given::default() },
    }
}

/// Lines that say something, found without the importer's own readers.
fn telling_lines(program: &str, text: &str) -> Vec<usize> {
    let comment = if program == "keepalived" { &['#', '!'][..] } else { &['#'][..] };
    let telling = |line: &str| {
        let line = line.split(comment).next().unwrap_or_default();
        !line.trim_matches(|c: char| c.is_whitespace() || "{};".contains(c)).is_empty()
    };
    let lines = text.lines().enumerate().filter(|(_, line)| telling(line));
    lines.map(|(index, _)| index + 1).collect()
}

#[expect(clippy::disallowed_methods, reason = "a hang is a matter of the real clock")]
fn timed(given: &Given) -> Imported {
    let began = Instant::now();
    let imported = import(given, &Disk);
    assert!(began.elapsed() < LIMIT, "took {:?}", began.elapsed());
    imported
}

#[test]
fn no_line_of_a_real_file_is_lost() {
    let Some(corpus) = beside("corpus") else { return };
    let mut read = 0;
    for program in ["keepalived", "haproxy", "nginx"] {
        for entry in std::fs::read_dir(corpus.join(program)).unwrap() {
            let path = entry.unwrap().path();
            let Imported { toml, report } = timed(&given(program, &path));
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            for line in telling_lines(program, &text) {
                let told = report.entries().any(|entry| (entry.line..=entry.end).contains(&line));
                let refused = report
                    .mistakes
                    .iter()
                    .any(|mistake| mistake.place.as_ref().is_some_and(|place| place.line == line));
                let words = text.lines().nth(line - 1).unwrap();
                assert!(told || refused, "{}:{line}: nothing is said of: {words}", path.display());
            }
            // What comes out passes the check; what does not says where it was refused.
            assert_eq!(toml.is_none(), !report.mistakes.is_empty(), "{}", path.display());
            if let Some(toml) = toml {
                assert!(shared::config::parse("imported", &toml).is_ok(), "{}", path.display());
            }
            read += 1;
        }
    }
    assert!(read > 70, "only {read} files were found");
}

/// The fenced blocks of a guide that hold `word`.
fn blocks(guide: &Path, word: &str) -> Vec<String> {
    let text = std::fs::read_to_string(guide).unwrap();
    let fenced = text.split("```").skip(1).step_by(2);
    let bodies = fenced.filter_map(|block| block.split_once('\n').map(|(_, body)| body));
    bodies.filter(|body| body.contains(word)).map(str::to_owned).collect()
}

#[test]
fn the_guides_set_ups_import_without_loss() {
    let Some(seeds) = beside("seeds") else { return };
    let mut found = [0, 0, 0];
    for entry in std::fs::read_dir(seeds).unwrap() {
        let guide = entry.unwrap().path();
        for (program, word) in [
            ("haproxy", "default_backend"),
            ("keepalived", "vrrp_instance"),
            ("nginx", "upstream "),
        ] {
            for block in blocks(&guide, word) {
                let source = Some(Source::new(program, &block));
                let given = match program {
                    "haproxy" => Given { haproxy: source, ..Given::default() },
                    "keepalived" => Given { keepalived: source, ..Given::default() },
                    _ => Given { nginx: source, ..Given::default() },
                };
                let Imported { toml, report } = timed(&given);
                assert!(toml.is_some() && !report.loses(), "{}:\n{report}", guide.display());
                let kinds = ["haproxy", "keepalived", "nginx"];
                found[kinds.iter().position(|kind| *kind == program).unwrap()] += 1;
            }
        }
    }
    assert_eq!(found, [3, 2, 1]);
}
