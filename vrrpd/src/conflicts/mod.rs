//! Other stations that speak for the addresses which this node holds: who they are, and the answer to
//! them.
//!
//! One of them and this node take clients from each other, with every frame that is heard. It is told
//! in log and status, and answered by an announcement of the address, within limits (RFC 5227 §2.4).

mod watcher;

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use config::{Config, RouterConfig};
use process::throttle::Throttle;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tracing::warn;
use vocabulary::{Family, InterfaceName};

pub(crate) use self::watcher::Sighting;
use self::watcher::{Guarded, Post, Watcher};
use crate::io::announce::Announcer;
use crate::status::ConflictStatus;
use vrrp::interfaces::Interfaces;
use vrrp::wire::claimant::Claimant;
use vrrp::wire::virtual_mac::virtual_mac;

/// Sightings that may wait. Of those that come meanwhile, none says anything new.
const SIGHTINGS: usize = 16;

/// Conflicts that are remembered.
const CONFLICTS: usize = 16;

/// One that was silent for so long makes room for another.
const SILENT: Duration = Duration::from_secs(60);

/// A conflict that goes on is logged this often.
const LOG_PAUSE: Duration = Duration::from_secs(60);

/// An address is defended at most this often, so that two nodes which both defend it do not flood the
/// link.
const DEFENCE_PAUSE: Duration = Duration::from_secs(3);

/// Who looks out, and what was seen.
pub(crate) struct Conflicts {
    announcer: Arc<Announcer>,
    interfaces: watch::Receiver<Arc<Interfaces>>,
    watchers: Vec<(Post, AbortHandle)>,
    /// The index of each router's interface, while it runs, when that was last seen to.
    places: Vec<Option<u32>>,
    sightings: mpsc::Sender<Sighting>,
    known: Vec<Conflict>,
}

/// A station that was seen.
#[derive(Clone, Debug)]
struct Conflict {
    interface: InterfaceName,
    claimant: Claimant,
    times: u64,
    last: Instant,
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
        let (watchers, places, known) = (Vec::new(), Vec::new(), Vec::new());
        (Self { announcer, interfaces, watchers, places, sightings, known }, seen)
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
        let wanted = posts(config, &interfaces);
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
        let Sighting { interface, held_on, claimant, times } = sighting;
        let defended = |conflict: &Conflict| {
            let same = conflict.claimant.address == claimant.address;
            same && conflict.defended.is_some_and(|at| now < at + DEFENCE_PAUSE)
        };
        let defend = !self.known.iter().any(defended);
        let Some(conflict) = self.conflict(interface, *claimant, now) else { return };
        conflict.times += times;
        conflict.last = now;
        if conflict.log.take(now).is_some() {
            let (Claimant { address, mac }, times) = (claimant, conflict.times);
            warn!(%address, %mac, %interface, times, "another station claims a virtual address that is held here: clients reach one or the other; look for a node that kept it, or a host that was given it");
        }
        if defend {
            conflict.defended = Some(now);
            let family = Family::of(claimant.address);
            let interfaces = self.interfaces.borrow();
            let there = interfaces.named(held_on).ok_or(ErrorKind::NotFound.into());
            let answered = there
                .and_then(|interface| self.announcer.station(interface, family))
                .and_then(|station| self.announcer.announce(claimant.address, &station));
            if let Err(error) = answered {
                warn!(address = %claimant.address, %error, "cannot announce the address against another station's claim");
            }
        }
    }

    /// The conflict's place; none while others have them all.
    fn conflict(
        &mut self,
        interface: &InterfaceName,
        claimant: Claimant,
        now: Instant,
    ) -> Option<&mut Conflict> {
        let is_it =
            |conflict: &Conflict| conflict.claimant == claimant && conflict.interface == *interface;
        if let Some(position) = self.known.iter().position(is_it) {
            return self.known.get_mut(position);
        }
        if self.known.len() >= CONFLICTS {
            let silent =
                |conflict: &Conflict| now.saturating_duration_since(conflict.last) >= SILENT;
            let position = self.known.iter().position(silent)?;
            self.known.remove(position);
        }
        let interface = interface.clone();
        self.known.push(Conflict {
            interface,
            claimant,
            times: 0,
            last: now,
            log: Throttle::new(LOG_PAUSE),
            defended: None,
        });
        self.known.last_mut()
    }

    /// What was seen of a router's conflicts, latest first.
    pub(crate) fn status(&self, router: &RouterConfig, now: Instant) -> Vec<ConflictStatus> {
        let of_router = |conflict: &&Conflict| {
            let listed = router.managed.ips().any(|ip| ip == conflict.claimant.address);
            listed && conflict.interface == router.interface
        };
        let mut conflicts: Vec<&Conflict> = self.known.iter().filter(of_router).collect();
        conflicts.sort_by_key(|conflict| std::cmp::Reverse(conflict.last));
        let status = |conflict: &&Conflict| ConflictStatus {
            address: conflict.claimant.address,
            mac: conflict.claimant.mac.to_string(),
            times: conflict.times,
            ago_ms: u64::try_from(now.saturating_duration_since(conflict.last).as_millis())
                .unwrap_or(u64::MAX),
        };
        conflicts.iter().map(status).collect()
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
fn posts(config: &Config, interfaces: &Interfaces) -> Vec<Post> {
    let mut posts: Vec<Post> = Vec::new();
    for router in &config.routers {
        let Some(found) = interfaces.named(&router.interface).filter(|found| found.running) else {
            continue;
        };
        let (family, index) = (router.id.family, found.index);
        let mac = virtual_mac(family, router.vrid);
        let all = router.managed.addresses.iter().filter(|address| {
            address.interface == router.interface && address.address.family() == family
        });
        let guarded = all.map(|address| Guarded {
            address: address.address.ip(),
            held_on: router.virtual_mac.as_ref().unwrap_or(&router.interface).clone(),
            virtual_mac: router.virtual_mac.as_ref().map(|_| mac),
        });
        match posts.iter_mut().find(|post| post.index == index && post.family == family) {
            Some(post) => post.guarded.extend(guarded),
            None => {
                let (interface, guarded) = (router.interface.clone(), guarded.collect());
                posts.push(Post { interface, index, family, guarded });
            }
        }
    }
    posts
}
