//! Every example configuration is right, and every bad one is told everything that is wrong with it.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::{Path, PathBuf};

use config::{Code, Included, Problems, Surroundings, load, parse_in};

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder);
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

/// What is found in a bad example, which may include `bad/conf.d/` and knows one variable, on a host that is
/// 192.168.1.11.
fn problems(path: &Path) -> Problems {
    let source = std::fs::read_to_string(path).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    let included = |path: PathBuf| {
        let name = format!("conf.d/{}", path.file_name().unwrap().to_str().unwrap());
        Included { name, text: std::fs::read_to_string(path).unwrap() }
    };
    let surroundings = Surroundings {
        variable: &|name| (name == "NODE").then(|| "lb1".to_owned()),
        files: &|pattern| match pattern {
            "conf.d/*.toml" => {
                Ok(files("configs/bad/conf.d", "toml").into_iter().map(included).collect())
            }
            _ => Err(format!("there is no file {pattern}")),
        },
        own: &[[192, 168, 1, 11].into()],
    };
    match parse_in(&surroundings, name, &source) {
        Ok(loaded) => loaded.warnings,
        Err(problems) => problems,
    }
}

/// Beside each `bad/NAME.toml` stands `bad/NAME.txt`: exactly what must be printed for it. `UPDATE=1`
/// writes them, for somebody to read.
#[test]
fn every_bad_one_is_told_all_at_once() {
    let bad = files("configs/bad", "toml");
    for path in &bad {
        let printed = problems(path).to_string();
        assert!(!printed.is_empty(), "{} passes", path.display());
        let beside = path.with_extension("txt");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&beside, &printed).unwrap();
        }
        let expected = std::fs::read_to_string(&beside).unwrap();
        assert_eq!(printed, expected, "{} prints\n{printed}", path.display());
    }
    assert_eq!(bad.len(), files("configs/bad", "txt").len());
}

/// What no text gives by itself: it depends on the host, and is tested beside its code.
const OF_THE_HOST: [Code; 5] = [
    Code::Unreadable,
    Code::ProgramUnusable,
    Code::WritableByOthers,
    Code::HookUnusable,
    Code::WouldBeRefused,
];

#[test]
fn every_code_has_a_bad_example() {
    let bad = files("configs/bad", "toml");
    let found: Vec<Problems> = bad.iter().map(|path| problems(path)).collect();
    let mistakes = found.iter().flat_map(Problems::found);
    let mut raised: Vec<Code> = mistakes.map(|problem| problem.code).collect();
    assert!(raised.len() >= 60, "{} mistakes", raised.len());
    raised.extend(OF_THE_HOST);
    // Two files give those: `integration/tests/check.rs`.
    raised.extend(Code::ALL.iter().filter(|code| code.is_of_pair()));
    let missing: Vec<&Code> = Code::ALL.iter().filter(|code| !raised.contains(code)).collect();
    assert!(missing.is_empty(), "no bad example is {missing:?}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let problems = load(Path::new("/nowhere/vipd.toml")).unwrap_err().to_string();
    assert!(problems.contains("/nowhere/vipd.toml"), "{problems}");
    assert!(problems.contains("No such file"), "{problems}");
}

#[test]
fn what_is_included_counts_as_the_files_own() {
    let split = files("configs", "toml").into_iter().find(|path| path.ends_with("split.toml"));
    let config = load(&split.unwrap()).unwrap().config;
    assert_eq!((config.routers.len(), config.proxies.len()), (1, 1));
    assert_eq!(config.routers[0].track[0].name.as_str(), "apiserver");
}

#[test]
fn a_text_that_stands_alone_has_no_surroundings() {
    let source = "include = [\"/etc/passwd\"]\n[lbproxy]\nuser = \"${PATH}\"\n";
    let found = config::parse("x", source).unwrap_err().to_string();
    assert!(found.contains("error[E0009]: nothing can be included here"), "{found}");
    assert!(found.contains("error[E0010]: the environment has no variable PATH"), "{found}");
}
