//! `RUNTIME_DIR/paused`: an operator's order that this node rests. It outlives every program, not the
//! machine.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use tracing::warn;

/// Its name in the runtime directory.
const NAME: &str = "paused";

/// The mark.
#[derive(Debug)]
pub(super) struct PauseMark {
    path: PathBuf,
}

impl PauseMark {
    /// That of a runtime directory.
    pub(super) fn of(runtime_dir: &Path) -> Self {
        Self { path: runtime_dir.join(NAME) }
    }

    /// Whether the node is to rest.
    pub(super) fn is_set(&self) -> bool {
        self.path.exists()
    }

    /// Remembers it.
    pub(super) fn set(&self, paused: bool) {
        if self.is_set() == paused {
            return;
        }
        let done = if paused { create(&self.path) } else { fs::remove_file(&self.path) };
        if let Err(error) = done {
            let mark = self.path.display();
            warn!(%mark, %error, "cannot note the pause for the next start: it counts until then");
        }
    }
}

/// Closed to others: whoever can read a file can lock it.
fn create(path: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map(drop)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_remembered_is_there_for_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("paused");
        for (paused, there) in [(false, false), (true, true), (true, true), (false, false)] {
            PauseMark::of(dir.path()).set(paused);
            assert_eq!((PauseMark::of(dir.path()).is_set(), path.exists()), (there, there));
        }
        PauseMark::of(dir.path()).set(true);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}
