//! The channel to `vrrpd`: what happens there, and what scripts found. The supervisor makes another whenever
//! `vrrpd` is started anew.

use std::collections::BTreeMap;

use process::messages::{Lines, line};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tracing::warn;
use vocabulary::{Name, TrackerHealth};
use vrrpd::occurrence::Occurrence;

/// Our end of it.
#[derive(Debug, Default)]
pub(super) struct Following {
    connection: Option<(UnixStream, Lines)>,
    /// What scripts found last: whoever is there next is told as well.
    found: BTreeMap<Name, TrackerHealth>,
}

impl Following {
    /// Takes a channel in the place of the one before.
    pub(super) fn connect(&mut self, stream: UnixStream) {
        let whole = self.found.values().all(|health| written(&stream, health));
        self.connection = whole.then(|| (stream, Lines::default()));
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

    /// What happens next, whichever `vrrpd` tells it; waits for ever without one. Cancel-safe.
    pub(super) async fn next(&mut self) -> Occurrence {
        loop {
            let Some((stream, lines)) = &mut self.connection else {
                return std::future::pending().await;
            };
            match lines.message() {
                Ok(Some(occurrence)) => return occurrence,
                Ok(None) => {}
                Err(error) => {
                    warn!(%error, "invalid event from vrrpd: hooks hear nothing of it until its next start");
                    self.connection = None;
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
}

/// Whether a line went out whole. A `vrrpd` that lets its socket fill up hangs, and is replaced.
fn written(stream: &UnixStream, health: &TrackerHealth) -> bool {
    let line = line(health);
    stream.try_write(&line).is_ok_and(|length| length == line.len())
}
