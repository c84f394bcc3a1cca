//! Whatever a file and what it includes say, they are a configuration or problems that can be shown.

use config::{Included, Surroundings, parse_in};

/// Holds the decoder to that with these bytes.
///
/// # Panics
/// The promise is broken.
pub fn run(bytes: &[u8]) {
    let Some(input) = crate::read::<(&str, &str)>(bytes) else { return };
    let (source, other) = input;
    let included = Included { name: "other.toml".to_owned(), text: other.to_owned() };
    let surroundings = Surroundings {
        variable: &|name| (name.len() == 1).then(|| "\"51\n".to_owned()),
        files: &|pattern| match pattern {
            "" => Err("nothing".to_owned()),
            _ => Ok(vec![included.clone()]),
        },
        own: &[[192, 0, 2, 1].into()],
    };
    match parse_in(&surroundings, "fuzz.toml", source) {
        Ok(loaded) => assert!(!loaded.warnings.any_error()),
        Err(problems) => {
            assert!(problems.any_error());
            let shown = problems.to_string();
            assert!(shown.starts_with("error[E") || shown.starts_with("warning[W"));
            assert_eq!(problems.lines().count(), problems.found().len());
        }
    }
}
