//! Whatever a file and what it includes say, they are a configuration or a list of problems that can be
//! shown. As `fuzz/fuzz_targets/config.rs`, but from what real files are made of.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;

use config::{Included, Surroundings, parse_in};
use proptest::prelude::*;
use proptest::sample::select;

/// The lines of every example, good and bad.
fn lines() -> Vec<String> {
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
    let mut lines = vec![
        "include = [\"x\"]".to_owned(),
        "auth_pass = \"${A}${\"".to_owned(),
        "name = '${B}é'".to_owned(),
        "vrid = 0x33 # \u{7f}".to_owned(),
        "[[vrrp.address]]".to_owned(),
        "proxy = 5".to_owned(),
        "\"a.b\".c = { d.e = [[1], [{}]] }".to_owned(),
    ];
    for folder in ["", "bad", "bad/conf.d", "bad/pair"] {
        for entry in std::fs::read_dir(configs.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            // Ninety addresses are nothing new.
            let crowd = path.ends_with("crowd.toml");
            if path.extension().is_some_and(|found| found == "toml") && !crowd {
                let text = std::fs::read_to_string(path).unwrap();
                lines.extend(text.lines().filter(|line| !line.is_empty()).map(str::to_owned));
            }
        }
    }
    lines
}

/// Lines of examples in any order, and a cut at any place.
fn nearly() -> impl Strategy<Value = String> {
    let some = proptest::collection::vec(select(lines()), 0..24);
    (some, any::<prop::sample::Index>(), any::<bool>()).prop_map(|(lines, cut, is_cut)| {
        let mut text = lines.join("\n");
        if is_cut && !text.is_empty() {
            let at = cut.index(text.len());
            let at = (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            text.truncate(at);
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(5000) })]

    #[test]
    fn no_file_makes_it_panic(source in nearly(), other in nearly()) {
        let included = Included { name: "other.toml".to_owned(), text: other };
        let surroundings = Surroundings {
            variable: &|name| (name.len() == 1).then(|| "\"51\n".to_owned()),
            files: &|pattern| match pattern {
                "" => Err("nothing".to_owned()),
                _ => Ok(vec![included.clone()]),
            },
            own: &[[192, 0, 2, 1].into()],
        };
        match parse_in(&surroundings, "x.toml", &source) {
            Ok(loaded) => prop_assert!(!loaded.warnings.any_error()),
            Err(problems) => {
                prop_assert!(problems.any_error());
                let shown = problems.to_string();
                prop_assert!(shown.starts_with("error[E") || shown.starts_with("warning[W"));
            }
        }
    }
}
