//! The directory for a lab's configuration files, certificates and logs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

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
        let path = tempfile::Builder::new().prefix("vipd-lab-").tempdir()?.keep();
        Ok(Self { path, keep: false })
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
