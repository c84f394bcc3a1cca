//! Signals that come before a program watches for them: they wait, where they would have ended it.

use nix::sys::signal::{SigSet, Signal};
use tracing::warn;

/// What the programs watch for.
fn watched() -> SigSet {
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR2].into_iter().collect()
}

/// Lets them wait, also through `execve(2)`. Call it first: threads that are started later never see
/// any of them.
pub fn hold() {
    if let Err(error) = watched().thread_block() {
        warn!(%error, "cannot hold signals back: one that comes now ends the program");
    }
}

/// Delivers those that waited, and all that come. Call it in the thread that [held](hold) them, when
/// something watches.
pub fn release() {
    if let Err(error) = watched().thread_unblock() {
        warn!(%error, "cannot let signals in: only SIGKILL ends the program");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use nix::sys::signal::raise;
    use tokio::signal::unix::{SignalKind, signal};
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_signal_that_comes_too_early_waits() {
        hold();
        // To this thread: another test's would not hold it back.
        raise(Signal::SIGHUP).expect("signal this thread");
        let mut hang_up = signal(SignalKind::hangup()).expect("watch");
        let early = timeout(Duration::from_millis(50), hang_up.recv()).await;
        assert!(early.is_err(), "it came although it was held back");
        release();
        let late = timeout(Duration::from_secs(5), hang_up.recv()).await;
        assert_eq!(late, Ok(Some(())));
    }
}
