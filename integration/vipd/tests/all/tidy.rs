//! Keeps the limits of docs/architecture.md: lengths, and what is deliberately absent.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a source file, tests in files of their own excepted.
const FILE_LINES: usize = 400;

/// Lines of a file of tests.
const TEST_FILE_LINES: usize = 650;

/// Characters of a line; rustfmt keeps code within 100.
const LINE_CHARACTERS: usize = 110;

const CRATES: [&str; 6] = ["shared", "vrrpd", "lbproxy", "integration", "netns-tests", "fuzz"];

struct Source {
    path: String,
    text: String,
}

impl Source {
    fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("tests.rs")
    }

    /// The text without the tests beside the code.
    fn production(&self) -> &str {
        if self.is_test() {
            return "";
        }
        self.text.split("#[cfg(test)]\nmod tests {").next().unwrap()
    }

    /// The code alone: comments may speak of what is absent.
    fn code(&self) -> impl Iterator<Item = &str> {
        self.production().lines().filter(|line| !line.trim_start().starts_with("//"))
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut paths = Vec::new();
    for name in CRATES {
        collect(&root.join(name), &mut paths);
    }
    paths.sort();
    let source = |path: PathBuf| Source {
        text: fs::read_to_string(&path).unwrap(),
        path: path.strip_prefix(&root).unwrap().display().to_string(),
    };
    let sources: Vec<Source> = paths.into_iter().map(source).collect();
    assert!(sources.len() > 50, "the sources were not found below {}", root.display());
    sources
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Fails with every complaint at once.
fn none(complaints: Vec<String>) {
    let mut text = String::new();
    complaints.iter().for_each(|complaint| writeln!(text, "  {complaint}").unwrap());
    assert!(complaints.is_empty(), "\n{text}");
}

/// Where any of `words` stands in the code of the files that `which` chooses.
fn absent(which: impl Fn(&str) -> bool, words: &[&str]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources().iter().filter(|source| which(&source.path)) {
        for line in source.code() {
            for word in words.iter().filter(|word| line.contains(**word)) {
                complaints.push(format!("{}: `{word}` in: {}", source.path, line.trim()));
            }
        }
    }
    complaints
}

#[test]
fn files_are_short() {
    let limit = |source: &Source| if source.is_test() { TEST_FILE_LINES } else { FILE_LINES };
    let long = sources().into_iter().filter(|source| source.text.lines().count() > limit(source));
    none(long.map(|s| format!("{}: {} lines", s.path, s.text.lines().count())).collect());
}

#[test]
fn lines_are_short() {
    let mut complaints = Vec::new();
    for source in sources() {
        for (number, line) in source.text.lines().enumerate() {
            // A message that is one sentence is not broken.
            let sentence = line.contains('"');
            if line.chars().count() > LINE_CHARACTERS && !sentence {
                complaints.push(format!("{}:{}", source.path, number + 1));
            }
        }
    }
    none(complaints);
}

#[test]
fn every_file_says_what_is_in_it() {
    let silent = sources().into_iter().filter(|source| !source.text.starts_with("//! "));
    none(silent.map(|source| source.path).collect());
}

#[test]
fn the_protocol_is_pure() {
    let pure = |path: &str| path.starts_with("vrrpd/protocol/src/");
    none(absent(
        pure,
        &["tokio", "socket", "netlink", "::now()", "tracing", "std::fs", "std::thread"],
    ));
}

#[test]
fn choosing_a_server_and_folding_its_health_are_pure() {
    const PURE: [&str; 3] =
        ["lbproxy/src/pick/", "lbproxy/src/health/registry/", "shared/vocabulary/src/rise_fall.rs"];
    let paths: Vec<String> = sources().into_iter().map(|source| source.path).collect();
    for room in PURE {
        assert!(paths.iter().any(|path| path.starts_with(room)), "where is {room} now?");
    }
    let pure = |path: &str| PURE.iter().any(|room| path.starts_with(room));
    none(absent(pure, &["tokio", "socket", "::now()", "tracing", "std::fs", "std::thread"]));
}

/// What each crate may depend on of ours: the arrows of docs/architecture.md.
const ARROWS: [(&str, &[&str]); 11] = [
    ("shared/vocabulary", &[]),
    ("shared/config", &["vocabulary"]),
    ("shared/process", &["vocabulary"]),
    ("vrrpd/protocol", &["vocabulary", "config"]),
    ("vrrpd", &["vocabulary", "config", "process", "vrrp"]),
    ("lbproxy", &["vocabulary", "config", "process"]),
    ("integration/import", &["vocabulary", "config"]),
    ("integration/lab", &["vocabulary"]),
    (
        "integration/vipd",
        &["vocabulary", "config", "process", "vrrp", "vrrpd", "lbproxy", "import", "lab"],
    ),
    (
        "netns-tests",
        &["vocabulary", "config", "process", "vrrp", "vrrpd", "lbproxy", "import", "lab", "vipd"],
    ),
    ("fuzz/targets", &["vocabulary", "config", "process", "vrrp", "lbproxy", "import"]),
];

/// Crates from elsewhere that a crate of values has no use for.
const OUTSIDE: [(&str, &[&str]); 4] = [
    ("shared/vocabulary", &["tokio", "rtnetlink", "nix", "rustix", "socket2", "tracing"]),
    ("shared/config", &["tokio", "rtnetlink", "nix", "rustix", "socket2"]),
    ("vrrpd/protocol", &["tokio", "rtnetlink", "nix", "rustix", "socket2", "tracing"]),
    ("integration/import", &["tokio", "rtnetlink", "nix", "rustix", "socket2", "tracing"]),
];

/// What each room of the proxy may use of the others.
const ROOMS: [(&str, &[&str]); 6] = [
    ("net", &[]),
    ("plan", &["net"]),
    ("pick", &["plan"]),
    ("health", &["net", "plan"]),
    ("data", &["net", "plan", "pick"]),
    ("control", &["net", "plan", "health", "data"]),
];

#[test]
fn the_proxys_rooms_use_each_other_one_way_only() {
    for (room, allowed) in ROOMS {
        let inside = format!("lbproxy/src/{room}/");
        let others = ROOMS.iter().map(|(other, _)| *other);
        let forbidden = others.filter(|other| *other != room && !allowed.contains(other));
        let forbidden: Vec<String> = forbidden.map(|other| format!("crate::{other}::")).collect();
        let words: Vec<&str> = forbidden.iter().map(String::as_str).collect();
        none(absent(|path| path.starts_with(&inside), &words));
    }
}

/// The names below `[dependencies]` of a crate's manifest.
fn dependencies(krate: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let manifest = fs::read_to_string(root.join(krate).join("Cargo.toml")).unwrap();
    let (_, section) = manifest.split_once("\n[dependencies]\n").unwrap_or_default();
    let section = section.split("\n[").next().unwrap_or_default();
    let name = |line: &str| line.split(['.', ' ', '=']).next().unwrap_or_default().to_owned();
    section.lines().map(name).filter(|name| !name.is_empty() && !name.starts_with('#')).collect()
}

#[test]
fn arrows_point_down_only() {
    let ours: Vec<&str> = ARROWS[9].1.to_vec();
    let mut complaints = Vec::new();
    for (krate, allowed) in ARROWS {
        for name in dependencies(krate) {
            if ours.contains(&name.as_str()) && !allowed.contains(&name.as_str()) {
                complaints.push(format!("{krate} depends on {name}"));
            }
        }
    }
    for (krate, banned) in OUTSIDE {
        let found = dependencies(krate).into_iter().filter(|name| banned.contains(&name.as_str()));
        complaints.extend(found.map(|name| format!("{krate} depends on {name}")));
    }
    assert!(
        dependencies("vrrpd").contains(&"vrrp".to_owned()),
        "the manifests were not understood"
    );
    none(complaints);
}

#[test]
fn one_place_changes_the_kernels_addresses() {
    let others = |path: &str| {
        path != "vrrpd/src/io/addresses.rs" && !path.starts_with("integration/lab/src/")
    };
    none(absent(others, &[".address().add(", ".address().del("]));
}

#[test]
fn one_place_changes_the_kernels_links() {
    let others = |path: &str| {
        !path.starts_with("vrrpd/src/io/macvlan") && !path.starts_with("integration/lab/src/")
    };
    none(absent(others, &[".link().add(", ".link().set(", ".link().del("]));
}

#[test]
fn one_place_changes_the_kernels_routes() {
    let others = |path: &str| {
        !path.starts_with("vrrpd/src/io/routes") && !path.starts_with("integration/lab/src/")
    };
    none(absent(others, &[".route().add(", ".route().del(", ".rule().add(", ".rule().del("]));
}

#[test]
fn one_place_of_a_program_reads_the_clock() {
    let others = |path: &str| !path.ends_with("/clock.rs");
    none(absent(others, &["Instant::now", "SystemTime::now", "clock_gettime"]));
}

#[test]
fn nothing_grows_without_limit_and_no_lock_is_shared() {
    let daemons = |path: &str| path.starts_with("vrrpd/") || path.starts_with("lbproxy/");
    none(absent(daemons, &["unbounded", "Mutex", "RwLock"]));
}

#[test]
fn nothing_is_left_undone() {
    let words = ["todo!(", "unimplemented!(", "#[ignore", "unsafe ", "FIXME"];
    none(absent(|_| true, &words));
}

/// Whether an attribute that switches this lint off stands in the text, over several lines or not.
fn switches_off(text: &str, lint: &str) -> bool {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let joined: String = code.flat_map(str::chars).filter(|c| !c.is_whitespace()).collect();
    let attributes = ["[allow(", "[expect("].map(|start| joined.split(start).skip(1));
    let lints = attributes.into_iter().flatten().filter_map(|rest| rest.split_once(")]"));
    lints.into_iter().any(|(lints, _)| lints.split(',').any(|other| other == lint))
}

#[test]
fn nothing_dead_is_allowed() {
    let dead = ["dead", "code"].join("_");
    assert!(switches_off(&format!("#![allow(\n    unused,\n    {dead},\n)]"), &dead));
    assert!(switches_off(&format!("#[expect({dead}, reason = \"x\")]"), &dead));
    assert!(!switches_off(&format!("// #[allow({dead})]\n#[allow(unused)]"), &dead));
    let hiding = sources().into_iter().filter(|source| switches_off(&source.text, &dead));
    none(hiding.map(|source| source.path).collect());
}

#[test]
fn no_test_hides_in_a_production_function() {
    let mut complaints = Vec::new();
    for source in sources() {
        let mut lines = source.production().lines().peekable();
        while let Some(line) = lines.next() {
            let next = lines.peek().copied().unwrap_or_default();
            if line.contains("cfg(test)")
                && !next.contains("mod tests {")
                && !next.starts_with("mod tests;")
            {
                complaints.push(format!("{}: {}", source.path, next.trim()));
            }
        }
    }
    none(complaints);
}
