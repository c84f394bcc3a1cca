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

/// Sleeps until `at`; for ever where there is nothing to wait for. Cancel-safe.
pub(crate) async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// The wall clock; only ever printed.
#[expect(clippy::disallowed_methods, reason = "printed in access lines, decides nothing")]
pub(crate) fn wall() -> SystemTime {
    SystemTime::now()
}
