//! What a peer's adverts say that our configuration does not: heard all the same, and named
//! (RFC 9568 §7.1, §8.3.2; erratum 8298).

use std::net::IpAddr;
use std::time::Instant;

use config::RouterConfig;
use tracing::warn;
use vocabulary::RouterId as Id;

use super::counters::{Lines, Senders};
use super::history::millis;
use crate::status::Mismatch;
use vrrp::wire::{Claim, Heard, OtherAddresses};

/// What differs between us and our peers.
#[derive(Debug, Default)]
pub(super) struct Differences {
    /// Who listed other addresses than ours, when last, and which.
    addresses: Option<(IpAddr, Instant, OtherAddresses)>,
    addresses_log: Senders,
    interval_log: Senders,
    owner_log: Senders,
}

impl Differences {
    /// Compares an advert with our configuration. Each sender is named once a minute.
    pub(super) fn note(
        &mut self,
        config: &RouterConfig,
        heard: &Heard,
        lines: &mut Lines,
        now: Instant,
    ) {
        let (Id { name, family }, from) = (&config.id, heard.source);
        self.compare_addresses(config, heard, lines, now);
        let (theirs, ours) = (heard.advert.interval, config.advert_interval);
        let log = &mut self.interval_log;
        if theirs != ours
            && let Some(times) = log.take("another_interval", Some(from), lines, now)
        {
            warn!(router = %name, %family, %from, %theirs, %ours, times, "the peer has another advert interval: a Backup goes by the Active router's; set the same `advert_interval` on both nodes");
        }
        let both_own = config.priority.is_owner()
            && matches!(heard.advert.claim, Claim::Lead(priority) if priority.is_owner());
        if both_own && let Some(times) = self.owner_log.take("two_owners", Some(from), lines, now) {
            warn!(router = %name, %family, %from, times, "the peer has priority 255 as we have: only one router can own the addresses; give the other a lower `priority`");
        }
    }

    fn compare_addresses(
        &mut self,
        config: &RouterConfig,
        heard: &Heard,
        lines: &mut Lines,
        now: Instant,
    ) {
        let (Id { name, family }, from) = (&config.id, heard.source);
        match &heard.other_addresses {
            Some(other) => {
                let log = &mut self.addresses_log;
                if let Some(times) = log.take("other_addresses", Some(from), lines, now) {
                    warn!(router = %name, %family, %from, difference = %other, times, "the peer has other addresses");
                }
                self.addresses = Some((from, now, other.clone()));
            }
            None if self.addresses.as_ref().is_some_and(|(peer, ..)| *peer == from) => {
                self.addresses = None;
            }
            None => {}
        }
    }

    /// The difference in addresses that lasts.
    pub(super) fn mismatch(&self, now: Instant) -> Option<Mismatch> {
        self.addresses.as_ref().map(|(peer, at, other)| Mismatch {
            peer: *peer,
            explanation: other.to_string(),
            ago_ms: millis(now.saturating_duration_since(*at)),
        })
    }
}
