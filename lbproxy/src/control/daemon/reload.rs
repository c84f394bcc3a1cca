//! From one configuration to another: everything that can fail comes first, and nothing changes by it.

use config::{Config, Files, Snapshot};
use process::transaction::Step;
use tracing::{info, warn};

use super::Daemon;
use crate::clock;
use crate::control::prepare::{StartError, checks};
use crate::control::{Bound, watchdog};
use crate::health::check::Check;

/// A configuration that can be gone over to: its sockets are bound, and its checks are ready.
#[derive(Debug)]
pub(super) struct Staged {
    config: Config,
    bound: Bound,
    checks: Vec<Check>,
}

impl Daemon {
    /// Does what the supervisor wants.
    pub(super) fn take_step(&mut self, step: Step<Staged>) {
        match step {
            Step::Prepare(generation, content) => {
                let staged = Snapshot::from_bytes(&content)
                    .map_err(|error| error.to_string())
                    .and_then(|snapshot| {
                        let loaded = snapshot.parse().map_err(|problems| problems.to_string())?;
                        self.staged(loaded.config, snapshot.files())
                    });
                self.transaction.prepared(generation, staged);
            }
            Step::Commit(generation, staged) => {
                self.commit(staged);
                self.transaction.committed(generation);
            }
            Step::Channel(channel, stream) => self.serve(channel, stream),
        }
    }

    fn staged(&self, config: Config, files: &Files) -> Result<Staged, String> {
        let ready = checks(&config, files).map_err(StartError::from);
        let ready = ready.and_then(|checks| Ok((checks, self.control.bind_for(&config)?)));
        let (checks, bound) = ready.map_err(|error| error.to_string())?;
        Ok(Staged { config, bound, checks })
    }

    fn commit(&mut self, Staged { config, bound, checks }: Staged) {
        if config.lbproxy != self.config.lbproxy {
            warn!("a change in [lbproxy] takes effect at the next start");
        }
        self.control.configure(&config, bound, checks, clock::now());
        self.patience.send_replace(watchdog::patience(&config));
        self.pace.send_replace(watchdog::pace(&config));
        self.config = config;
        self.talk_to_vrrpd();
        info!(proxies = self.config.proxies.len(), "reloaded");
    }
}
