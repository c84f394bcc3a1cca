//! The channel to `vrrpd`: what happens there, and what scripts found. The supervisor makes another whenever
//! `vrrpd` is started anew.

use std::collections::BTreeMap;

use process::messages::{HOOK_FAILURES, HookFailure, Lines, RunnerToVrrpd, line};
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
    /// Which hooks fail.
    failing: Vec<HookFailure>,
}

impl Following {
    /// Takes a channel in the place of the one before.
    pub(super) fn connect(&mut self, stream: UnixStream) {
        let found = self.found.values().cloned().map(RunnerToVrrpd::Health);
        let hooks = RunnerToVrrpd::Hooks { failing: self.failing.clone() };
        let whole = found.chain([hooks]).all(|message| written(&stream, &message));
        self.connection = whole.then(|| (stream, Lines::default()));
    }

    /// Tells what a script found.
    pub(super) fn tell(&mut self, health: TrackerHealth) {
        self.send(&RunnerToVrrpd::Health(health.clone()));
        self.found.insert(health.tracker.clone(), health);
    }

    /// Tells which hooks fail, if that changed.
    pub(super) fn tell_hooks(&mut self, mut failing: Vec<HookFailure>) {
        failing.truncate(HOOK_FAILURES);
        if self.failing != failing {
            self.send(&RunnerToVrrpd::Hooks { failing: failing.clone() });
            self.failing = failing;
        }
    }

    fn send(&mut self, message: &RunnerToVrrpd) {
        if let Some((stream, _)) = &self.connection
            && !written(stream, message)
        {
            self.connection = None;
        }
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
fn written(stream: &UnixStream, message: &RunnerToVrrpd) -> bool {
    let line = line(message);
    // Past the runtime, which knows nothing yet of a stream that was just made and would refuse.
    nix::unistd::write(stream, &line).is_ok_and(|length| length == line.len())
}
