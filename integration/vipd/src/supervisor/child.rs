//! A program's process and our end of its control socket.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};
use std::task::{Context, Poll};

use process::control::{self, Answer, Order, Pause, Report};
use process::identity::Identity;
use process::messages::Tick;
use process::telemetry::{FILTER_VARIABLE, JOURNAL_VARIABLE};
use process::throttle::{MINUTE, SharedThrottle, Throttle};
use rustix::process::Signal;
use tokio::net::UnixStream;
use tracing::warn;

use super::pid::Process;
use super::program::Program;
use crate::clock::now;

/// What of our environment the programs get: how to log. Variables that the configuration names have been put
/// into it, and systemd's are ours alone.
const ENVIRONMENT: [&str; 3] = [FILTER_VARIABLE, JOURNAL_VARIABLE, "RUST_BACKTRACE"];

/// A running child.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) program: Program,
    process: Process,
    /// None once the child closed its end.
    control: Option<UnixStream>,
}

/// What a child is started with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start<'a> {
    pub(super) program: Program,
    /// Whom it becomes once it has what needs root.
    pub(super) user: Identity,
    /// Further arguments.
    pub(super) arguments: &'a [OsString],
    /// The configuration, sealed.
    pub(super) content: BorrowedFd<'a>,
    pub(super) generation: u64,
}

/// What a child said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Tick(Tick),
    Answer(Answer),
    Pause(Pause),
    /// It closed its end.
    Closed,
}

impl Child {
    /// Starts a program of this very binary, which holds all of them.
    pub(super) fn start(start: Start<'_>) -> io::Result<Self> {
        let (ours, theirs) = control::pair()?;
        let order = Order::Start { generation: start.generation };
        control::order(&ours, order, Some(start.content))?;
        // By this path the binary is found even if it was replaced on disk meanwhile.
        let process = Command::new("/proc/self/exe")
            .arg0(format!("vipd: {}", start.program))
            .arg(start.program.to_string())
            .arg("--user")
            .arg(start.user.to_string())
            .args(start.arguments)
            .env_clear()
            .envs(ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .stdin(Stdio::from(theirs))
            .spawn()?;
        let pid = i32::try_from(process.id()).unwrap_or_default();
        let (process, control) = (Process::of(pid)?, Some(UnixStream::from_std(ours)?));
        Ok(Self { program: start.program, process, control })
    }

    /// One that was ours before an upgrade. Without a control socket it is dying.
    ///
    /// # Errors
    /// It is no child of ours.
    pub(super) fn adopt(program: Program, pid: i32, control: Option<OwnedFd>) -> io::Result<Self> {
        let stream = |socket| UnixStream::from_std(std::os::unix::net::UnixStream::from(socket));
        let control = control.map(stream).transpose()?;
        Ok(Self { program, process: Process::of(pid)?, control })
    }

    /// Its process's number.
    pub(super) fn id(&self) -> i32 {
        self.process.id()
    }

    /// Our end of its control socket, unless it closed its own.
    pub(super) fn control_socket(&self) -> Option<BorrowedFd<'_>> {
        self.control.as_ref().map(AsFd::as_fd)
    }

    /// Ready when there may be something to [`hear`](Self::hear).
    pub(super) fn poll_readable(&self, context: &mut Context<'_>) -> Poll<()> {
        match &self.control {
            Some(control) => control.poll_read_ready(context).map(drop),
            None => Poll::Pending,
        }
    }

    /// What it has said. `buffer` is to take [`PACKET_LIMIT`](control::PACKET_LIMIT) bytes.
    pub(super) fn hear(&mut self, buffer: &mut [u8]) -> Vec<Heard> {
        let mut heard = Vec::new();
        while let Some(control) = &self.control {
            match control.try_read(buffer) {
                Ok(0) => {
                    self.control = None;
                    heard.push(Heard::Closed);
                }
                Ok(length) => heard.extend(report(self.program, &buffer[..length])),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => {
                    self.control = None;
                    heard.push(Heard::Closed);
                }
            }
        }
        heard
    }

    /// Gives it an order.
    ///
    /// # Errors
    /// It has closed its end, or does not read.
    pub(super) fn order(&self, order: Order, content: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let control = self.control.as_ref().ok_or(io::ErrorKind::BrokenPipe)?;
        control::order(control, order, content)
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.process.ended()
    }

    /// Sends a signal.
    pub(super) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }
}

/// Reports that were not understood, in the log.
static INVALID: SharedThrottle = SharedThrottle::new(Throttle::new(MINUTE));

/// A program that says what we do not understand is one of before an upgrade: it works.
fn report(program: Program, packet: &[u8]) -> Option<Heard> {
    match serde_json::from_slice(packet) {
        Ok(Report::Tick(tick)) => Some(Heard::Tick(tick)),
        Ok(Report::Answer(answer)) => Some(Heard::Answer(answer)),
        Ok(Report::Pause(pause)) => Some(Heard::Pause(pause)),
        Err(error) => {
            if let Some(times) = INVALID.take(now()) {
                warn!(%program, %error, times, "invalid report of a program");
            }
            None
        }
    }
}
