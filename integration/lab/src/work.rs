//! The directory for a lab's configuration files, certificates and logs.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A directory that is removed with everything in it when the value is dropped, unless it was
/// asked for by name.
#[derive(Debug)]
pub struct WorkDir {
    path: PathBuf,
    keep: bool,
}

impl WorkDir {
    /// Makes a directory below the system's one for temporary files (`TMPDIR`).
    ///
    /// # Errors
    /// It cannot be made.
    pub fn temporary() -> io::Result<Self> {
        Ok(Self { path: temporary()?.keep(), keep: false })
    }

    /// Uses the directory at `path`, makes it where it is missing, and leaves it behind.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn kept(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        // Programs are started with these paths; they must hold wherever a program stands.
        Ok(Self { path: path.canonicalize()?, keep: true })
    }

    /// Where it is: an absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A directory for temporary files, removed when dropped. Anyone who knows the way may go through it
/// and nobody may look around: a program that gave up root has to reach its configuration.
pub(crate) fn temporary() -> io::Result<TempDir> {
    let permissions = Permissions::from_mode(0o711);
    tempfile::Builder::new().prefix("vipd-lab-").permissions(permissions).tempdir()
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        if !self.keep {
            // Nobody is left to tell; what cannot be removed lies where temporary files do.
            drop(fs::remove_dir_all(&self.path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_with_its_content_unless_asked_for_by_name() {
        let work = WorkDir::temporary().unwrap();
        let path = work.path().to_owned();
        fs::create_dir(path.join("lb1")).unwrap();
        fs::write(path.join("lb1/log"), "line").unwrap();
        let kept = WorkDir::kept(&path.join("kept")).unwrap();
        drop(kept);
        assert!(path.join("kept").is_dir());
        drop(work);
        assert!(!path.exists());
    }
}
