//! What to start with: the supervisor hands it down.

use anyhow::Context;
use config::{Config, Snapshot};
use process::control::Control;

/// A configuration, and who gives others.
pub(super) struct Source {
    pub(super) config: Config,
    /// The supervisor's socket.
    pub(super) control: Control,
}

impl Source {
    /// Waits for it.
    ///
    /// # Errors
    /// There is no supervisor, or it cannot be heard.
    pub(super) fn read() -> anyhow::Result<Self> {
        let control = Control::inherited()?;
        let content = control.start().context("wait for the supervisor's configuration")?;
        let config = parse(&content).map_err(anyhow::Error::msg)?;
        Ok(Self { config, control })
    }
}

/// What the supervisor handed down.
///
/// # Errors
/// It is wrong, in words. The supervisor has looked at the very same text before.
pub(super) fn parse(content: &[u8]) -> Result<Config, String> {
    let snapshot = Snapshot::from_bytes(content).map_err(|error| error.to_string())?;
    snapshot.parse().map(|loaded| loaded.config).map_err(|problems| problems.to_string())
}
