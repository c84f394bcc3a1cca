//! From a router's configuration to its managed resources.

use std::time::Duration;

use config::{AddressConfig, Audience, Refresh, RouterConfig};

use super::{Macvlan, Plan, Schedule};
use crate::wire::virtual_mac::virtual_mac;

/// How often addresses are announced again where adverts do it.
const SELDOM: Duration = Duration::from_secs(60);

impl Plan {
    /// What a router of this configuration has in the kernel.
    #[must_use]
    pub fn of(config: &RouterConfig) -> Self {
        let macvlan = config.virtual_mac.clone().map(|name| Macvlan {
            name,
            parent: config.interface.clone(),
            mac: virtual_mac(config.id.family, config.vrid),
            family: config.id.family,
        });
        let mut managed = config.managed.clone();
        if let Some(link) = &config.virtual_mac {
            let theirs = |address: &&mut AddressConfig| address.interface == config.interface;
            let addresses = managed.addresses.iter_mut().filter(theirs);
            addresses.for_each(|address| address.interface.clone_from(link));
        }
        Self {
            interface: config.interface.clone(),
            macvlan,
            managed,
            lease: config.lease,
            owner: config.priority.is_owner(),
            schedule: schedule(config),
        }
    }
}

/// Adverts that bear the virtual MAC address teach switches themselves, and hosts have nothing to learn.
fn schedule(config: &RouterConfig) -> Schedule {
    let mut announce = config.announce.clone();
    let taught = config.virtual_mac.is_some() && config.audience == Audience::Multicast;
    if taught && announce.refresh == Refresh::WithAdverts {
        announce.refresh = Refresh::Every(SELDOM);
    }
    Schedule { announce, advert_interval: config.advert_interval.duration() }
}
