//! A named pipe with a line for each change, as keepalived's `notify_fifo`.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use config::FifoConfig;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag};
use nix::sys::stat::Mode;
use nix::unistd::{Gid, Uid, fchownat, mkfifo};
use process::identity::Identity;
use process::privileges::as_user;
use process::throttle::{MINUTE, SharedThrottle, Throttle};
use tracing::warn;

use super::user::{ProgramUser, root};
use crate::clock::now;

/// Lines that nobody read, in the log.
static DROPPED: SharedThrottle = SharedThrottle::new(Throttle::new(MINUTE));

/// The pipe, open.
#[derive(Debug)]
pub(super) struct Fifo {
    config: FifoConfig,
    pipe: File,
    dropped: u64,
}

impl Fifo {
    /// Makes the pipe, or takes the one that is there, for its user alone: whom the file names, or the
    /// hooks' own.
    pub(super) fn open(config: FifoConfig, own: Identity) -> io::Result<Self> {
        let user = ProgramUser::find(config.user.as_deref(), own).map_err(io::Error::other)?;
        as_user(&root(), || make(&config.path, user.acting.user))?;
        let pipe = as_user(&user.acting, || open(&config.path))?;
        Ok(Self { config, pipe, dropped: 0 })
    }

    pub(super) fn config(&self) -> &FifoConfig {
        &self.config
    }

    /// Writes one line whole, or, where nobody has read for long, drops it.
    pub(super) fn write(&mut self, line: &str) {
        if let Err(error) = self.pipe.write_all(line.as_bytes()) {
            self.dropped += 1;
            if DROPPED.take(now()).is_some() {
                let (path, dropped) = (self.config.path.display(), self.dropped);
                warn!(%path, %error, dropped, "nobody reads the FIFO: lines were dropped");
            }
        }
    }
}

impl Drop for Fifo {
    fn drop(&mut self) {
        // Readers see its end. A directory that is not root's to change keeps it.
        as_user(&root(), || std::fs::remove_file(&self.config.path)).ok();
    }
}

/// In root's name: the pipe is there, and belongs to `user`. One that another run left may be somebody
/// else's.
fn make(path: &Path, user: Identity) -> io::Result<()> {
    match mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR) {
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let found = path.symlink_metadata()?;
    look_at(&found)?;
    if found.uid() != user.uid {
        let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
        // A link is not followed: it might lead to somebody else's file.
        fchownat(AT_FDCWD, path, Some(uid), Some(gid), AtFlags::AT_SYMLINK_NOFOLLOW)?;
    }
    Ok(())
}

/// In its user's name.
fn open(path: &Path) -> io::Result<File> {
    // Open for both directions, a pipe needs no reader to be opened, and a reader that leaves breaks nothing.
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW;
    let pipe = OpenOptions::new().read(true).write(true).custom_flags(flags.bits()).open(path)?;
    look_at(&pipe.metadata()?)?;
    Ok(pipe)
}

fn look_at(found: &Metadata) -> io::Result<()> {
    if !found.file_type().is_fifo() {
        return Err(io::Error::other("it is there already and no FIFO"));
    }
    if found.mode() & 0o022 != 0 {
        return Err(io::Error::other("others could write into it; remove it or its write bits"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn config(name: &str) -> (tempfile::TempDir, FifoConfig) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(name);
        (directory, FifoConfig { path, user: None })
    }

    #[test]
    fn lines_wait_for_a_reader_and_never_for_room() {
        let (_directory, config) = config("fifo");
        let path = config.path.clone();
        let mut fifo = Fifo::open(config, Identity::current()).unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        fifo.write("INSTANCE \"a\" MASTER 100\n");
        let mut buffer = [0; 64];
        let length = File::open(&path).unwrap().read(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"INSTANCE \"a\" MASTER 100\n");
        // A pipe holds 64 KiB.
        let line = format!("{:1023}\n", "x");
        (0..65).for_each(|_| fifo.write(&line));
        assert_eq!(fifo.dropped, 1);
        drop(fifo);
        assert!(!path.exists());
    }

    #[test]
    fn what_is_no_pipe_of_ours_is_left_alone() {
        let (_directory, config) = config("file");
        std::fs::write(&config.path, "precious").unwrap();
        let error = Fifo::open(config.clone(), Identity::current()).unwrap_err().to_string();
        assert_eq!(error, "it is there already and no FIFO");
        assert_eq!(std::fs::read_to_string(&config.path).unwrap(), "precious");
    }
}
