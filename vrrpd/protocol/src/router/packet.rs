//! What a router's adverts look like, and where they go.

use std::net::IpAddr;

use config::{Audience, Checksum, Dialect, RouterConfig};
use vocabulary::Family;

use super::Core;
use crate::wire::{Advert, Claim, Coverage, Format, advert, group};

/// What the checksum covers before a peer was heard. Over IPv4 keepalived and FRR demand the pseudo-header.
pub(super) fn coverage(config: &RouterConfig) -> Coverage {
    match (config.id.family, config.dialect) {
        (Family::Ipv4, Dialect::V3(Checksum::Rfc9568)) => Coverage::Message,
        _ => Coverage::PseudoHeader,
    }
}

impl Core {
    /// The checksum is made as the peer makes it, where the operator left that open.
    pub(super) fn follow_checksum(&mut self, theirs: Coverage) {
        if self.config.dialect == Dialect::V3(Checksum::Auto) {
            self.coverage = theirs;
        }
    }

    /// What the checksum of its adverts covers in version 3.
    #[must_use]
    pub fn coverage(&self) -> Coverage {
        self.coverage
    }

    /// Where an advert goes: to one peer `only`, or to everyone it concerns. Every node may have the same
    /// list of peers: nobody speaks to himself.
    pub fn destinations(&self, only: Option<IpAddr>) -> impl Iterator<Item = IpAddr> + '_ {
        let (one, peers): (_, &[IpAddr]) = match (only, &self.config.audience) {
            (Some(peer), _) => (Some(peer), &[]),
            (None, Audience::Multicast) => (Some(group(self.config.id.family)), &[]),
            (None, Audience::Peers(peers)) => (None, peers),
        };
        let own = self.place().map(|place| place.source);
        one.into_iter().chain(peers.iter().copied()).filter(move |to| Some(*to) != own)
    }

    /// An advert as it goes into an IP packet from `source` to `destination`.
    #[must_use]
    pub fn message(&self, claim: Claim, source: IpAddr, destination: IpAddr) -> Vec<u8> {
        let config = &self.config;
        let advert = Advert {
            vrid: config.vrid,
            claim,
            interval: config.advert_interval,
            addresses: config.addresses.iter().map(|address| address.ip()).collect(),
        };
        let format = match config.dialect {
            Dialect::V2(auth) => Format::V2(auth),
            Dialect::V3(_) => Format::V3(self.coverage),
        };
        advert::emit(&advert, format, source, destination)
    }
}
