//! Whether a program may run as root: only if nobody but root can replace it.

use std::ffi::CString;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use config::{Loaded, NamedProgram, Problems};
use nix::unistd::{User, getgrouplist};

use super::files::has_all_users;
use super::{Writable, chain, first_writable};

/// Why a program is not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Distrust {
    /// It is not there, or not to be seen.
    #[error("look at {path}: {source}")]
    Look { path: PathBuf, source: io::Error },
    /// Somebody else could replace it.
    #[error("{0}: whoever can change it would become root")]
    Replaceable(Writable),
}

/// The program as it shall be started: without symbolic links, so that none can be turned elsewhere
/// between this look and its start.
pub(crate) fn resolve(program: &Path, as_root: bool) -> Result<PathBuf, Distrust> {
    if !as_root || !has_all_users() {
        return Ok(program.to_owned());
    }
    let look = |source| Distrust::Look { path: program.to_owned(), source };
    let real = program.canonicalize().map_err(look)?;
    match first_writable(&chain::way(&real).map_err(look)?) {
        Some(writable) => Err(Distrust::Replaceable(writable)),
        None => Ok(real),
    }
}

/// Finds fault with every program of a configuration that could not be run: now, and not when an address
/// depends on it.
pub(crate) fn look_at_programs(mut loaded: Loaded) -> Result<Loaded, Problems> {
    for named in std::mem::take(&mut loaded.programs) {
        if let Err((fault, help)) = look_at(&named) {
            loaded.object(&named, &fault, &help);
        }
    }
    loaded.confirmed()
}

fn look_at(named: &NamedProgram) -> Result<(), (String, String)> {
    let NamedProgram { program, user, .. } = named;
    let found = User::from_name(user).ok().flatten();
    let found =
        found.ok_or((format!("there is no user {user:?}"), "name one that exists".to_owned()))?;
    let metadata = match program.metadata() {
        Ok(metadata) => metadata,
        // Whoever asks may not see it; root will.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(()),
        Err(error) => return Err((format!("cannot look at the program: {error}"), String::new())),
    };
    if !metadata.is_file() {
        return Err((format!("{} is no file", program.display()), "name a program".to_owned()));
    }
    for part in program.ancestors() {
        let may = part.metadata().is_ok_and(|metadata| may_execute(&metadata, &found));
        if !may {
            let fault = format!("{user} may not execute {}", part.display());
            return Err((fault, "chmod +x, or let another user run it".to_owned()));
        }
    }
    resolve(program, found.uid.is_root()).map(drop).map_err(|error| {
        let help = match &error {
            Distrust::Replaceable(writable) => {
                format!("{}; or let another user run it", writable.command())
            }
            Distrust::Look { .. } => String::new(),
        };
        (error.to_string(), help)
    })
}

/// Whether a file's mode lets `user` look into the directory, or run the program, that it is.
fn may_execute(metadata: &Metadata, user: &User) -> bool {
    const EXECUTE: u32 = 0o1;
    let mode = metadata.mode();
    if user.uid.is_root() {
        return mode & 0o111 != 0;
    }
    let groups = CString::new(user.name.as_str())
        .map(|name| getgrouplist(&name, user.gid).unwrap_or_default())
        .unwrap_or_default();
    let bit = if metadata.uid() == user.uid.as_raw() {
        EXECUTE << 6
    } else if groups.iter().any(|group| group.as_raw() == metadata.gid()) {
        EXECUTE << 3
    } else {
        EXECUTE
    };
    mode & bit != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = resolve(Path::new("/nowhere/hook"), true).unwrap_err().to_string();
        assert_eq!(error, "look at /nowhere/hook: No such file or directory (os error 2)");
        // Another user's rights are that user's own affair.
        assert!(resolve(Path::new("/nowhere/hook"), false).is_ok());
    }
}
