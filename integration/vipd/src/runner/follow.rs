//! The line to `vrrpd`: what happens there, and what scripts found; over and over again when it ends.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use process::messages::{Lines, ToVrrpd, VRRPD_SOCKET, line};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tracing::warn;
use vocabulary::{Name, TrackerHealth};
use vrrpd::occurrence::Occurrence;

/// Time between two attempts to reach `vrrpd`: short, since what happens before is not told.
const AGAIN: Duration = Duration::from_millis(10);

/// A line to `vrrpd`.
#[derive(Debug)]
pub(super) struct Following {
    path: PathBuf,
    connection: Option<(UnixStream, Lines)>,
    /// What scripts found last: whoever is there next is told as well.
    found: BTreeMap<Name, TrackerHealth>,
}

impl Following {
    pub(super) fn new(runtime_dir: &Path) -> Self {
        Self { path: runtime_dir.join(VRRPD_SOCKET), connection: None, found: BTreeMap::new() }
    }

    /// Tells what a script found.
    pub(super) fn tell(&mut self, health: TrackerHealth) {
        if let Some((stream, _)) = &self.connection
            && !written(stream, &health)
        {
            self.connection = None;
        }
        self.found.insert(health.tracker.clone(), health);
    }

    /// Forgets those for whom `keep` is false.
    pub(super) fn retain(&mut self, keep: impl Fn(&Name) -> bool) {
        self.found.retain(|tracker, _| keep(tracker));
    }

    /// What happens next, whichever `vrrpd` tells it. Cancel-safe.
    pub(super) async fn next(&mut self) -> Occurrence {
        loop {
            let Some((stream, lines)) = &mut self.connection else {
                self.connect().await;
                continue;
            };
            match lines.message() {
                Ok(Some(occurrence)) => return occurrence,
                Ok(None) => {}
                Err(error) => {
                    warn!(%error, "cannot understand vrrpd: hooks hear of it again in a second");
                    self.connection = None;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
            }
            let mut buffer = [0; 4096];
            let read = stream.read(&mut buffer).await;
            let whole =
                read.is_ok_and(|length| length > 0 && lines.push(&buffer[..length]).is_ok());
            if !whole {
                self.connection = None;
            }
        }
    }

    async fn connect(&mut self) {
        if let Ok(mut stream) = UnixStream::connect(&self.path).await
            && stream.write_all(&line(&ToVrrpd::Follow)).await.is_ok()
            && self.found.values().all(|health| written(&stream, health))
        {
            self.connection = Some((stream, Lines::default()));
        } else {
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// Whether a line went out whole. A `vrrpd` that lets its socket fill up hangs, and is replaced.
fn written(stream: &UnixStream, health: &TrackerHealth) -> bool {
    let line = line(&ToVrrpd::Health(health.clone()));
    stream.try_write(&line).is_ok_and(|length| length == line.len())
}
