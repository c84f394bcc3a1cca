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

/// Time since the start of the machine, which all its programs count alike.
pub(crate) fn since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let part = |number: i64| u64::try_from(number).unwrap_or_default();
    Duration::from_secs(part(time.tv_sec)) + Duration::from_nanos(part(time.tv_nsec))
}

/// The wall clock; only ever printed.
#[expect(clippy::disallowed_methods, reason = "printed in access lines, decides nothing")]
pub(crate) fn wall() -> SystemTime {
    SystemTime::now()
}
