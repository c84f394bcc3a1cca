//! The configuration, what it includes, and the binary of an upgrade: who may write them decides what root
//! does.

use std::path::{Path, PathBuf};

use config::{Code, Loaded, Problems};
use nix::unistd::geteuid;

use super::{Writable, chain, first_writable};

/// The users of a whole host, as `/proc/self/uid_map` has them outside of user namespaces.
const ALL_USERS: [&str; 3] = ["0", "0", "4294967295"];

/// Why that matters.
pub(crate) const WHY: &str = "whoever may write it decides what root runs";

/// What becomes of a configuration that others may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// It is an error.
    Refuse,
    /// It is a warning.
    Warn,
}

/// Whether owners can be told apart: in the user namespace of an ordinary user everything is that user's.
pub(crate) fn has_all_users() -> bool {
    let users = std::fs::read_to_string("/proc/self/uid_map");
    users.map_or(true, |users| users.split_whitespace().eq(ALL_USERS))
}

/// The files of a configuration, and where more of them may come to lie.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    path: PathBuf,
    included: Vec<PathBuf>,
    folders: Vec<PathBuf>,
}

impl Sources {
    /// Those of what was loaded from `path`.
    pub(crate) fn of(path: &Path, loaded: &Loaded) -> Self {
        let folder = path.parent().unwrap_or(Path::new(""));
        let folders = loaded.include_patterns.iter().map(|pattern| folder.join(fixed(pattern)));
        let (path, included) = (path.to_owned(), loaded.included.clone());
        Self { path, included, folders: folders.collect() }
    }

    /// What others than root may write of them, and of the directories above.
    pub(crate) fn writable(&self) -> Vec<Writable> {
        if !has_all_users() {
            return Vec::new();
        }
        let mut found: Vec<Writable> = Vec::new();
        for path in std::iter::once(&self.path).chain(&self.included).chain(&self.folders) {
            // What is not there was not read either.
            let writable = chain::way(path).ok().and_then(|way| first_writable(&way));
            found.extend(writable.filter(|new| !found.contains(new)));
        }
        found
    }
}

/// Looks at the files of what was loaded, if we are root.
///
/// # Errors
/// Others may write some of it, and the rule is to refuse that.
pub(crate) fn look_at_files(
    mut loaded: Loaded,
    sources: &Sources,
    rule: Rule,
) -> Result<Loaded, Problems> {
    let writable = if geteuid().is_root() { sources.writable() } else { Vec::new() };
    let code = match rule {
        Rule::Refuse => Code::WritableByOthers,
        Rule::Warn => Code::WouldBeRefused,
    };
    for found in writable {
        let help = format!("{WHY}: {}", found.command());
        loaded.object_to_file(code, &found.to_string(), &help);
    }
    loaded.confirmed()
}

/// Whether root may become the program at `binary`, and go by the files `sources` then; in words if not.
///
/// # Errors
/// Others may write some of them, or the binary is not to be seen.
pub(crate) fn may_become(binary: &Path, sources: &Sources) -> Result<(), String> {
    if !geteuid().is_root() || !has_all_users() {
        return Ok(());
    }
    let absent = |error| format!("{} cannot be run: {error}", binary.display());
    let way = chain::way(binary).map_err(absent)?;
    match first_writable(&way).into_iter().chain(sources.writable()).next() {
        Some(found) => Err(format!("{found}; {WHY}: {}", found.command())),
        None => Ok(()),
    }
}

/// The directories of a pattern before its first wildcard.
fn fixed(pattern: &str) -> PathBuf {
    let is_fixed = |part: &&str| !part.contains(['*', '?', '[']);
    let folders = pattern.rsplit_once('/').map_or("", |(folders, _)| folders);
    let parts: Vec<&str> = folders.split('/').take_while(is_fixed).collect();
    match parts[..] {
        [""] if pattern.starts_with('/') => PathBuf::from("/"),
        _ => PathBuf::from(parts.join("/")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_begins_with_directories() {
        for (pattern, expected) in [
            ("conf.d/*.toml", "conf.d"),
            ("more.toml", ""),
            ("*/vipd.toml", ""),
            ("/etc/vipd/*/a/x.toml", "/etc/vipd"),
            ("/*.toml", "/"),
            ("a/b[12]/c/*.toml", "a"),
        ] {
            assert_eq!(fixed(pattern), PathBuf::from(expected), "{pattern}");
        }
    }
}
