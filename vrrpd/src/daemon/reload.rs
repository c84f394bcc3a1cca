//! From one configuration to another, by the supervisor's orders.

use config::{Config, RouterConfig};
use process::transaction::Step;
use tracing::{info, warn};

use super::Daemon;
use super::source::parse;
use vrrp::follow_network;
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

    fn can_go_over_to(&self, config: Config) -> Result<Config, String> {
        let interfaces = self.links.interfaces.borrow();
        let settled = settled(&config, Some(&self.config), &interfaces);
        let lost = settled.routers.iter().find_map(|new| {
            let old = self.config.routers.iter().find(|old| old.id == new.id)?;
            lost_interface(old, new, &interfaces)
        });
        match lost {
            Some(words) => Err(words),
            None => Ok(config),
        }
    }

    async fn go_over_to(&mut self, given: Config) {
        let config = settled(&given, Some(&self.config), &self.links.interfaces.borrow());
        self.given = given;
        self.go_over_to_settled(config).await;
    }

    /// Addresses or links changed: a router that follows a network may be elsewhere.
    pub(super) async fn interfaces_changed(&mut self) {
        if self.given.routers.iter().all(|router| !router.follows_network) {
            return self.conflicts.look_around(&self.config);
        }
        let config = settled(&self.given, Some(&self.config), &self.links.interfaces.borrow());
        for (old, new) in self.config.routers.iter().zip(&config.routers) {
            if old.interface != new.interface {
                let (from, interface) = (&old.interface, &new.interface);
                info!(router = %new.id, %interface, %from, "follows its network to another interface");
            }
        }
        if self.config == config {
            self.conflicts.look_around(&self.config);
        } else {
            self.go_over_to_settled(config).await;
        }
    }

    async fn go_over_to_settled(&mut self, config: Config) {
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

/// A configuration with the interfaces that it leaves to the network.
pub(super) fn settled(given: &Config, before: Option<&Config>, interfaces: &Interfaces) -> Config {
    let before = before.map(|before| before.routers.as_slice()).unwrap_or_default();
    let routers = follow_network::settled(&given.routers, before, interfaces);
    Config { routers, ..given.clone() }
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
