//! Whatever a file says, it is a configuration or a list of problems that can be shown.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|source: &str| {
    match shared::config::parse("fuzz.toml", source) {
        Ok(loaded) => assert!(!loaded.warnings.any_error()),
        Err(problems) => {
            assert!(problems.any_error());
            let shown = problems.to_string();
            assert!(shown.starts_with("error[E") || shown.starts_with("warning[W"));
            assert_eq!(problems.lines().count(), problems.found().len());
        }
    }
});
