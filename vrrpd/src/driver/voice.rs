//! How a router speaks: its adverts, sent inline, and what is counted of them.

use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use config::{Audience, Checksum, Dialect, RouterConfig};
use tracing::warn;
use vocabulary::Family;

use super::ports::Ports;
use crate::io::port::group;
use vrrp::wire::virtual_mac::virtual_mac;
use vrrp::wire::{Advert, Claim, Coverage, Format, Heard, advert};

/// Errors are logged this often.
const LOG_PAUSE: Duration = Duration::from_secs(60);

/// A router's voice.
#[derive(Debug)]
pub(super) struct Voice {
    coverage: Coverage,
    /// Adverts sent.
    pub(super) sent: u64,
    /// Adverts that could not be sent.
    pub(super) errors: u64,
    logged: Option<Instant>,
}

impl Voice {
    /// Before a peer was heard. Over IPv4 keepalived and FRR demand the pseudo-header.
    pub(super) fn new(config: &RouterConfig) -> Self {
        let coverage = match (config.id.family, config.dialect) {
            (Family::Ipv4, Dialect::V3(Checksum::Rfc9568)) => Coverage::Message,
            _ => Coverage::PseudoHeader,
        };
        Self { coverage, sent: 0, errors: 0, logged: None }
    }

    /// The operator decided anew.
    pub(super) fn reconfigure(&mut self, config: &RouterConfig) {
        self.coverage = Self::new(config).coverage;
    }

    /// Speaks as the peer does, where the operator left that open.
    pub(super) fn imitate(&mut self, config: &RouterConfig, heard: &Heard) {
        if config.dialect == Dialect::V3(Checksum::Auto) {
            self.coverage = heard.coverage;
        }
    }

    /// Sends one advert to everyone it concerns, or to one peer `only`.
    pub(super) fn say(
        &mut self,
        claim: Claim,
        only: Option<IpAddr>,
        config: &RouterConfig,
        source: IpAddr,
        ports: &Ports,
        now: Instant,
    ) {
        let Some(port) = ports.get(&config.interface, config.id.family) else { return };
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
        let everyone = [group(config.id.family)];
        let destinations = match (&only, &config.audience) {
            (Some(peer), _) => std::slice::from_ref(peer),
            (None, Audience::Multicast) => everyone.as_slice(),
            (None, Audience::Peers(peers)) => peers,
        };
        // Bridges learn from adverts where a virtual MAC address is (RFC 9568 §7.3). A unicast peer
        // takes them from the interface's own: the kernel knows its way there.
        let multicast = config.audience == Audience::Multicast;
        let mac = config.virtual_mac.as_ref().filter(|_| multicast);
        let mac = mac.map(|_| virtual_mac(config.id.family, config.vrid));
        for destination in destinations {
            let message = advert::emit(&advert, format, source, *destination);
            let sent = match mac {
                Some(mac) => port.send_from_mac(&message, source, mac),
                None => port.send(&message, source, *destination),
            };
            match sent {
                Ok(()) => self.sent += 1,
                Err(error) => self.failed(&error, *destination, config, now),
            }
        }
    }

    fn failed(&mut self, error: &io::Error, to: IpAddr, config: &RouterConfig, now: Instant) {
        self.errors += 1;
        if self.logged.is_some_and(|logged| now < logged + LOG_PAUSE) {
            return;
        }
        self.logged = Some(now);
        let (router, interface) = (&config.id, &config.interface);
        warn!(%router, %interface, %to, %error, errors = self.errors, "cannot send an advert; a peer that hears none takes over");
    }
}
