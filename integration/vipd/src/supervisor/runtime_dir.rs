//! `RUNTIME_DIR` and what the supervisor has in it: its lock and its socket, made again when somebody
//! deleted them.
//!
//! Nothing that runs needs the directory: the programs talk over sockets that they inherit. But without
//! the lock another supervisor could start beside, and without the sockets nobody is answered.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tracing::{error, warn};

use super::pid_file::PidFile;
use super::requests::{self, Asked, CLIENTS};
use crate::console;

/// How often to look.
const LOOK: Duration = Duration::from_secs(1);

/// A console that has made no socket after so many looks has lost it.
const PATIENCE: u32 = 5;

/// The directory, while it is ours.
#[derive(Debug)]
pub(super) struct RuntimeDir {
    path: PathBuf,
    lock: PidFile,
    asks: mpsc::Sender<Asked>,
    /// Who answers at the supervisor's socket.
    serving: Option<AbortHandle>,
    /// The console's socket was there at the last look.
    console_was_there: bool,
    /// Since how many looks it is not; a console that was just started makes it.
    missed: u32,
    looks: Interval,
    /// Why it could not be made again, as it was said.
    said: Option<String>,
}

impl RuntimeDir {
    /// Locks it, or goes on with the lock of the program before, and serves the socket; what is asked comes
    /// out of the receiver.
    ///
    /// # Errors
    /// Another one runs here; the directory is not to be made or written to.
    pub(super) fn open(
        path: &Path,
        lock: Option<OwnedFd>,
    ) -> io::Result<(Self, mpsc::Receiver<Asked>)> {
        std::fs::create_dir_all(path)?;
        let lock = match lock {
            Some(lock) => PidFile::adopt(lock)?,
            None => PidFile::take(path)?,
        };
        let (asks, asked) = mpsc::channel(CLIENTS);
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let serving = requests::serve(path, asks.clone());
        let dir = Self {
            path: path.to_owned(),
            lock,
            asks,
            serving,
            console_was_there: false,
            missed: 0,
            looks,
            said: None,
        };
        Ok((dir, asked))
    }

    /// To hand the lock to the next program.
    pub(super) fn lock(&self) -> BorrowedFd<'_> {
        self.lock.as_fd()
    }

    /// Waits for the next look. Cancel-safe.
    pub(super) async fn tick(&mut self) {
        self.looks.tick().await;
    }

    /// Makes again what is missing of it.
    pub(super) fn restore(&mut self) {
        let locked = self.lock.is_in(&self.path);
        if locked && self.path.join(requests::SOCKET).exists() {
            self.said = None;
            return;
        }
        match self.make_again(locked) {
            Ok(()) => {
                self.said = None;
                warn!(path = %self.path.display(), "the runtime directory, or what vipd has in it, was deleted: made it again");
            }
            Err(error) => {
                let words = Some(error.to_string());
                if self.said != words {
                    error!(path = %self.path.display(), %error, "the runtime directory was deleted, and cannot be made again: commands are not answered");
                }
                self.said = words;
            }
        }
    }

    fn make_again(&mut self, locked: bool) -> io::Result<()> {
        std::fs::create_dir_all(&self.path)?;
        if !locked {
            self.lock = PidFile::take(&self.path)?;
        }
        self.serving.take().into_iter().for_each(|serving| serving.abort());
        self.serving = requests::serve(&self.path, self.asks.clone());
        Ok(())
    }

    /// Whether the console's socket has vanished, or was never seen though the console had the time to make
    /// it: whoever is started next makes it again.
    pub(super) fn console_is_cut_off(&mut self) -> bool {
        let is_there = self.path.join(console::request::SOCKET).exists();
        let was_there = std::mem::replace(&mut self.console_was_there, is_there);
        self.missed = if is_there { 0 } else { self.missed + 1 };
        let cut_off = !is_there && (was_there || self.missed >= PATIENCE);
        if cut_off {
            self.missed = 0;
        }
        cut_off
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixStream;

    use super::*;

    fn open(path: &Path) -> RuntimeDir {
        RuntimeDir::open(path, None).unwrap().0
    }

    #[tokio::test]
    async fn what_is_deleted_is_made_again_and_nobody_else_runs_there() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("vipd");
        let mut dir = open(&path);
        let pid_file = path.join("vipd.pid");
        let socket = path.join(requests::SOCKET);
        for deleted in ["all", "pid", "socket"] {
            match deleted {
                "all" => std::fs::remove_dir_all(&path).unwrap(),
                "pid" => std::fs::remove_file(&pid_file).unwrap(),
                _ => std::fs::remove_file(&socket).unwrap(),
            }
            dir.restore();
            assert_eq!(
                std::fs::read_to_string(&pid_file).unwrap().trim(),
                std::process::id().to_string()
            );
            let error = RuntimeDir::open(&path, None).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "after {deleted}");
            UnixStream::connect(&socket).await.unwrap();
        }
        // What is whole is left alone.
        let before = std::fs::metadata(&socket).unwrap().modified().unwrap();
        dir.restore();
        assert_eq!(std::fs::metadata(&socket).unwrap().modified().unwrap(), before);
    }

    /// Somebody was faster: they have it, and that is said once.
    #[tokio::test]
    async fn whoever_took_it_meanwhile_keeps_it() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("vipd");
        let mut dir = open(&path);
        std::fs::remove_dir_all(&path).unwrap();
        let _other = open(&path);
        for _ in 0..2 {
            dir.restore();
            let words = format!("another vipd runs here: process {}", std::process::id());
            assert_eq!(dir.said, Some(words));
        }
    }

    #[tokio::test]
    async fn the_consoles_socket_is_missed() {
        let parent = tempfile::tempdir().unwrap();
        let mut dir = open(parent.path());
        let socket = parent.path().join(console::request::SOCKET);
        // It is not there before the console has started.
        assert!(!dir.console_is_cut_off());
        std::fs::write(&socket, "").unwrap();
        assert!(!dir.console_is_cut_off());
        std::fs::remove_file(&socket).unwrap();
        assert!(dir.console_is_cut_off());
        // The next one has five seconds; it may have been deleted before it was seen.
        let looks: Vec<bool> = (0..6).map(|_| dir.console_is_cut_off()).collect();
        assert_eq!(looks, [false, false, false, false, true, false]);
    }
}
