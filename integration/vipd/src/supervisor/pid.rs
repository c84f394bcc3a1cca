//! A child process: one that we started, or that we had before an upgrade made us another program.
//!
//! Its number stays its own until we have waited for it, so that nobody else is ever meant.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use tracing::warn;

/// A child. It is killed when this is dropped before its end.
#[derive(Debug)]
pub(super) struct Process {
    pid: Pid,
    has_ended: bool,
}

impl Process {
    /// The child of this number.
    ///
    /// # Errors
    /// It is no process's number.
    pub(super) fn of(pid: i32) -> io::Result<Self> {
        let pid = Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(Self { pid, has_ended: false })
    }

    /// Its number.
    pub(super) fn id(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        let status = match waitpid(Some(self.pid), WaitOptions::NOHANG) {
            Ok(None) => return None,
            ended => ended.ok().flatten().map_or(0, |(_, status)| status.as_raw()),
        };
        self.has_ended = true;
        Some(ExitStatus::from_raw(status))
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
