//! From one configuration to another: by the supervisor's orders, or by SIGHUP without one.

use config::{Config, Loaded, RouterConfig, load};
use process::transaction::Step;
use tracing::{error, info, warn};

use super::Daemon;
use super::source::parse;
use vrrp::interfaces::Interfaces;

impl Daemon {
    /// Does what the supervisor wants.
    pub(super) async fn take_step(&mut self, step: Step<Config>) {
        match step {
            Step::Prepare(generation, content) => {
                let staged = parse(&content).and_then(|config| self.can_go_over_to(config));
                self.transaction.prepared(generation, staged);
            }
            Step::Commit(generation, config) => {
                info!("reloading");
                self.go_over_to(config).await;
                self.transaction.committed(generation);
            }
            Step::Channel(channel, stream) => self.channels.serve(channel, stream),
        }
    }

    /// Without a supervisor: goes over to what the file says now.
    pub(super) async fn reload(&mut self) {
        if self.supervised {
            return info!("SIGHUP ignored: the supervisor reloads");
        }
        match load(&self.path) {
            Ok(Loaded { config, warnings, .. }) => {
                info!(path = %self.path.display(), "reloading");
                warnings.log();
                self.go_over_to(config).await;
            }
            Err(problems) => {
                error!("reload refused: everything stays as it was");
                problems.log();
            }
        }
    }

    fn can_go_over_to(&self, config: Config) -> Result<Config, String> {
        let interfaces = self.links.interfaces.borrow();
        let lost = config.routers.iter().find_map(|new| {
            let old = self.config.routers.iter().find(|old| old.id == new.id)?;
            lost_interface(old, new, &interfaces)
        });
        match lost {
            Some(words) => Err(words),
            None => Ok(config),
        }
    }

    async fn go_over_to(&mut self, config: Config) {
        self.routers.change(&self.config, &config).await;
        self.config = config;
        self.conflicts.look_out_for(&self.config);
        self.trackers.run(&self.config.trackers, &mut self.tracking);
        self.tell_absent();
    }

    /// Interfaces that are not there: mostly a typing error.
    pub(super) fn tell_absent(&self) {
        let interfaces = self.links.interfaces.borrow();
        for router in &self.config.routers {
            if let Some(words) = interfaces.absence(&router.interface) {
                warn!(router = %router.id, reason = words, "takes no part");
            }
        }
    }
}

/// A router that has an interface is not moved to one that is not there: a typing error.
fn lost_interface(
    old: &RouterConfig,
    new: &RouterConfig,
    interfaces: &Interfaces,
) -> Option<String> {
    let words = interfaces.absence(&new.interface)?;
    interfaces.named(&old.interface)?;
    Some(format!("router {}: {words}", new.id))
}
