//! What a dead runner left at work: scripts and hooks that nobody would end any more, and beside which its
//! successor would start others.
//!
//! We are their subreaper: the kernel gives us what loses its parent below us. A program of a runner leads
//! a process group in our session, which no program of ours does and no daemon that a hook left on purpose:
//! that has a session of its own, or a leader that ended. All that ends here is reaped.

use nix::errno::Errno;
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid, waitpid};
use nix::unistd::{Pid, getpgid, getsid};
use tracing::{info, warn};

/// Children of this thread, where the kernel tells (`CONFIG_PROC_CHILDREN`); all are the main thread's.
const CHILDREN: &str = "/proc/thread-self/children";

/// Becomes the parent of whatever loses its own below us. An upgrade's exec leaves it so.
pub(super) fn become_subreaper() {
    if let Err(error) = set_child_subreaper(true) {
        warn!(%error, "cannot become a subreaper: what a dead runner leaves may run on beside its successor's");
    }
}

/// Process groups that were killed and may not be gone yet.
#[derive(Debug, Default)]
pub(super) struct Orphans(Vec<Pid>);

impl Orphans {
    /// Kills what a runner that has just died left at work.
    pub(super) fn kill(&mut self) {
        let children = match std::fs::read_to_string(CHILDREN) {
            Ok(children) => children,
            Err(error) => {
                return warn!(%error, "cannot look for orphans of a dead runner: a script may run twice at once");
            }
        };
        let children = children.split_whitespace().filter_map(|pid| pid.parse::<i32>().ok());
        for orphan in children.map(Pid::from_raw).filter(|pid| leads_a_group_of_our_session(*pid)) {
            match killpg(orphan, Signal::SIGKILL) {
                Ok(()) => {
                    info!(pid = orphan.as_raw(), "killed an orphan of a dead runner");
                    self.0.push(orphan);
                }
                Err(Errno::ESRCH) => {}
                Err(error) => {
                    warn!(pid = orphan.as_raw(), %error, "cannot kill an orphan of a dead runner");
                }
            }
        }
    }

    /// Whether nothing of it is there any more.
    pub(super) fn are_gone(&mut self) -> bool {
        self.0.retain(|group| killpg(*group, None) != Err(Errno::ESRCH));
        self.0.is_empty()
    }
}

fn leads_a_group_of_our_session(pid: Pid) -> bool {
    getpgid(Some(pid)) == Ok(pid) && getsid(Some(pid)) == getsid(None)
}

/// Reaps every dead child that is not one of `known`, whose ends others wait for.
pub(super) fn reap(known: &[i32]) {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    while let Ok(status) = waitid(Id::All, flags) {
        let Some(pid) = status.pid().filter(|pid| !known.contains(&pid.as_raw())) else { return };
        if waitpid(pid, Some(WaitPidFlag::WNOHANG)).is_err() {
            return;
        }
    }
}
