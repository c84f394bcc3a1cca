//! Whether a program may run as root: only if nobody but root can replace it.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use config::{Loaded, NamedProgram, Problems};
use process::privileges::Acting;

use super::files::has_all_users;
use super::{Writable, chain, first_writable};
use crate::runner::user::ProgramUser;

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
    let user = ProgramUser::meant(user.as_deref())
        .map_err(|error| (error.to_string(), "name one that exists".to_owned()))?;
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
        let may = part.metadata().is_ok_and(|metadata| may_execute(&metadata, &user.acting));
        if !may {
            let fault = format!("{} may not execute {}", user.name, part.display());
            return Err((fault, "chmod +x, or let another user run it".to_owned()));
        }
    }
    resolve(program, user.acting.user.is_root()).map(drop).map_err(|error| {
        let help = match &error {
            Distrust::Replaceable(writable) => {
                format!("{}; or let another user run it", writable.command())
            }
            Distrust::Look { .. } => String::new(),
        };
        (error.to_string(), help)
    })
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
