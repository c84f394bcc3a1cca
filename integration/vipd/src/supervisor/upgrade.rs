//! Another program in the place of this one: the new binary, on SIGUSR2.
//!
//! ```text
//! trial: the new binary finds the configuration right, or nothing happens
//!   └► exec, in the same process: the children stay its children, and their watchdogs come along
//!        └► lbproxy: a successor gets the listening sockets; the old one retires once it serves
//!             └► vrrpd: killed, and a successor goes on as Active; the helpers: started anew
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
use tracing::{error, info, warn};

use super::child::{Child, Event, Program};
use super::slot::Family;
use super::{Options, Supervisor};

/// How long the new binary may take to look at the configuration.
const TRIAL: Duration = Duration::from_secs(10);

/// How often to look whether the next step can be taken.
pub(super) const LOOK: Duration = Duration::from_millis(20);

/// More than the list of our children takes, in bytes.
const LIST: usize = 64 * 1024;

/// A child that goes on under the next program. The watchdogs come as files, in the order of the children.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Left {
    program: Program,
    pid: i32,
    retired: bool,
}

/// What of an upgrade is still to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Start a successor of `lbproxy`.
    Proxy,
    /// Wait until it serves.
    Succession,
    /// Replace the others.
    Others,
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

/// Leaves the children where [`adopt`] finds them: in a socket in the place of standard input.
fn leave(children: &[(Program, &Child, bool)]) -> io::Result<()> {
    let left = |(program, child, retired): &(Program, &Child, bool)| Left {
        program: *program,
        pid: child.id(),
        retired: *retired,
    };
    let list: Vec<Left> = children.iter().map(left).collect();
    let files: Vec<BorrowedFd<'_>> =
        children.iter().map(|(_, child, _)| child.watchdog_socket()).collect();
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

/// The children that the program before left.
///
/// # Errors
/// It left none.
pub(super) fn adopt() -> io::Result<Vec<(Program, Child, bool)>> {
    let socket = io::stdin().as_fd().try_clone_to_owned()?;
    let mut buffer = vec![0; LIST];
    let (length, files) = passing::receive(socket, &mut buffer)?;
    take_back()?;
    let list: Vec<Left> = serde_json::from_slice(buffer.get(..length).unwrap_or_default())?;
    let mut files = files.into_iter();
    let mut adopt = |left: Left| {
        let watchdog: OwnedFd = files.next().ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok((left.program, Child::adopt(left.pid, watchdog, left.retired)?, left.retired))
    };
    list.into_iter().map(&mut adopt).collect()
}

impl Supervisor {
    /// Starts to look whether an upgrade can be.
    pub(super) fn try_upgrade(&mut self) {
        if self.trial.is_some() || self.upgrade.is_some() {
            warn!("told to upgrade while an upgrade is under way; that goes on");
            return;
        }
        info!(binary = %self.binary.display(), "told to upgrade: looks whether the new binary runs");
        let trial = try_out(self.binary.clone(), self.options.config.clone());
        self.trial = Some(tokio::spawn(trial));
    }

    /// Becomes the new binary if it passed, and stays what it is if not.
    pub(super) fn tried(&mut self, outcome: Result<(), String>) {
        self.trial = None;
        let Err(failed) = outcome.and_then(|()| self.become_binary());
        error!("no upgrade, everything stays as it is: {failed}");
    }

    /// Returns only why that cannot be, in words.
    fn become_binary(&self) -> Result<Infallible, String> {
        leave(&self.children())
            .map_err(|error| format!("cannot hand the programs over: {error}"))?;
        let failed = become_program(&self.binary, &self.options);
        take_back().map_err(|error| format!("cannot close what was left: {error}"))?;
        failed.map_err(|error| format!("cannot run {}: {error}", self.binary.display()))
    }

    pub(super) fn children(&self) -> Vec<(Program, &Child, bool)> {
        let all = [
            (Program::Vrrpd, self.vrrpd.child.as_ref()),
            (Program::Lbproxy, self.lbproxy.child.as_ref()),
            (Program::Runner, self.helpers.runner.child.as_ref()),
            (Program::Console, self.helpers.console.child.as_ref()),
        ];
        let all = all.into_iter().filter_map(|(program, child)| Some((program, child?, false)));
        let retired = self.retired.iter().map(|child| (Program::Lbproxy, child, true));
        all.chain(retired).collect()
    }

    /// Takes the children of the program before.
    pub(super) fn adopt(&mut self) {
        let children = match adopt() {
            Ok(children) => children,
            Err(error) => {
                error!(%error, "cannot take the programs over, which go on unwatched; starts its own");
                return;
            }
        };
        for (program, child, retired) in children {
            let slot = match program {
                Program::Vrrpd => &mut self.vrrpd,
                Program::Lbproxy if retired => {
                    self.retired.push(child);
                    continue;
                }
                Program::Lbproxy => &mut self.lbproxy,
                Program::Runner => &mut self.helpers.runner,
                Program::Console => &mut self.helpers.console,
            };
            slot.child = Some(child);
        }
        // They are connected already.
        self.channels.missing(&self.running());
        info!("runs in the place of the program before, with its programs");
        self.upgrade = Some(Step::Proxy);
    }

    /// Takes the next step of an upgrade, if it is time.
    pub(super) async fn go_on_upgrading(&mut self) {
        match self.upgrade {
            Some(Step::Proxy) => {
                self.upgrade = Some(Step::Succession);
                if self.lbproxy.child.is_some() {
                    self.lbproxy.succeed(&self.options);
                }
            }
            // What vrrpd does is known when it has ticked; its successor goes on with that.
            Some(Step::Succession) if self.lbproxy.elder.is_none() && self.vrrpd.is_known() => {
                self.upgrade = Some(Step::Others);
            }
            Some(Step::Others) => {
                self.upgrade = None;
                // While vrrpd is away nothing is waited for.
                self.helpers.end().await;
                self.vrrpd.replace();
                self.want_programs(crate::clock::now());
                info!("upgraded");
            }
            Some(Step::Succession) | None => {}
        }
    }

    /// Something became of an `lbproxy`, the one that serves or its elder.
    pub(super) fn lbproxy_changed(&mut self, family: Family) {
        match family {
            Family::Child(death) => {
                if self.lbproxy.elder.is_some() {
                    // The new programs are not to be trusted.
                    self.upgrade = None;
                }
                self.lbproxy.bury(death);
            }
            Family::Elder(Event::Hung) => {}
            Family::Elder(Event::Retired) => self.retired.extend(self.lbproxy.elder.take()),
            Family::Elder(Event::Died(death)) => {
                warn!(%death, "the lbproxy of before the upgrade ended early");
                self.lbproxy.elder = None;
            }
        }
    }
}
