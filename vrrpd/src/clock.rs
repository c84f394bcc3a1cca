//! The only place where the daemon reads the clock: monotonic, never the time of day.

use std::time::Instant;

/// Now.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the drivers' clock")]
pub fn now() -> Instant {
    Instant::now()
}

/// Sleeps until `at`; for ever where there is nothing to wait for.
pub async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// Blocks this thread until `at`.
pub fn pause_until(at: Instant) {
    std::thread::sleep(at.saturating_duration_since(now()));
}
