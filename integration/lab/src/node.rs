//! Programs that run on a host of the lab.
//!
//! Each is the leader of a process group of its own, so that a whole node's programs can be killed
//! or frozen at once, and none of them is left when the value is dropped. What a program writes to
//! standard output and standard error goes to one file in the lab's work directory.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek};
use std::mem;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{self, Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use crate::enter::unmark;
use crate::host::Host;
use crate::namespace::NamespaceError;
use crate::wait::{TimedOut, wait_until};

/// A program on a host. Dropping it kills it with its whole process group.
#[derive(Debug)]
pub struct Running {
    program: String,
    child: Child,
    ended: Option<ExitStatus>,
    log: PathBuf,
    /// Where this run's lines begin: an earlier run of the same name may have written before.
    log_start: u64,
    /// Keeps the thread alive that started the program.
    _host: Host,
}

/// How a program came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code or the signal that ended it.
    pub status: ExitStatus,
    /// Whether it had to be killed because it did not stop in time.
    pub forced: bool,
}

/// Why a program did not do what it was to do.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// It did not start.
    #[error(transparent)]
    Start(#[from] NamespaceError),
    /// Its output has no place to go.
    #[error("open the log {path} of {program}")]
    Log {
        /// The program's name in the lab.
        program: String,
        /// The file.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// It could not be signalled.
    #[error("send {signal} to {program} (process {pid})")]
    Signal {
        /// The program's name in the lab.
        program: String,
        /// Its process.
        pid: u32,
        /// What was to be sent.
        signal: Signal,
        /// The kernel's answer.
        source: Errno,
    },
    /// It could not be waited for.
    #[error("wait for {program}")]
    Wait {
        /// The program's name in the lab.
        program: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// What was waited for did not come.
    #[error("{timeout}; the log of {program} ends:\n{tail}")]
    Timeout {
        /// The program's name in the lab.
        program: String,
        /// What, and for how long.
        timeout: TimedOut,
        /// The last lines it wrote.
        tail: String,
    },
}

/// Lines of a log that an error quotes.
const TAIL_LINES: usize = 20;

impl Running {
    /// Takes the command out of its hands, for it is started by another thread.
    pub(crate) fn start(
        host: &Host,
        name: &str,
        command: &mut Command,
        directory: &Path,
    ) -> Result<Self, NodeError> {
        let program = format!("{}/{name}", host.name());
        let path = directory.join(format!("{}-{name}.log", host.name()));
        let log_error =
            |source| NodeError::Log { program: program.clone(), path: path.clone(), source };
        let log = OpenOptions::new().create(true).append(true).open(&path).map_err(log_error)?;
        let log_start = log.metadata().map_err(log_error)?.len();
        let stderr = log.try_clone().map_err(log_error)?;
        let mut command = mem::replace(command, Command::new(""));
        unmark(&mut command);
        command.stdin(Stdio::null()).stdout(log).stderr(stderr).process_group(0);
        let child = host.namespace().spawn(command)?;
        let log = path;
        Ok(Self { program, child, ended: None, log, log_start, _host: host.clone() })
    }

    /// Its process, as seen in the lab's process-id namespace.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to the program alone.
    ///
    /// # Errors
    /// It has ended.
    pub fn signal(&self, signal: Signal) -> Result<(), NodeError> {
        let sent = if self.ended.is_some() {
            Err(Errno::ESRCH)
        } else {
            signal::kill(self.process(), signal)
        };
        sent.map_err(|source| self.signal_error(signal, source))
    }

    /// Sends a signal to the program and all its descendants that stayed in its process group.
    ///
    /// # Errors
    /// All of them have ended.
    pub fn signal_all(&self, signal: Signal) -> Result<(), NodeError> {
        let sent =
            if self.ended.is_some() { Err(Errno::ESRCH) } else { killpg(self.process(), signal) };
        sent.map_err(|source| self.signal_error(signal, source))
    }

    /// Stops the clock for the program and its descendants (`SIGSTOP`).
    ///
    /// # Errors
    /// It has ended.
    pub fn freeze(&self) -> Result<(), NodeError> {
        self.signal_all(Signal::SIGSTOP)
    }

    /// Lets a frozen program go on (`SIGCONT`).
    ///
    /// # Errors
    /// It has ended.
    pub fn thaw(&self) -> Result<(), NodeError> {
        self.signal_all(Signal::SIGCONT)
    }

    /// How it ended, if it has. Its descendants are left alone.
    #[must_use]
    pub fn exit_status(&self) -> Option<ExitStatus> {
        if self.ended.is_some() {
            return self.ended;
        }
        // Looked at without being collected: until then the kernel gives its number to nobody else.
        let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        match waitid(Id::Pid(self.process()), look) {
            Ok(WaitStatus::Exited(_, code)) => Some(ExitStatus::from_raw(code << 8)),
            Ok(WaitStatus::Signaled(_, signal, _)) => Some(ExitStatus::from_raw(signal as i32)),
            _ => None,
        }
    }

    /// Waits until it ends by itself. Its descendants are left alone.
    ///
    /// # Errors
    /// It still runs after `limit`.
    pub fn wait(&self, limit: Duration) -> Result<ExitStatus, NodeError> {
        let mut status = None;
        let ended = || {
            status = self.exit_status();
            status.is_some()
        };
        let waited = wait_until(&format!("{} ended", self.program), limit, ended);
        match (waited, status) {
            (Ok(_), Some(status)) => Ok(status),
            (Err(timeout), _) => Err(self.timeout(timeout)),
            (Ok(_), None) => Err(self.wait_error(io::Error::other("it ended without a status"))),
        }
    }

    /// Asks it to end (`SIGTERM`), waits for at most `limit`, then kills what is left of its group.
    ///
    /// # Errors
    /// It could not be waited for.
    pub fn stop(&mut self, limit: Duration) -> Result<Ended, NodeError> {
        if self.ended.is_none() {
            // A program that has just ended by itself is stopped as well.
            drop(self.signal(Signal::SIGTERM));
        }
        let forced = self.wait(limit).is_err();
        let status = self.kill()?;
        Ok(Ended { status, forced })
    }

    /// Kills it and all its descendants that stayed in its process group (`SIGKILL`), at once.
    ///
    /// # Errors
    /// It could not be waited for.
    pub fn kill(&mut self) -> Result<ExitStatus, NodeError> {
        if let Some(status) = self.ended {
            return Ok(status);
        }
        // The group keeps its number until its leader is collected, so this meets nobody else.
        drop(self.signal_all(Signal::SIGKILL));
        let status = self.child.wait().map_err(|source| self.wait_error(source))?;
        self.ended = Some(status);
        Ok(status)
    }

    /// The file that has what it wrote.
    #[must_use]
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// What it has written to standard output and standard error so far.
    #[must_use]
    pub fn log(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        let start = usize::try_from(self.log_start).unwrap_or(usize::MAX).min(bytes.len());
        String::from_utf8_lossy(&bytes[start..]).into_owned()
    }

    /// The last so many lines of [`log`](Self::log).
    #[must_use]
    pub fn log_tail(&self, lines: usize) -> String {
        let log = self.log();
        let skip = log.lines().count().saturating_sub(lines);
        log.lines().skip(skip).collect::<Vec<_>>().join("\n")
    }

    /// Waits until it has written `text`.
    ///
    /// # Errors
    /// It has not within `limit`.
    pub fn wait_for_log(&self, text: &str, limit: Duration) -> Result<Duration, NodeError> {
        let what = format!("{} wrote `{text}`", self.program);
        wait_until(&what, limit, || self.log().contains(text))
            .map_err(|timeout| self.timeout(timeout))
    }

    fn process(&self) -> Pid {
        process(self.pid())
    }

    fn signal_error(&self, signal: Signal, source: Errno) -> NodeError {
        NodeError::Signal { program: self.program.clone(), pid: self.pid(), signal, source }
    }

    fn wait_error(&self, source: io::Error) -> NodeError {
        NodeError::Wait { program: self.program.clone(), source }
    }

    fn timeout(&self, timeout: TimedOut) -> NodeError {
        let tail = self.log_tail(TAIL_LINES);
        NodeError::Timeout { program: self.program.clone(), timeout, tail }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Nobody is left to tell.
        drop(self.kill());
    }
}

/// Sends a signal to any process of the lab, such as a daemon's child that its status names.
///
/// # Errors
/// There is no such process.
pub fn signal(pid: u32, signal: Signal) -> Result<(), NodeError> {
    signal::kill(process(pid), signal).map_err(|source| NodeError::Signal {
        program: "a process".to_owned(),
        pid,
        signal,
        source,
    })
}

/// Runs a program on `host` to its end and returns what it wrote.
pub(crate) fn output(
    host: &Host,
    command: &mut Command,
    limit: Duration,
) -> Result<Output, NodeError> {
    let mut command = mem::replace(command, Command::new(""));
    let program = format!("{}/{}", host.name(), command.get_program().to_string_lossy());
    let wait_error = |source| NodeError::Wait { program: program.clone(), source };
    // Files rather than pipes: nobody has to read while the program runs.
    let mut stdout = tempfile::tempfile().map_err(wait_error)?;
    let mut stderr = tempfile::tempfile().map_err(wait_error)?;
    unmark(&mut command);
    command.stdin(Stdio::null()).process_group(0);
    command.stdout(stdout.try_clone().map_err(wait_error)?);
    command.stderr(stderr.try_clone().map_err(wait_error)?);
    let child = host.namespace().spawn(command)?;
    let mut running = Running {
        program: program.clone(),
        child,
        ended: None,
        log: PathBuf::new(),
        log_start: 0,
        _host: host.clone(),
    };
    let in_time = running.wait(limit);
    let status = running.kill()?;
    let [stdout, stderr] =
        [content(&mut stdout).map_err(wait_error)?, content(&mut stderr).map_err(wait_error)?];
    match in_time {
        Ok(_) => Ok(Output { status, stdout, stderr }),
        Err(NodeError::Timeout { timeout, .. }) => {
            let tail = String::from_utf8_lossy(&stderr).into_owned();
            Err(NodeError::Timeout { program, timeout, tail })
        }
        Err(error) => Err(error),
    }
}

fn content(file: &mut File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Zero and one would mean "my own group" and "everybody"; no child has such a number.
fn process(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).unwrap_or(i32::MAX))
}
