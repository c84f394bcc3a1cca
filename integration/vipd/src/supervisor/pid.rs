//! A child process: one that we started, or that we had before an upgrade made us another program.
//!
//! Its number stays its own until we have waited for it, so that nobody else is ever meant.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use tokio::signal::unix::{SignalKind, signal};
use tracing::warn;

/// A child. It is killed when this is dropped before its end.
#[derive(Debug)]
pub(super) struct Process {
    pid: Pid,
    /// Some child of ours has ended.
    deaths: tokio::signal::unix::Signal,
    has_ended: bool,
}

impl Process {
    /// The child of this number.
    ///
    /// # Errors
    /// It is none of ours; signals cannot be watched.
    pub(super) fn of(pid: i32) -> io::Result<Self> {
        let pid = Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidInput)?;
        let deaths = signal(SignalKind::child())?;
        Ok(Self { pid, deaths, has_ended: false })
    }

    /// Its number.
    pub(super) fn id(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Waits for its end. Cancel-safe.
    pub(super) async fn ended(&mut self) -> ExitStatus {
        loop {
            match waitpid(Some(self.pid), WaitOptions::NOHANG) {
                Ok(None) => {}
                ended => {
                    self.has_ended = true;
                    let status = ended.ok().flatten().map_or(0, |(_, status)| status.as_raw());
                    return ExitStatus::from_raw(status);
                }
            }
            self.deaths.recv().await;
        }
    }

    /// Sends a signal.
    pub(super) fn signal(&self, signal: Signal) {
        if self.has_ended {
            return;
        }
        if let Err(error) = kill_process(self.pid, signal) {
            warn!(pid = self.id(), ?signal, %error, "cannot signal a child");
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}
