//! The one place that reads the clocks.

use std::time::{Duration, Instant, SystemTime};

/// The monotonic clock.
#[expect(clippy::disallowed_methods, reason = "this is the edge where time comes in")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The instant `time` from now, by the runtime's clock.
#[expect(clippy::disallowed_methods, reason = "this is the edge where time comes in")]
pub(crate) fn deadline_in(time: Duration) -> tokio::time::Instant {
    tokio::time::Instant::now() + time
}

/// The wall clock; only ever printed.
#[expect(clippy::disallowed_methods, reason = "printed in access lines, decides nothing")]
pub(crate) fn wall() -> SystemTime {
    SystemTime::now()
}
