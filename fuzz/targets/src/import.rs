//! Whatever stands in a file that is imported, it gives a report, and a configuration that is right or none.

use std::sync::Arc;

use import::{Files, Given, Source, import};

/// Nothing can be included.
struct Nothing;

impl Files for Nothing {
    fn matching(&self, _: &Source, _: &str) -> Result<Vec<Arc<Source>>, String> {
        Ok(Vec::new())
    }
}

/// Holds the decoder to that with these bytes.
///
/// # Panics
/// The promise is broken.
pub fn run(bytes: &[u8]) {
    let Some(input) = crate::read::<(u8, &str)>(bytes) else { return };
    let source = Some(Source::new("x", input.1));
    let given = match input.0 % 3 {
        0 => {
            let config_id = (input.0 > 127).then(|| "a".to_owned());
            Given { keepalived: source, config_id, ..Given::default() }
        }
        1 => Given { haproxy: source, ..Given::default() },
        _ => Given { nginx: source, ..Given::default() },
    };
    let imported = import(&given, &Nothing);
    assert!(!imported.report.to_string().is_empty());
    if let Some(toml) = imported.toml {
        assert!(config::parse("x", &toml).is_ok());
    }
}
