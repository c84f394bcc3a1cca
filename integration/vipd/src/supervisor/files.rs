//! Watches the files that checks name: certificates are renewed, tokens replaced, and nobody tells.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use config::Files;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// How often to look. A change is taken over at the second look that finds it: by then whoever replaces
/// several files, or writes one slowly, is done.
const LOOK: Duration = Duration::from_secs(1);

/// By what a file is known to be another one: device, inode, size, and when it was changed.
type Mark = Option<(u64, u64, u64, (i64, i64))>;

/// What is watched.
#[derive(Debug)]
pub(super) struct FileWatch {
    paths: Vec<PathBuf>,
    marks: Changes<Vec<Mark>>,
    looks: Interval,
}

/// Tells of a change once, when it has lasted from one look to the next.
#[derive(Debug, PartialEq, Eq)]
struct Changes<T> {
    /// None: whoever read may have done so before a change.
    known: Option<T>,
    last: T,
}

impl<T: Clone + PartialEq> Changes<T> {
    fn new(now: T) -> Self {
        Self { known: None, last: now }
    }

    /// What is seen at a look; whether it is new and lasts.
    fn seen(&mut self, seen: T) -> bool {
        let lasts = self.last == seen;
        let changed = lasts && self.known.as_ref() != Some(&seen);
        if changed {
            self.known = Some(seen.clone());
        }
        self.last = seen;
        changed
    }
}

impl FileWatch {
    /// Of what was read.
    pub(super) fn of(files: &Files) -> Self {
        let paths: Vec<PathBuf> = files.paths().map(PathBuf::from).collect();
        let marks = Changes::new(paths.iter().map(mark).collect());
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { paths, marks, looks }
    }

    /// Waits for the next look; for ever where there is nothing to look at. Cancel-safe.
    pub(super) async fn tick(&mut self) {
        if self.paths.is_empty() {
            return std::future::pending().await;
        }
        self.looks.tick().await;
    }

    /// Whether they have changed since this last said so.
    pub(super) fn have_changed(&mut self) -> bool {
        self.marks.seen(self.paths.iter().map(mark).collect())
    }
}

/// None: it is not there.
fn mark(path: &PathBuf) -> Mark {
    let metadata = std::fs::metadata(path).ok()?;
    let changed = (metadata.ctime(), metadata.ctime_nsec());
    Some((metadata.dev(), metadata.ino(), metadata.len(), changed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_once_and_when_it_lasts() {
        let mut changes = Changes::new(1);
        for (seen, told) in [
            // It may have changed since it was read.
            (1, true),
            (1, false),
            // Somebody still writes.
            (2, false),
            (3, false),
            (3, true),
            (3, false),
            // And back again, before anybody was told.
            (4, false),
            (3, false),
            (3, false),
        ] {
            assert_eq!(changes.seen(seen), told, "{seen}");
        }
    }

    #[test]
    fn a_file_is_known_by_more_than_its_size() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.crt");
        assert_eq!(mark(&path), None);
        std::fs::write(&path, "one").unwrap();
        let first = mark(&path);
        assert!(first.is_some());
        assert_eq!(mark(&path), first);
        std::fs::write(dir.path().join("new"), "two").unwrap();
        std::fs::rename(dir.path().join("new"), &path).unwrap();
        assert_ne!(mark(&path), first);
    }
}
