//! Who a process is, and what others may reach.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::peer;

/// Lets everybody through to a directory: a root's temporary directory is closed. `/tmp` and what lies above
/// are left alone.
///
/// # Panics
/// It is not ours.
pub fn open_to_everyone(directory: &Path) {
    for open in directory.ancestors() {
        let mode = fs::metadata(open).expect("a directory").permissions().mode();
        if mode & 0o005 != 0o005 {
            let open_mode = fs::Permissions::from_mode(mode | 0o055);
            fs::set_permissions(open, open_mode).expect("our own directory");
        }
    }
}

/// A line of `/proc/PID/status`, without its name.
///
/// # Panics
/// There is no such process, or no such line.
#[must_use]
pub fn proc_status(pid: u32, field: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("a line");
    line.trim_start_matches(':').trim().to_owned()
}

/// Whom a process runs as, with all of its numbers of users.
///
/// # Panics
/// There is no such process; it has not become one user altogether.
#[must_use]
pub fn user_of(pid: u32) -> u32 {
    let uids = proc_status(pid, "Uid");
    let uids: Vec<&str> = uids.split_whitespace().collect();
    assert!(uids.iter().all(|uid| *uid == uids[0]), "{uids:?}");
    uids[0].parse().expect("a number")
}

/// The programs of this name that a supervisor has started.
///
/// # Panics
/// `pgrep` is missing.
#[must_use]
pub fn programs(supervisor: u32, name: &str) -> Vec<u32> {
    let mut pgrep = Command::new(peer("pgrep"));
    let found = pgrep.args(["-x", name, "-P", &supervisor.to_string()]).output().expect("pgrep");
    let text = String::from_utf8_lossy(&found.stdout).into_owned();
    text.lines().filter_map(|pid| pid.parse().ok()).collect()
}
