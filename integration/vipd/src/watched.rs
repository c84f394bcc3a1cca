//! How often the programs tick that no address depends on.

use std::time::Duration;

/// Time between two ticks.
pub(crate) const TICK: Duration = Duration::from_millis(500);

/// How long the supervisor shall wait for one, in milliseconds.
pub(crate) const PATIENCE_MS: u64 = 5_000;
