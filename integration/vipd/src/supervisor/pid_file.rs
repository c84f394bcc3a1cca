//! `RUNTIME_DIR/vipd.pid`: who runs here, locked as long as it does. Only its owner may open it: a lock
//! can be taken by whoever can read.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::Pid;

/// Its name in the runtime directory.
const NAME: &str = "vipd.pid";

/// The file, while it is ours.
#[derive(Debug)]
pub(super) struct PidFile {
    locked: Flock<File>,
}

impl PidFile {
    /// Writes it and keeps it locked: over no other one that runs.
    ///
    /// # Errors
    /// Another one runs here; the directory is not to be written to.
    pub(super) fn take(runtime_dir: &Path) -> io::Result<Self> {
        let path = runtime_dir.join(NAME);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        Self::lock(options.open(path)?)
    }

    /// The file that the program before held, locked all the time.
    ///
    /// # Errors
    /// It was not.
    pub(super) fn adopt(lock: OwnedFd) -> io::Result<Self> {
        Self::lock(File::from(lock))
    }

    fn lock(file: File) -> io::Result<Self> {
        // One of before may have been made for everybody.
        file.set_permissions(Permissions::from_mode(0o600))?;
        let mut locked =
            Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(file, errno)| {
                match (errno, read(file)) {
                    (Errno::EWOULDBLOCK, Ok(pid)) => io::Error::new(
                        io::ErrorKind::AddrInUse,
                        format!("another vipd runs here: process {pid}"),
                    ),
                    (errno, _) => errno.into(),
                }
            })?;
        locked.set_len(0)?;
        locked.seek(SeekFrom::Start(0))?;
        writeln!(locked, "{}", std::process::id())?;
        Ok(Self { locked })
    }

    /// Whether it is still the one in this directory.
    pub(super) fn is_in(&self, runtime_dir: &Path) -> bool {
        let (ours, there) = (self.locked.metadata(), std::fs::metadata(runtime_dir.join(NAME)));
        let (Ok(ours), Ok(there)) = (ours, there) else { return false };
        (ours.dev(), ours.ino()) == (there.dev(), there.ino())
    }

    /// To hand it to the next program.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.locked.as_fd()
    }

    /// Whom it is locked by.
    ///
    /// # Errors
    /// Nobody runs here; the file is not ours to read.
    pub(super) fn holder(runtime_dir: &Path) -> io::Result<Pid> {
        let file = File::open(runtime_dir.join(NAME))?;
        match Flock::lock(file, FlockArg::LockSharedNonblock) {
            Ok(_) => Err(io::Error::new(io::ErrorKind::NotFound, "no vipd runs there")),
            Err((file, Errno::EWOULDBLOCK)) => read(file),
            Err((_, errno)) => Err(errno.into()),
        }
    }
}

fn read(mut file: File) -> io::Result<Pid> {
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    text.trim().parse().map(Pid::from_raw).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        assert!(PidFile::holder(dir.path()).is_err());
        let held = PidFile::take(dir.path()).unwrap();
        assert_eq!(PidFile::holder(dir.path()).unwrap(), Pid::this());
        let words = PidFile::take(dir.path()).unwrap_err().to_string();
        assert_eq!(words, format!("another vipd runs here: process {}", std::process::id()));
        drop(held);
        assert_eq!(PidFile::holder(dir.path()).unwrap_err().to_string(), "no vipd runs there");
        PidFile::take(dir.path()).unwrap();
    }

    #[test]
    fn nobody_else_may_open_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(NAME);
        std::fs::write(&path, "1\n").unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let _held = PidFile::take(dir.path()).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn it_stays_locked_from_one_program_to_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let before = PidFile::take(dir.path()).unwrap();
        // As an upgrade leaves it: on its way in a socket, with nobody who has it open.
        let lock = before.as_fd().try_clone_to_owned().unwrap();
        std::mem::forget(before);
        assert!(PidFile::take(dir.path()).is_err());
        let after = PidFile::adopt(lock).unwrap();
        assert!(PidFile::take(dir.path()).is_err());
        assert_eq!(PidFile::holder(dir.path()).unwrap(), Pid::this());
        drop(after);
        PidFile::take(dir.path()).unwrap();
    }
}
