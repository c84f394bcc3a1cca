//! `RUNTIME_DIR/vipd.pid`: who runs here, locked as long as it does.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::Pid;

/// Its name in the runtime directory.
const NAME: &str = "vipd.pid";

/// The file, while it is ours.
#[derive(Debug)]
pub(super) struct PidFile {
    _locked: Flock<File>,
}

impl PidFile {
    /// Writes it and keeps it locked: over no other one that runs.
    ///
    /// # Errors
    /// Another one runs here; the directory is not to be written to.
    pub(super) fn take(runtime_dir: &Path) -> io::Result<Self> {
        let path = runtime_dir.join(NAME);
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut file =
            Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(file, errno)| {
                match (errno, read(file)) {
                    (Errno::EWOULDBLOCK, Ok(pid)) => io::Error::new(
                        io::ErrorKind::AddrInUse,
                        format!("another vipd runs here: process {pid}"),
                    ),
                    (errno, _) => errno.into(),
                }
            })?;
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        writeln!(file, "{}", std::process::id())?;
        Ok(Self { _locked: file })
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
}
