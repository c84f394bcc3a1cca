//! Another program in the place of this one: the new binary, on SIGUSR2.
//!
//! ```text
//! trial: the new binary finds the configuration right, or nothing happens
//!   └► exec, in the same process: the children stay its children, and their control sockets come along,
//!      as does the lock of the runtime directory, which nobody else can take meanwhile
//!        └► the steps of core/upgrade.rs
//! ```

use std::convert::Infallible;
use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::unistd::execv;
use process::messages::line;
use process::{passing, signals};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use tracing::{error, info};

use super::Options;
use super::child::Child;
use super::executor::Supervisor;
use super::program::Program;
use crate::trust::files::may_become;

/// How long the new binary may take to look at the configuration.
const TRIAL: Duration = Duration::from_secs(10);

/// More than the list of our children takes, in bytes.
const LIST: usize = 64 * 1024;

/// A child that goes on under the next program. The control sockets come as files, in the order of those
/// who have not closed theirs; the last file is the locked one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Left {
    program: Program,
    pid: i32,
    retired: bool,
    /// It has closed its control socket.
    closed: bool,
}

/// What the program before left.
#[derive(Debug)]
pub(super) struct Adopted {
    /// Its children, and whether each has retired.
    pub(super) children: io::Result<Vec<(Child, bool)>>,
    /// The lock of the runtime directory, which it held.
    pub(super) lock: Option<OwnedFd>,
}

/// Whether the new binary runs, and finds the configuration right; in words if not.
pub(super) async fn try_out(binary: PathBuf, config: PathBuf) -> Result<(), String> {
    let mut check = tokio::process::Command::new(&binary);
    check.arg("check").arg(&config).stdin(Stdio::null()).stdout(Stdio::null());
    let output = check.stderr(Stdio::piped()).kill_on_drop(true).output();
    let name = binary.display();
    match tokio::time::timeout(TRIAL, output).await {
        Ok(Ok(output)) if output.status.success() => Ok(()),
        Ok(Ok(output)) => {
            let words = String::from_utf8_lossy(&output.stderr);
            Err(format!("{name} finds the configuration wrong ({}):\n{words}", output.status))
        }
        Ok(Err(error)) => Err(format!("{name} cannot be run: {error}")),
        Err(_) => Err(format!("{name} took over {TRIAL:?} to look at the configuration")),
    }
}

/// Becomes the binary at this path; returns only if that fails. Signals wait until the binary watches
/// for them. After a failed `Command::exec` the next write to a closed pipe would end us: that gives
/// SIGPIPE its default action back first, and this does not.
fn become_program(binary: &Path, options: &Options) -> io::Result<Infallible> {
    let (config, runtime_dir) = (options.config.as_os_str(), options.runtime_dir.as_os_str());
    let words = [OsStr::new("vipd"), OsStr::new("run"), OsStr::new("--adopt")];
    let places = [OsStr::new("--config"), config, OsStr::new("--runtime-dir"), runtime_dir];
    let arguments = words.into_iter().chain(places).map(|word| CString::new(word.as_bytes()));
    let arguments = arguments.collect::<Result<Vec<_>, _>>()?;
    let binary = CString::new(binary.as_os_str().as_bytes())?;
    signals::hold();
    let failed = execv(&binary, &arguments);
    signals::release();
    Ok(failed?)
}

/// Leaves the children where [`adopt`] finds them: in a socket in the place of standard input. What is
/// there stays open and locked.
fn leave(children: &[(&Child, bool)], lock: BorrowedFd<'_>) -> io::Result<()> {
    let left = |(child, retired): &(&Child, bool)| Left {
        program: child.program,
        pid: child.id(),
        retired: *retired,
        closed: child.control_socket().is_none(),
    };
    let list: Vec<Left> = children.iter().map(left).collect();
    let mut files: Vec<BorrowedFd<'_>> =
        children.iter().filter_map(|(child, _)| child.control_socket()).collect();
    files.push(lock);
    let (ours, theirs) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    passing::send(ours, &line(&list), &files)?;
    rustix::stdio::dup2_stdin(theirs)?;
    Ok(())
}

/// Standard input is nothing again.
fn take_back() -> io::Result<()> {
    Ok(rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?)?)
}

/// What the program before left.
pub(super) fn adopt() -> Adopted {
    match received() {
        Ok((list, files)) => {
            let mut files = files.into_iter();
            let mut child = |left: Left| {
                let control = if left.closed { None } else { files.next() };
                Ok((Child::adopt(left.program, left.pid, control)?, left.retired))
            };
            let children = list.into_iter().map(&mut child).collect();
            Adopted { children, lock: files.next() }
        }
        Err(error) => Adopted { children: Err(error), lock: None },
    }
}

fn received() -> io::Result<(Vec<Left>, Vec<OwnedFd>)> {
    let socket = io::stdin().as_fd().try_clone_to_owned()?;
    let mut buffer = vec![0; LIST];
    let (length, files) = passing::receive(socket, &mut buffer)?;
    take_back()?;
    Ok((serde_json::from_slice(buffer.get(..length).unwrap_or_default())?, files))
}

/// Waits for the outcome of a trial; for ever without one. Cancel-safe.
pub(super) async fn tried(
    trial: &mut Option<JoinHandle<Result<(), String>>>,
) -> Result<(), String> {
    match trial {
        Some(trial) => trial.await.unwrap_or_else(|error| Err(error.to_string())),
        None => std::future::pending().await,
    }
}

impl Supervisor {
    /// Starts to look whether an upgrade can be.
    pub(super) fn try_upgrade(&mut self) {
        if self.trial.is_some() || self.core.is_upgrading() {
            info!("upgrade requested while one is under way: that goes on");
            return;
        }
        if let Err(reason) = may_become(&self.binary, &self.current.sources) {
            return error!(reason, "upgrade refused: everything stays as it is");
        }
        info!(binary = %self.binary.display(), "upgrade requested: trying whether the new binary runs");
        let trial = try_out(self.binary.clone(), self.options.config.clone());
        self.trial = Some(tokio::spawn(trial));
    }

    /// Becomes the new binary if it passed, and stays what it is if not.
    pub(super) async fn tried(&mut self, outcome: Result<(), String>) {
        self.trial = None;
        let Err(failed) = outcome.and_then(|()| self.become_binary());
        error!(reason = failed, "upgrade refused: everything stays as it is");
    }

    /// Returns only why that cannot be, in words.
    fn become_binary(&self) -> Result<Infallible, String> {
        leave(&self.leaving(), self.directory.lock())
            .map_err(|error| format!("cannot hand the programs over: {error}"))?;
        let failed = become_program(&self.binary, &self.options);
        take_back().map_err(|error| format!("cannot close what was left: {error}"))?;
        failed.map_err(|error| format!("cannot run {}: {error}", self.binary.display()))
    }

    /// The children, and whether each has retired. One that is dying counts as retired: it is watched no
    /// more.
    fn leaving(&self) -> Vec<(&Child, bool)> {
        let retired: Vec<i32> = self.core.retired().collect();
        let leaving = |child| {
            let child: &Child = child;
            (child, child.control_socket().is_none() || retired.contains(&child.id()))
        };
        self.children.values().map(leaving).collect()
    }
}
