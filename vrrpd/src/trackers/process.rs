//! A process of a given name. That it died is told by the kernel at once, by a descriptor of the
//! process; that it came back, by the proc connector, and where there is none it is found by looking.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use process::blocking;
use process::throttle::{MINUTE, Throttle};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tracing::warn;
use vocabulary::Name;

use super::{Found, health};
use crate::clock::now;
use crate::io::arrivals::Arrivals;

/// How often to look for a process that is not there.
const LOOK: Duration = Duration::from_millis(500);

/// Tells whether a process of the name `comm` runs, whenever that changes. Ends when nobody listens.
pub(super) async fn watch(tracker: Name, comm: String, news: mpsc::Sender<Found>) {
    let mut known = None;
    let mut log = Throttle::new(MINUTE);
    loop {
        // Before it is looked for: who comes in between is heard.
        let arrivals = Arrivals::listen().ok();
        let wanted = comm.clone();
        let process = match blocking::run("tracked-process", move || find(&wanted)).await.flatten()
        {
            Ok(process) => process,
            Err(error) => {
                if let Some(times) = log.take(now()) {
                    warn!(%tracker, %comm, %error, times, retry_in = ?LOOK, "cannot look for a tracked process");
                }
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
            Some(process) => {
                if blocking::run("tracked-process", move || ended(&process)).await.is_err() {
                    sleep(LOOK).await;
                }
            }
            None => drop(timeout(LOOK, arrival(arrivals, &comm)).await),
        }
    }
}

/// Waits until a process takes this name; for ever where the kernel does not tell.
async fn arrival(arrivals: Option<Arrivals>, comm: &str) {
    let Some(arrivals) = arrivals else { return std::future::pending().await };
    // When events were lost it is looked as well.
    while let Ok(pid) = arrivals.next().await {
        if Pid::from_raw(pid).is_some_and(|pid| is_named(pid, comm)) {
            return;
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
    use std::os::unix::fs::symlink;
    use std::process::{Child, Command};

    use vocabulary::Usability;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    /// Something that runs under this name.
    fn start(comm: &str) -> Child {
        let dir = tempfile::tempdir().unwrap();
        symlink("/bin/sleep", dir.path().join(comm)).unwrap();
        Command::new(dir.path().join(comm)).arg("60").spawn().unwrap()
    }

    #[test]
    fn finds_itself_and_nobody_else() {
        let own = std::fs::read_to_string("/proc/self/comm").unwrap();
        assert!(find(own.trim()).unwrap().is_some());
        assert!(find("no such process").unwrap().is_none());
    }

    #[tokio::test]
    async fn a_process_that_comes_and_goes_is_told() {
        let tracker = Name::try_from("p").unwrap();
        let (news, mut told) = mpsc::channel(1);
        let watched = tokio::spawn(watch(tracker, "vipd-comes".to_owned(), news));
        let mut next = async || match timeout(LIMIT, told.recv()).await.unwrap() {
            Some(Found::Health(health)) => health.state,
            other => panic!("{other:?}"),
        };
        assert_eq!(next().await, Usability::Unusable);
        let mut child = start("vipd-comes");
        assert_eq!(next().await, Usability::Usable);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(next().await, Usability::Unusable);
        watched.abort();
    }

    /// Where the kernel tells of programs that begin, it tells of ours.
    #[tokio::test]
    async fn a_program_that_begins_is_heard_of() {
        let Ok(arrivals) = Arrivals::listen() else {
            // An ordinary user, or another network namespace; the test before is for them.
            return;
        };
        let mut child = start("vipd-arrives");
        let pid = i32::try_from(child.id()).unwrap();
        let heard = async { while arrivals.next().await.unwrap() != pid {} };
        timeout(LIMIT, heard).await.unwrap();
        assert!(is_named(Pid::from_raw(pid).unwrap(), "vipd-arrives"));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
