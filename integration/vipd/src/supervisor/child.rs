//! A program under supervision.

use std::fmt;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use super::pid::Process;
use super::watchdog::Watchdog;
use crate::clock::{now, sleep_until};

/// Which program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Program {
    /// Speaks VRRP and keeps the addresses.
    Vrrpd,
    /// Balances TCP.
    Lbproxy,
    /// Runs hooks and scripts, writes the FIFO.
    Runner,
    /// Answers operators and monitoring.
    Console,
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vrrpd => "vrrpd",
            Self::Lbproxy => "lbproxy",
            Self::Runner => "runner",
            Self::Console => "console",
        })
    }
}

/// What a program may take from its start to its first tick.
const START_TIME: Duration = Duration::from_secs(2);

/// A running child.
#[derive(Debug)]
pub(super) struct Child {
    process: Process,
    started: Instant,
    watchdog: Watchdog,
    hangs: bool,
}

/// What a child is started with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start<'a> {
    pub(super) program: Program,
    pub(super) config: &'a Path,
    pub(super) runtime_dir: &'a Path,
    /// Further arguments.
    pub(super) arguments: &'a [String],
}

/// How a child died.
#[derive(Clone, Copy, Debug)]
pub(super) struct Death {
    status: ExitStatus,
    hung: bool,
}

impl Death {
    /// Whether the child ended by itself and without complaint.
    pub(super) fn is_clean(self) -> bool {
        self.status.success() && !self.hung
    }
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.hung, self.status.signal(), self.status.code()) {
            (true, ..) => f.write_str("hung and was killed"),
            (_, Some(signal), _) => match nix::sys::signal::Signal::try_from(signal) {
                Ok(signal) => write!(f, "was killed by {signal}"),
                Err(_) => write!(f, "was killed by signal {signal}"),
            },
            (.., Some(code)) => write!(f, "ended with exit code {code}"),
            _ => f.write_str("ended"),
        }
    }
}

/// What became of a child.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// It wants to be watched no more: it retires, or it is dying.
    Retired,
    /// It hangs and was killed; the kernel has yet to close its sockets, some 25 ms.
    Hung,
    /// It is dead.
    Died(Death),
}

impl Child {
    /// Starts a program of this very binary, which holds all of them.
    pub(super) fn start(start: Start<'_>) -> io::Result<Self> {
        let started = now();
        let (watchdog, their_end) = Watchdog::pair(started, START_TIME)?;
        // By this path the binary is found even if it was replaced on disk meanwhile.
        let process = Command::new("/proc/self/exe")
            .arg0(format!("vipd: {}", start.program))
            .arg(start.program.to_string())
            .arg("--config")
            .arg(start.config)
            .arg("--runtime-dir")
            .arg(start.runtime_dir)
            .arg("--watchdog")
            .args(start.arguments)
            .stdin(Stdio::from(their_end))
            .spawn()?;
        let pid = i32::try_from(process.id()).unwrap_or_default();
        Ok(Self { process: Process::of(pid)?, started, watchdog, hangs: false })
    }

    /// One that was ours before an upgrade; if it had `retired`, it is not watched.
    ///
    /// # Errors
    /// It is no child of ours.
    pub(super) fn adopt(pid: i32, watchdog: OwnedFd, retired: bool) -> io::Result<Self> {
        let started = now();
        let watchdog = Watchdog::adopt(watchdog, started, START_TIME, retired)?;
        Ok(Self { process: Process::of(pid)?, started, watchdog, hangs: false })
    }

    /// Its process's number.
    pub(super) fn id(&self) -> i32 {
        self.process.id()
    }

    /// Our end of its watchdog.
    pub(super) fn watchdog_socket(&self) -> BorrowedFd<'_> {
        self.watchdog.socket()
    }

    pub(super) fn started(&self) -> Instant {
        self.started
    }

    pub(super) fn watchdog(&self) -> &Watchdog {
        &self.watchdog
    }

    /// Waits until the child dies. One that hangs is killed. Cancel-safe.
    pub(super) async fn death(&mut self) -> Death {
        loop {
            if let Event::Died(death) = self.event().await {
                return death;
            }
        }
    }

    /// Waits until the child dies, retires, or hangs and is killed for it. Cancel-safe.
    pub(super) async fn event(&mut self) -> Event {
        loop {
            let watched = !self.hangs && !self.watchdog.is_closed();
            let deadline = watched.then(|| self.watchdog.deadline());
            tokio::select! {
                biased;
                status = self.process.ended() => {
                    // The last ticks tell what it was doing.
                    self.watchdog.eat(now());
                    return Event::Died(Death { status, hung: self.hangs });
                }
                () = self.watchdog.smell(), if watched => {
                    self.watchdog.eat(now());
                    if self.watchdog.is_closed() {
                        return Event::Retired;
                    }
                }
                () = sleep_until(deadline) => {
                    if self.watchdog.barks(now()) {
                        self.hangs = true;
                        self.signal(Signal::KILL);
                        return Event::Hung;
                    }
                }
            }
        }
    }

    /// Sends a signal.
    pub(super) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Asks the child to end and waits for it; kills it after `limit`. Returns how it died.
    pub(super) async fn end(&mut self, limit: Duration) -> Death {
        self.signal(Signal::TERM);
        // Whoever ends needs not tick.
        if let Ok(status) = tokio::time::timeout(limit, self.process.ended()).await {
            return Death { status, hung: false };
        }
        self.signal(Signal::KILL);
        Death { status: self.process.ended().await, hung: true }
    }
}
