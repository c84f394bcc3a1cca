//! Whether a program may run as root: only if nobody but root can replace it.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use config::{Loaded, NamedProgram, Problems};
use process::privileges::Acting;

use super::user::ProgramUser;

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
    let user = ProgramUser::meant(user.as_deref())
        .map_err(|error| (error.to_string(), "name one that exists"))?;
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
        let may = part.metadata().is_ok_and(|metadata| may_execute(&metadata, &user.acting));
        if !may {
            let fault = format!("{} may not execute {}", user.name, part.display());
            return Err((fault, "chmod +x, or let another user run it"));
        }
    }
    resolve(program, user.acting.user.is_root())
        .map(drop)
        .map_err(|error| (error.to_string(), "chown root, chmod go-w; or let another user run it"))
}

/// Whether a file's mode lets a user look into the directory, or run the program, that it is.
fn may_execute(metadata: &Metadata, who: &Acting) -> bool {
    const EXECUTE: u32 = 0o1;
    let mode = metadata.mode();
    if who.user.is_root() {
        return mode & 0o111 != 0;
    }
    let is_member = who.user.gid == metadata.gid() || who.groups.contains(&metadata.gid());
    let bit = if metadata.uid() == who.user.uid {
        EXECUTE << 6
    } else if is_member {
        EXECUTE << 3
    } else {
        EXECUTE
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
