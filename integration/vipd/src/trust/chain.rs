//! Every directory, symbolic link and file on the way to one, as the kernel finds them.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use super::{Kind, Rights};

/// As many links the kernel follows (path_resolution(7)).
const LINKS: usize = 40;

/// The way to `path`, from the root on; what is passed twice stands there twice.
///
/// # Errors
/// Something on it cannot be looked at.
pub(super) fn way(path: &Path) -> io::Result<Vec<(PathBuf, Rights)>> {
    let mut left = parts(&std::path::absolute(path)?);
    let mut here = PathBuf::from("/");
    let mut way = vec![(here.clone(), look(&here)?.0)];
    let mut links = 0;
    while let Some(part) = left.pop_front() {
        if part == ".." {
            here.pop();
            continue;
        }
        here.push(part);
        let (rights, target) = look(&here)?;
        way.push((here.clone(), rights));
        let Some(target) = target else { continue };
        links += 1;
        if links > LINKS {
            return Err(io::Error::other("too many symbolic links"));
        }
        here.pop();
        if target.is_absolute() {
            here = PathBuf::from("/");
        }
        for part in parts(&target).into_iter().rev() {
            left.push_front(part);
        }
    }
    Ok(way)
}

/// Its parts, without the root.
fn parts(path: &Path) -> VecDeque<OsString> {
    let named = |part: Component<'_>| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().filter_map(named).collect()
}

/// Who may write it, and where a link leads.
fn look(path: &Path) -> io::Result<(Rights, Option<PathBuf>)> {
    let metadata = path.symlink_metadata()?;
    let target = metadata.is_symlink().then(|| fs::read_link(path)).transpose()?;
    let kind = match (target.is_some(), metadata.is_dir()) {
        (true, _) => Kind::Link,
        (_, true) => Kind::Directory,
        _ => Kind::File,
    };
    let (uid, gid, mode) = (metadata.uid(), metadata.gid(), metadata.mode());
    let acl = kind != Kind::Link && mode & 0o020 != 0 && has_acl(path);
    Ok((Rights { uid, gid, mode, kind, acl }, target))
}

/// Whether there is a list beside the mode, of whose entries the mode's group shows the most that any may.
fn has_acl(path: &Path) -> bool {
    let mut buffer = [0; 0];
    rustix::fs::getxattr(path, "system.posix_acl_access", &mut buffer).is_ok_and(|size| size > 0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed_and_stand_on_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("a/b")).unwrap();
        fs::write(at("a/b/file"), "").unwrap();
        symlink("../a/b/../b", at("a/link")).unwrap();
        symlink(at("a/link"), at("absolute")).unwrap();
        let found = way(&at("absolute/file")).unwrap();
        let inside = found.iter().filter_map(|(path, _)| path.strip_prefix(folder.path()).ok());
        let names: Vec<String> = inside.map(|path| path.display().to_string()).collect();
        let expected =
            ["", "absolute", "", "a", "a/link", "a", "a/b", "a/b", "a/b/file"].map(str::to_owned);
        assert_eq!(names, expected);
        let kinds: Vec<Kind> = found.iter().map(|(_, rights)| rights.kind).collect();
        assert_eq!(kinds.iter().filter(|kind| **kind == Kind::Link).count(), 2);
        assert_eq!(kinds.last(), Some(&Kind::File));

        symlink("round", at("round")).unwrap();
        assert_eq!(way(&at("round")).unwrap_err().to_string(), "too many symbolic links");
        assert_eq!(way(&at("nowhere")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
