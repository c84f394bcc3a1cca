//! An operator's order that this node rests. It outlives the daemon, not the machine.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use tracing::{info, warn};

/// Its mark in the runtime directory.
const FILE: &str = "paused";

/// Whether an operator paused this node.
#[derive(Debug)]
pub(super) struct Pause {
    mark: PathBuf,
    on: bool,
}

impl Pause {
    /// As the last daemon left it.
    pub(super) fn read(runtime_dir: &Path) -> Self {
        let mark = runtime_dir.join(FILE);
        let on = mark.exists();
        if on {
            info!(mark = %mark.display(), "paused by an operator: it takes nothing that another can serve until `vipd resume`");
        }
        Self { mark, on }
    }

    pub(super) fn is_on(&self) -> bool {
        self.on
    }

    pub(super) fn set(&mut self, on: bool) {
        info!("{}", if on { "paused by an operator" } else { "resumed by an operator" });
        self.on = on;
        let kept = if on { File::create(&self.mark).map(drop) } else { remove(&self.mark) };
        if let Err(error) = kept {
            let mark = self.mark.display();
            warn!(%mark, %error, "cannot note the pause for the next start: it counts until then");
        }
    }
}

fn remove(mark: &Path) -> io::Result<()> {
    match fs::remove_file(mark) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
