//! Waiting for something to come true, for a limited time.

use std::thread;
use std::time::Duration;

use crate::clock::Moment;

/// How often a condition is looked at.
const PERIOD: Duration = Duration::from_millis(2);

/// It did not come true in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("waited {limit:?} in vain until {what}")]
pub struct TimedOut {
    /// What was waited for, as the end of a sentence that begins with "until".
    pub what: String,
    /// How long.
    pub limit: Duration,
}

/// Waits until `condition` holds, looking every 2 ms, and says how long that took.
///
/// # Errors
/// It did not hold within `limit`.
pub fn wait_until(
    what: &str,
    limit: Duration,
    mut condition: impl FnMut() -> bool,
) -> Result<Duration, TimedOut> {
    let start = Moment::now();
    loop {
        // Read before the look: a slow condition that holds at last was still in time.
        let waited = start.elapsed();
        if condition() {
            return Ok(start.elapsed());
        }
        if waited >= limit {
            return Err(TimedOut { what: what.to_owned(), limit });
        }
        thread::sleep(PERIOD);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_until_it_holds_or_time_is_up() {
        let mut looks = 0;
        let third = || {
            looks += 1;
            looks == 3
        };
        assert!(wait_until("the third look", Duration::from_secs(60), third).is_ok());
        let never = wait_until("pigs fly", Duration::from_millis(5), || false).unwrap_err();
        assert_eq!(never.to_string(), "waited 5ms in vain until pigs fly");
    }
}
