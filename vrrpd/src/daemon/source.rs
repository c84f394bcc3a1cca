//! What to start with: the supervisor hands it down, or a file holds it.

use anyhow::Context;
use config::{Config, Loaded, Problems, Snapshot, load};
use process::control::Control;

use crate::cli::Args;

/// A configuration, and who gives others.
pub(super) struct Source {
    pub(super) config: Config,
    /// What is doubtful in it, unless a supervisor has said so.
    pub(super) warnings: Option<Problems>,
    /// The supervisor's socket, if there is one.
    pub(super) control: Option<Control>,
}

/// Why there is none.
pub(super) enum NoSource {
    /// The configuration is wrong, in words.
    Wrong(String),
    /// The supervisor cannot be heard.
    Failed(anyhow::Error),
}

impl Source {
    /// Reads it.
    pub(super) fn read(args: &Args) -> Result<Self, NoSource> {
        if args.common.supervised {
            return handed_down().map_err(NoSource::Failed);
        }
        match load(&args.common.config) {
            Ok(Loaded { config, warnings, .. }) => {
                Ok(Self { config, warnings: Some(warnings), control: None })
            }
            Err(problems) => Err(NoSource::Wrong(problems.to_string())),
        }
    }
}

fn handed_down() -> anyhow::Result<Source> {
    let control = Control::inherited().context("take the supervisor's socket")?;
    let content = control.start().context("wait for the supervisor's configuration")?;
    let config = parse(&content).map_err(anyhow::Error::msg)?;
    Ok(Source { config, warnings: None, control: Some(control) })
}

/// What the supervisor handed down.
///
/// # Errors
/// It is wrong, in words. The supervisor has looked at the very same text before.
pub(super) fn parse(content: &[u8]) -> Result<Config, String> {
    let snapshot = Snapshot::from_bytes(content).map_err(|error| error.to_string())?;
    snapshot.parse().map(|loaded| loaded.config).map_err(|problems| problems.to_string())
}
