//! What root reads or runs, only root may write: the rule.
//!
//! ```text
//! chain     a path ─► every directory, link and file on the way, with who may write it    (asks the kernel)
//! here      those ─► the first that somebody else may write, and what mends it             (pure)
//! programs, files     what is looked at so: hooks and scripts; the configuration, an upgrade's binary
//! ```

mod chain;
pub(crate) mod files;
pub(crate) mod programs;

use std::fmt;
use std::path::{Path, PathBuf};

/// Who may write something, as the kernel says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rights {
    uid: u32,
    gid: u32,
    mode: u32,
    kind: Kind,
    /// An access control list lets others write than owner and group.
    acl: bool,
}

/// What it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    File,
    Directory,
    /// A symbolic link: whose directory may be written turns it elsewhere, its mode says nothing.
    Link,
}

/// Something on the way that others than root may write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Writable {
    path: PathBuf,
    uid: u32,
    mode: u32,
    fault: &'static str,
    command: &'static str,
}

impl Writable {
    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Who may write it.
    pub(crate) fn fault(&self) -> String {
        let Self { uid, mode, fault, .. } = self;
        format!("{fault} (owner {uid}, mode {mode:04o})")
    }

    /// What mends it.
    pub(crate) fn command(&self) -> String {
        format!("{} {}", self.command, self.path.display())
    }
}

impl fmt::Display for Writable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path.display(), self.fault())
    }
}

/// The first on the way that somebody but root may write or replace.
fn first_writable(way: &[(PathBuf, Rights)]) -> Option<Writable> {
    way.iter().find_map(|(path, rights)| writable(path, rights))
}

fn writable(path: &Path, rights: &Rights) -> Option<Writable> {
    const STICKY: u32 = 0o1000;
    let Rights { uid, gid, mode, kind, acl } = *rights;
    let mode = mode & 0o7777;
    let (fault, command) = if uid != 0 {
        ("does not belong to root", "chown root")
    } else if kind == Kind::Link || (kind == Kind::Directory && mode & STICKY != 0) {
        // In a sticky directory only the owner replaces what is in it, and that is root.
        return None;
    } else if mode & 0o002 != 0 {
        ("is writable by everyone", "chmod o-w")
    } else if mode & 0o020 != 0 && gid != 0 {
        ("is writable by its group", "chmod g-w")
    } else if acl {
        ("is writable by others, as its access control list says", "setfacl -b")
    } else {
        return None;
    };
    Some(Writable { path: path.to_owned(), uid, mode, fault, command })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A path, its owner, group, mode, kind; whether a list lets others write.
    type Row = (&'static str, u32, u32, u32, Kind, bool);

    fn found(way: &[Row]) -> Option<(String, String)> {
        let rights = |&(path, uid, gid, mode, kind, acl): &Row| {
            (PathBuf::from(path), Rights { uid, gid, mode, kind, acl })
        };
        let way: Vec<_> = way.iter().map(rights).collect();
        first_writable(&way).map(|found| (found.to_string(), found.command()))
    }

    #[test]
    fn only_what_root_alone_can_write_is_trusted() {
        use Kind::{Directory, File, Link};
        for (uid, gid, mode, kind, acl, expected) in [
            (0, 0, 0o100_755, File, false, None),
            (0, 0, 0o100_775, File, false, None),
            (
                0,
                0,
                0o100_775,
                File,
                true,
                Some("is writable by others, as its access control list says"),
            ),
            (0, 50, 0o100_755, File, false, None),
            (0, 50, 0o100_775, File, false, Some("is writable by its group")),
            (0, 0, 0o100_757, File, false, Some("is writable by everyone")),
            (0, 0, 0o40_777, Directory, false, Some("is writable by everyone")),
            // As /tmp.
            (0, 0, 0o41_777, Directory, false, None),
            (0, 0, 0o101_777, File, false, Some("is writable by everyone")),
            (0, 0, 0o120_777, Link, false, None),
            (1000, 0, 0o120_777, Link, false, Some("does not belong to root")),
            (1000, 0, 0o100_600, File, false, Some("does not belong to root")),
            (1000, 1000, 0o41_755, Directory, false, Some("does not belong to root")),
        ] {
            let found = writable(Path::new("/x"), &Rights { uid, gid, mode, kind, acl });
            assert_eq!(found.map(|found| found.fault), expected, "{uid} {gid} {mode:o} {kind:?}");
        }
    }

    #[test]
    fn the_first_on_the_way_is_told_with_what_mends_it() {
        use Kind::{Directory, File};
        let root = ("/", 0, 0, 0o40_755, Directory, false);
        let tmp = ("/tmp", 0, 0, 0o41_777, Directory, false);
        let own = ("/tmp/node", 0, 0, 0o40_700, Directory, false);
        let file = ("/tmp/node/vipd.toml", 0, 0, 0o100_644, File, false);
        assert_eq!(found(&[root, tmp, own, file]), None);
        let others = ("/tmp/node", 4242, 4242, 0o40_755, Directory, false);
        let told = |words: &str, command: &str| Some((words.to_owned(), command.to_owned()));
        assert_eq!(
            found(&[root, tmp, others, file]),
            told(
                "/tmp/node does not belong to root (owner 4242, mode 0755)",
                "chown root /tmp/node"
            )
        );
        let open = ("/tmp/node/vipd.toml", 0, 0, 0o100_666, File, false);
        assert_eq!(
            found(&[root, tmp, own, open]),
            told(
                "/tmp/node/vipd.toml is writable by everyone (owner 0, mode 0666)",
                "chmod o-w /tmp/node/vipd.toml"
            )
        );
        // Whoever owns a file in /tmp, root or not, the directory does not say.
        let planted = ("/tmp/vipd.toml", 4242, 4242, 0o100_644, File, false);
        assert_eq!(
            found(&[root, tmp, planted]),
            told(
                "/tmp/vipd.toml does not belong to root (owner 4242, mode 0644)",
                "chown root /tmp/vipd.toml"
            )
        );
    }
}
