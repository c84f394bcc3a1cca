//! A process of a given name. That it died is told by the kernel at once, by a descriptor of the
//! process; that it came back is found by looking.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use shared::Name;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::warn;

use super::{Found, health};

/// How often to look for a process that is not there.
const LOOK: Duration = Duration::from_millis(500);

/// Tells whether a process of the name `comm` runs, whenever that changes. Ends when nobody listens.
pub(super) async fn watch(tracker: Name, comm: String, news: mpsc::Sender<Found>) {
    let mut known = None;
    loop {
        let wanted = comm.clone();
        let found = tokio::task::spawn_blocking(move || find(&wanted)).await;
        let process = match found.map_err(io::Error::other).flatten() {
            Ok(process) => process,
            Err(error) => {
                warn!(%tracker, %comm, %error, "cannot look for a process; trying again in {LOOK:?}");
                None
            }
        };
        let runs = process.is_some();
        if known != Some(runs) {
            known = Some(runs);
            if news.send(Found::Health(health(&tracker, runs))).await.is_err() {
                return;
            }
        }
        match process {
            // A thread of its own waits: its failure is that of looking too early.
            Some(process) => drop(tokio::task::spawn_blocking(move || ended(&process)).await),
            None => sleep(LOOK).await,
        }
    }
}

/// Some running process of this name, held by a descriptor that no other process can inherit.
fn find(comm: &str) -> io::Result<Option<OwnedFd>> {
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw)
        else {
            continue;
        };
        if !is_named(pid, comm) {
            continue;
        }
        // It may have ended meanwhile, and its number be another's: held first, then asked again.
        match pidfd_open(pid, PidfdFlags::NONBLOCK) {
            Ok(process) if is_named(pid, comm) => return Ok(Some(process)),
            Ok(_) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// Whether a process runs under this name. A zombie does not.
fn is_named(pid: Pid, comm: &str) -> bool {
    let pid = pid.as_raw_nonzero();
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    let Some((name, rest)) = stat.split_once('(').and_then(|(_, stat)| stat.rsplit_once(')'))
    else {
        return false;
    };
    name == comm && !matches!(rest.trim_start().chars().next(), None | Some('Z' | 'X'))
}

/// Returns once the process has ended, and at the latest when it is time to look whether anybody
/// still wants to know.
fn ended(process: &OwnedFd) {
    // Readable: it has ended.
    let limit = Timespec { tv_sec: 1, tv_nsec: 0 };
    if poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&limit)).is_err() {
        std::thread::sleep(LOOK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_itself_and_nobody_else() {
        let own = std::fs::read_to_string("/proc/self/comm").unwrap();
        assert!(find(own.trim()).unwrap().is_some());
        assert!(find("no such process").unwrap().is_none());
    }
}
