//! Other hosts that use the addresses which this node holds (RFC 5227): who they are, and the answer to
//! them.
//!
//! One of them and this node take clients from each other, with every frame that is heard. It is told
//! in log and status, and answered by an announcement of the address, within limits (RFC 5227 §2.4).

mod watcher;

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use config::{Config, RouterConfig};
use process::recent::Recent;
use process::throttle::{MINUTE, Throttle};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tracing::warn;
use vocabulary::{Family, InterfaceName};

pub(crate) use self::watcher::Sighting;
use self::watcher::{WatchedAddress, WatchedInterface, Watcher};
use crate::io::announce::Announcer;
use crate::status::ConflictStatus;
use vrrp::interfaces::Interfaces;
use vrrp::wire::address_sender::AddressSender;
use vrrp::wire::virtual_mac::virtual_mac;

/// Sightings that may wait. Of those that come meanwhile, none says anything new.
const SIGHTINGS: usize = 16;

/// Conflicts that are remembered; one makes room for another after a minute of silence. Each is logged once
/// a minute.
const CONFLICTS: usize = 16;

/// An address is defended at most this often, so that two nodes which both defend it do not flood the
/// link.
const DEFENCE_PAUSE: Duration = Duration::from_secs(3);

/// Who looks out, and what was seen.
pub(crate) struct Conflicts {
    announcer: Arc<Announcer>,
    interfaces: watch::Receiver<Arc<Interfaces>>,
    watchers: Vec<(WatchedInterface, AbortHandle)>,
    /// The index of each router's interface, while it runs, when that was last seen to.
    places: Vec<Option<u32>>,
    sightings: mpsc::Sender<Sighting>,
    known: Recent<(InterfaceName, AddressSender), Conflict>,
    /// Announcements that failed, in the log.
    failures: Throttle,
}

/// A host that was seen.
#[derive(Clone, Debug)]
struct Conflict {
    times: u64,
    log: Throttle,
    /// When its address was last announced against it.
    defended: Option<Instant>,
}

impl Conflicts {
    /// Nobody looks out yet; what is seen comes out of the receiver.
    pub(crate) fn new(
        announcer: Arc<Announcer>,
        interfaces: watch::Receiver<Arc<Interfaces>>,
    ) -> (Self, mpsc::Receiver<Sighting>) {
        let (sightings, seen) = mpsc::channel(SIGHTINGS);
        let (watchers, places) = (Vec::new(), Vec::new());
        let (known, failures) = (Recent::new(CONFLICTS, MINUTE), Throttle::new(MINUTE));
        (Self { announcer, interfaces, watchers, places, sightings, known, failures }, seen)
    }

    /// Interfaces changed. Most often it is but an address.
    pub(crate) fn look_around(&mut self, config: &Config) {
        if self.places != places(config, &self.interfaces.borrow()) {
            self.look_out_for(config);
        }
    }

    /// Has exactly these looked out for: watchers that need not change are not disturbed.
    pub(crate) fn look_out_for(&mut self, config: &Config) {
        let interfaces = self.interfaces.borrow().clone();
        self.places = places(config, &interfaces);
        let wanted = watched_interfaces(config, &interfaces);
        self.watchers.retain(|(post, task)| {
            let stays = wanted.contains(post);
            if !stays {
                task.abort();
            }
            stays
        });
        for post in wanted {
            if self.watchers.iter().all(|(running, _)| *running != post) {
                let (interfaces, sightings) = (self.interfaces.clone(), self.sightings.clone());
                let watcher = Watcher { post: post.clone(), interfaces, sightings };
                let task = tokio::spawn(watcher.run());
                self.watchers.push((post, task.abort_handle()));
            }
        }
    }

    /// A conflict was seen.
    pub(crate) fn seen(&mut self, sighting: &Sighting, now: Instant) {
        let Sighting { interface, held_on, sender, times } = sighting;
        let defended = self.known.latest_first().any(|((_, known), conflict, _)| {
            known.address == sender.address
                && conflict.defended.is_some_and(|at| now < at + DEFENCE_PAUSE)
        });
        let first = || Conflict { times: 0, log: Throttle::new(MINUTE), defended: None };
        let known = self.known.get((interface.clone(), *sender), now, first);
        let Some(conflict) = known else { return };
        conflict.times += times;
        if conflict.log.take(now).is_some() {
            let (AddressSender { address, mac }, times) = (sender, conflict.times);
            warn!(%interface, %address, %mac, times, "address conflict: another host uses a virtual address that is held here, and clients reach one or the other; look for a node that still has it, or a host that was given it");
        }
        if !defended {
            conflict.defended = Some(now);
            let family = Family::of(sender.address);
            let interfaces = self.interfaces.borrow();
            let there = interfaces.named(held_on).ok_or(ErrorKind::NotFound.into());
            let answered = there
                .and_then(|interface| self.announcer.station(interface, family))
                .and_then(|station| self.announcer.announce(sender.address, &station));
            if let Err(error) = answered
                && let Some(times) = self.failures.take(now)
            {
                warn!(%interface, address = %sender.address, %error, times, "cannot announce the address against a conflicting host");
            }
        }
    }

    /// What was seen of a router's conflicts, latest first.
    pub(crate) fn status(&self, router: &RouterConfig, now: Instant) -> Vec<ConflictStatus> {
        let all = self.known.latest_first().filter(|((interface, known), ..)| {
            *interface == router.interface && router.managed.ips().any(|ip| ip == known.address)
        });
        let status = |((_, AddressSender { address, mac }), conflict, last): (
            &(_, AddressSender),
            &Conflict,
            _,
        )| {
            let ago = now.saturating_duration_since(last);
            ConflictStatus {
                address: *address,
                mac: mac.to_string(),
                times: conflict.times,
                ago_ms: u64::try_from(ago.as_millis()).unwrap_or(u64::MAX),
            }
        };
        all.map(status).collect()
    }
}

fn places(config: &Config, interfaces: &Interfaces) -> Vec<Option<u32>> {
    let place = |router: &RouterConfig| {
        let interface = interfaces.named(&router.interface).filter(|found| found.running)?;
        Some(interface.index)
    };
    config.routers.iter().map(place).collect()
}

/// One for each interface and family that has a router.
fn watched_interfaces(config: &Config, interfaces: &Interfaces) -> Vec<WatchedInterface> {
    let mut watched_interfaces: Vec<WatchedInterface> = Vec::new();
    for router in &config.routers {
        let Some(found) = interfaces.named(&router.interface).filter(|found| found.running) else {
            continue;
        };
        let (family, index) = (router.id.family, found.index);
        let mac = virtual_mac(family, router.vrid);
        let all = router.managed.addresses.iter().filter(|address| {
            address.interface == router.interface && address.address.family() == family
        });
        let guarded = all.map(|address| WatchedAddress {
            address: address.address.ip(),
            held_on: router.virtual_mac.as_ref().unwrap_or(&router.interface).clone(),
            virtual_mac: router.virtual_mac.as_ref().map(|_| mac),
        });
        match watched_interfaces
            .iter_mut()
            .find(|post| post.index == index && post.family == family)
        {
            Some(post) => post.guarded.extend(guarded),
            None => {
                let (interface, guarded) = (router.interface.clone(), guarded.collect());
                watched_interfaces.push(WatchedInterface { interface, index, family, guarded });
            }
        }
    }
    watched_interfaces
}
