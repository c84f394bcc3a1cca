//! What the host says about users: its list, its processes, our rights.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::unistd::{Gid, Group, Uid, User};
use process::identity::Identity;
use process::privileges::CapabilitySet;
use rustix::thread::capabilities;
use tracing::warn;

use super::id_map::IdMap;
use super::{Host, Users, choose};

/// A process, as far as it is of interest here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: u32,
    pub(super) parent: u32,
    /// Real, effective, saved, and of the file system.
    pub(super) uids: Vec<u32>,
}

/// Chooses for the node of this runtime directory, and logs what is not as it should be. Reads all of
/// `/proc`: some 20 µs for each process of the host.
pub(crate) fn choose_for(runtime_dir: &Path) -> Users {
    let map = |name: &str| IdMap::parse(&fs::read_to_string(name).unwrap_or_default());
    let needed = CapabilitySet::SETUID | CapabilitySet::SETGID;
    let has = |sets: rustix::thread::CapabilitySets| sets.effective.contains(needed);
    let busy = uids_of_others(&processes(), std::process::id());
    let (users, doubts) = choose(&Host {
        own: Identity::current(),
        may_become_others: capabilities(None).is_ok_and(has),
        users: map("/proc/self/uid_map"),
        groups: map("/proc/self/gid_map"),
        installed: &|name| Identity::named(name).ok().flatten(),
        is_taken: &|number| busy.contains(&number) || is_somebody(number),
        first: first(runtime_dir),
    });
    doubts.iter().for_each(
        |doubt| warn!(reason = %doubt, "cannot give a program the user that it should have"),
    );
    users
}

/// The same for the same directory, so that a node keeps its numbers; another for another.
fn first(runtime_dir: &Path) -> u32 {
    let bytes = runtime_dir.as_os_str().as_bytes();
    let sum =
        bytes.iter().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(*byte)));
    // The sum with the next four may not be too large.
    sum >> 8
}

/// A user or group has this number, or systemd has given it to a service.
fn is_somebody(number: u32) -> bool {
    let user = User::from_uid(Uid::from_raw(number)).is_ok_and(|user| user.is_some());
    let group = Group::from_gid(Gid::from_raw(number)).is_ok_and(|group| group.is_some());
    user || group || Path::new(&format!("/run/systemd/dynamic-uid/{number}")).exists()
}

/// The users of all processes but of `own` and those below it: what an upgrade finds are our own programs.
pub(super) fn uids_of_others(processes: &[Process], own: u32) -> BTreeSet<u32> {
    let mut ours = BTreeSet::from([own]);
    // A child may have a smaller number than its parent.
    loop {
        let children = processes.iter().filter(|process| ours.contains(&process.parent));
        let children: Vec<u32> = children.map(|process| process.pid).collect();
        let before = ours.len();
        ours.extend(children);
        if ours.len() == before {
            break;
        }
    }
    let others = processes.iter().filter(|process| !ours.contains(&process.pid));
    others.flat_map(|process| process.uids.iter().copied()).collect()
}

fn processes() -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| read(pid, &fs::read_to_string(format!("/proc/{pid}/status")).ok()?))
        .collect()
}

/// What `/proc/PID/status` says.
pub(super) fn read(pid: u32, status: &str) -> Option<Process> {
    let numbers = |field: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(field))?;
        line.split_whitespace().map(|number| number.parse().ok()).collect::<Option<Vec<u32>>>()
    };
    let parent = numbers("PPid:")?.first().copied()?;
    Some(Process { pid, parent, uids: numbers("Uid:")? })
}
