//! A program under supervision.

use std::fmt;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::Command;
use tracing::warn;

use super::watchdog::Watchdog;
use crate::clock::{now, sleep_until};

/// Which program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    /// Speaks VRRP and keeps the addresses.
    Vrrpd,
    /// Balances TCP.
    Lbproxy,
    /// Runs hooks and scripts, writes the FIFO.
    Runner,
    /// Tells monitoring.
    Exporter,
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vrrpd => "vrrpd",
            Self::Lbproxy => "lbproxy",
            Self::Runner => "runner",
            Self::Exporter => "exporter",
        })
    }
}

/// What a program may take from its start to its first tick.
const START_TIME: Duration = Duration::from_secs(2);

/// A running child.
#[derive(Debug)]
pub(super) struct Child {
    process: tokio::process::Child,
    pid: Pid,
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
            (_, Some(signal), _) => match Signal::try_from(signal) {
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
            .kill_on_drop(true)
            .spawn()?;
        let pid = process.id().and_then(|pid| i32::try_from(pid).ok()).unwrap_or(0);
        let pid = Pid::from_raw(pid);
        Ok(Self { process, pid, started, watchdog, hangs: false })
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

    /// Waits until the child dies, or hangs and is killed for it. Cancel-safe.
    pub(super) async fn event(&mut self) -> Event {
        loop {
            let deadline = (!self.hangs).then(|| self.watchdog.deadline());
            tokio::select! {
                biased;
                status = self.process.wait() => {
                    // The last ticks tell what it was doing.
                    self.watchdog.eat(now());
                    let status = status.unwrap_or_else(|_| ExitStatus::from_raw(0));
                    return Event::Died(Death { status, hung: self.hangs });
                }
                () = self.watchdog.smell(), if !self.hangs => { self.watchdog.eat(now()); }
                () = sleep_until(deadline) => {
                    if self.watchdog.barks(now()) {
                        self.hangs = true;
                        self.signal(Signal::SIGKILL);
                        return Event::Hung;
                    }
                }
            }
        }
    }

    /// Sends a signal.
    pub(super) fn signal(&self, signal: Signal) {
        if self.pid.as_raw() == 0 || self.process.id().is_none() {
            return;
        }
        if let Err(error) = kill(self.pid, signal) {
            warn!(pid = %self.pid, %signal, %error, "cannot signal a child");
        }
    }

    /// Asks the child to end and waits for it; kills it after `limit`. Returns how it died.
    pub(super) async fn end(&mut self, limit: Duration) -> Death {
        self.signal(Signal::SIGTERM);
        // Whoever ends needs not tick.
        let (status, hung) = match tokio::time::timeout(limit, self.process.wait()).await {
            Ok(status) => (status, false),
            Err(_) => {
                self.signal(Signal::SIGKILL);
                (self.process.wait().await, true)
            }
        };
        Death { status: status.unwrap_or_else(|_| ExitStatus::from_raw(0)), hung }
    }
}
