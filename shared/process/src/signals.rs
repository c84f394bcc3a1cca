//! The signals that a program is told to end and to reload by. Those that come before it watches for them
//! wait, where they would have ended it.

use std::io;

use nix::sys::signal::{SigSet, Signal};
use tokio::signal::unix::{Signal as Watched, SignalKind, signal};
use tracing::warn;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// To end: SIGTERM or SIGINT.
    End(Signal),
    /// To take its configuration anew: SIGHUP.
    Reload,
}

/// SIGTERM, SIGINT and SIGHUP, watched.
#[derive(Debug)]
pub struct Requests {
    terminate: Watched,
    interrupt: Watched,
    hang_up: Watched,
}

impl Requests {
    /// Watches for them, and lets in those that [waited](hold). Call it within a runtime.
    ///
    /// # Errors
    /// The kernel refused.
    pub fn watch() -> io::Result<Self> {
        let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
        let watched = kinds.map(signal);
        release();
        let [terminate, interrupt, hang_up] = watched;
        Ok(Self { terminate: terminate?, interrupt: interrupt?, hang_up: hang_up? })
    }

    /// Waits for the next. Cancel-safe.
    pub async fn next(&mut self) -> Request {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => Request::End(Signal::SIGTERM),
            _ = self.interrupt.recv() => Request::End(Signal::SIGINT),
            _ = self.hang_up.recv() => Request::Reload,
        }
    }

    /// Waits for one that asks to end. Cancel-safe.
    pub async fn end(&mut self) -> Signal {
        loop {
            if let Request::End(signal) = self.next().await {
                return signal;
            }
        }
    }
}

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
        let mut requests = Requests::watch().expect("watch");
        let late = timeout(Duration::from_secs(5), requests.next()).await;
        assert_eq!(late, Ok(Request::Reload));
    }
}
