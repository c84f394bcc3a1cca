//! The only place where the front door reads the clock.

use std::time::{Instant, SystemTime};

pub use vrrpd::clock::{now, sleep_until};

/// The time of day: to be shown, never to be compared.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place")]
pub fn wall() -> SystemTime {
    SystemTime::now()
}

/// The milliseconds from `now` until `then`; 0 if it is past.
#[must_use]
pub fn millis_until(then: Instant, now: Instant) -> u64 {
    u64::try_from(then.saturating_duration_since(now).as_millis()).unwrap_or(u64::MAX)
}
