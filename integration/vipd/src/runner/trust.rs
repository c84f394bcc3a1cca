//! Whether a program may run as root: only if nobody but root can replace it.

use std::ffi::CString;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use config::{Loaded, NamedProgram, Problems};
use nix::unistd::{User, getgrouplist};

/// Why a program is not run.
#[derive(Debug, thiserror::Error)]
pub(super) enum Distrust {
    /// It is not there, or not to be seen.
    #[error("look at {path}: {source}")]
    Look { path: PathBuf, source: io::Error },
    /// Somebody else could replace it.
    #[error("{path} {fault}: whoever can change it would become root")]
    Replaceable { path: PathBuf, fault: &'static str },
}

/// The program as it shall be started: without symbolic links, so that none can be turned elsewhere
/// between this look and its start.
pub(super) fn resolve(program: &Path, as_root: bool) -> Result<PathBuf, Distrust> {
    if !as_root {
        return Ok(program.to_owned());
    }
    let look = |path: &Path| {
        let path = path.to_owned();
        move |source| Distrust::Look { path, source }
    };
    let real = program.canonicalize().map_err(look(program))?;
    for part in real.ancestors() {
        let metadata = part.symlink_metadata().map_err(look(part))?;
        if let Some(fault) = fault(&Rights::of(&metadata)) {
            return Err(Distrust::Replaceable { path: part.to_owned(), fault });
        }
    }
    Ok(real)
}

/// Finds fault with every program of a configuration that could not be run: now, and not when an address
/// depends on it.
pub(crate) fn look_at_programs(mut loaded: Loaded) -> Result<Loaded, Problems> {
    for named in std::mem::take(&mut loaded.programs) {
        if let Err((fault, help)) = look_at(&named) {
            loaded.object(&named, &fault, help);
        }
    }
    loaded.confirmed()
}

fn look_at(named: &NamedProgram) -> Result<(), (String, &'static str)> {
    let NamedProgram { program, user, .. } = named;
    let found = User::from_name(user).ok().flatten();
    let found = found.ok_or((format!("there is no user {user:?}"), "name one that exists"))?;
    let metadata = match program.metadata() {
        Ok(metadata) => metadata,
        // Whoever asks may not see it; root will.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(()),
        Err(error) => return Err((format!("cannot look at the program: {error}"), "")),
    };
    if !metadata.is_file() {
        return Err((format!("{} is no file", program.display()), "name a program"));
    }
    for part in program.ancestors() {
        let may = part.metadata().is_ok_and(|metadata| may(EXECUTE, &metadata, &found));
        if !may {
            let fault = format!("{user} may not execute {}", part.display());
            return Err((fault, "chmod +x, or let another user run it"));
        }
    }
    resolve(program, found.uid.is_root())
        .map(drop)
        .map_err(|error| (error.to_string(), "chown root, chmod go-w; or let another user run it"))
}

/// To look into a directory, or run a program.
pub(crate) const EXECUTE: u32 = 0o1;

/// To read.
pub(crate) const READ: u32 = 0o4;

/// Whether a file's mode lets `user` do what the bit `right` stands for.
pub(crate) fn may(right: u32, metadata: &Metadata, user: &User) -> bool {
    let mode = metadata.mode();
    if user.uid.is_root() {
        return right != EXECUTE || mode & 0o111 != 0;
    }
    let groups = CString::new(user.name.as_str())
        .map(|name| getgrouplist(&name, user.gid).unwrap_or_default())
        .unwrap_or_default();
    let bit = if metadata.uid() == user.uid.as_raw() {
        right << 6
    } else if groups.iter().any(|group| group.as_raw() == metadata.gid()) {
        right << 3
    } else {
        right
    };
    mode & bit != 0
}

/// Who may change a file or directory.
struct Rights {
    uid: u32,
    gid: u32,
    mode: u32,
    directory: bool,
}

impl Rights {
    fn of(metadata: &Metadata) -> Self {
        let directory = metadata.is_dir();
        Self { uid: metadata.uid(), gid: metadata.gid(), mode: metadata.mode(), directory }
    }
}

fn fault(rights: &Rights) -> Option<&'static str> {
    const STICKY: u32 = 0o1000;
    if rights.uid != 0 {
        return Some("does not belong to root");
    }
    // In a sticky directory only the owner replaces a file, and that is root.
    if rights.directory && rights.mode & STICKY != 0 {
        return None;
    }
    if rights.mode & 0o002 != 0 {
        return Some("is writable by everyone");
    }
    (rights.mode & 0o020 != 0 && rights.gid != 0).then_some("is writable by its group")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_root_alone_can_change_is_trusted() {
        let everyone = Some("is writable by everyone");
        for (uid, gid, mode, directory, expected) in [
            (0, 0, 0o755, false, None),
            (0, 0, 0o775, false, None),
            (0, 50, 0o755, false, None),
            (0, 50, 0o775, false, Some("is writable by its group")),
            (0, 0, 0o757, false, everyone),
            (0, 0, 0o777, true, everyone),
            // As /tmp.
            (0, 0, 0o1777, true, None),
            (0, 0, 0o1777, false, everyone),
            (1000, 0, 0o755, false, Some("does not belong to root")),
            (1000, 1000, 0o1755, true, Some("does not belong to root")),
        ] {
            let found = fault(&Rights { uid, gid, mode, directory });
            assert_eq!(found, expected, "{uid} {gid} {mode:o} {directory}");
        }
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = resolve(Path::new("/nowhere/hook"), true).unwrap_err().to_string();
        assert_eq!(error, "look at /nowhere/hook: No such file or directory (os error 2)");
        // Another user's rights are that user's own affair.
        assert!(resolve(Path::new("/nowhere/hook"), false).is_ok());
    }
}
