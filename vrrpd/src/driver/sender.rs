//! Sends a router's adverts, inline, and counts them.

use std::io;
use std::net::IpAddr;
use std::time::Instant;

use config::{Audience, RouterConfig};
use process::throttle::{MINUTE, Throttle};
use tracing::warn;
use vocabulary::RouterId;

use super::ports::Ports;
use vrrp::router::Core;
use vrrp::wire::Claim;
use vrrp::wire::virtual_mac::virtual_mac;

/// A router's advert sender.
#[derive(Debug)]
pub(super) struct Sender {
    /// Adverts sent.
    pub(super) sent: u64,
    /// Adverts that could not be sent.
    pub(super) errors: u64,
    log: Throttle,
}

impl Default for Sender {
    fn default() -> Self {
        Self { sent: 0, errors: 0, log: Throttle::new(MINUTE) }
    }
}

impl Sender {
    /// Sends one advert to everyone it concerns, or to one peer `only`.
    pub(super) fn send(
        &mut self,
        core: &Core,
        claim: Claim,
        only: Option<IpAddr>,
        ports: &Ports,
        now: Instant,
    ) {
        let config = core.config();
        let port = ports.get(&config.interface, config.id.family);
        let (Some(port), Some(place)) = (port, core.place()) else { return };
        let source = place.source;
        // Bridges learn from adverts where a virtual MAC address is (RFC 9568 §7.3). A unicast peer
        // takes them from the interface's own: the kernel knows its way there.
        let multicast = config.audience == Audience::Multicast;
        let mac = config.virtual_mac.as_ref().filter(|_| multicast);
        let mac = mac.map(|_| virtual_mac(config.id.family, config.vrid));
        for destination in core.destinations(only) {
            let message = core.message(claim, source, destination);
            let sent = match mac {
                Some(mac) => port.send_from_mac(&message, source, mac),
                None => port.send(&message, source, destination),
            };
            match sent {
                Ok(()) => self.sent += 1,
                Err(error) => self.failed(&error, destination, config, now),
            }
        }
    }

    fn failed(&mut self, error: &io::Error, to: IpAddr, config: &RouterConfig, now: Instant) {
        self.errors += 1;
        if let Some(times) = self.log.take(now) {
            let (RouterId { name, family }, interface) = (&config.id, &config.interface);
            warn!(router = %name, %family, %interface, %to, %error, times, "cannot send an advert: a peer that hears none takes over");
        }
    }
}
