//! Other stations that speak for the addresses which this node holds: who they are, and the answer to
//! them.
//!
//! One of them and this node take clients from each other, with every frame that is heard. It is told
//! in log and status, and answered by an announcement of the address, within limits (RFC 5227 §2.4).

mod lookout;

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use config::{Config, RouterConfig};
use process::throttle::Throttle;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tracing::warn;
use vocabulary::{Family, InterfaceName};

pub(crate) use self::lookout::Sighting;
use self::lookout::{Guarded, Lookout, Post};
use crate::io::announce::Announcer;
use crate::status::RivalStatus;
use vrrp::interfaces::Interfaces;
use vrrp::wire::claimant::Claimant;
use vrrp::wire::virtual_mac::virtual_mac;

/// Sightings that may wait. Of those that come meanwhile, none says anything new.
const SIGHTINGS: usize = 16;

/// Rivals that are remembered.
const RIVALS: usize = 16;

/// One that was silent for so long makes room for another.
const SILENT: Duration = Duration::from_secs(60);

/// A rival that goes on is logged this often.
const LOG_PAUSE: Duration = Duration::from_secs(60);

/// An address is defended at most this often, so that two nodes which both defend it do not flood the
/// link.
const DEFENCE_PAUSE: Duration = Duration::from_secs(3);

/// Who looks out, and what was seen.
pub(crate) struct Rivals {
    announcer: Arc<Announcer>,
    interfaces: watch::Receiver<Arc<Interfaces>>,
    lookouts: Vec<(Post, AbortHandle)>,
    /// The index of each router's interface, while it runs, when that was last seen to.
    places: Vec<Option<u32>>,
    sightings: mpsc::Sender<Sighting>,
    known: Vec<Rival>,
}

/// A station that was seen.
#[derive(Clone, Debug)]
struct Rival {
    interface: InterfaceName,
    claimant: Claimant,
    times: u64,
    last: Instant,
    log: Throttle,
    /// When its address was last announced against it.
    defended: Option<Instant>,
}

impl Rivals {
    /// Nobody looks out yet; what is seen comes out of the receiver.
    pub(crate) fn new(
        announcer: Arc<Announcer>,
        interfaces: watch::Receiver<Arc<Interfaces>>,
    ) -> (Self, mpsc::Receiver<Sighting>) {
        let (sightings, seen) = mpsc::channel(SIGHTINGS);
        let (lookouts, places, known) = (Vec::new(), Vec::new(), Vec::new());
        (Self { announcer, interfaces, lookouts, places, sightings, known }, seen)
    }

    /// Interfaces changed. Most often it is but an address.
    pub(crate) fn look_around(&mut self, config: &Config) {
        if self.places != places(config, &self.interfaces.borrow()) {
            self.look_out_for(config);
        }
    }

    /// Has exactly these looked out for: lookouts that need not change are not disturbed.
    pub(crate) fn look_out_for(&mut self, config: &Config) {
        let interfaces = self.interfaces.borrow().clone();
        self.places = places(config, &interfaces);
        let wanted = posts(config, &interfaces);
        self.lookouts.retain(|(post, task)| {
            let stays = wanted.contains(post);
            if !stays {
                task.abort();
            }
            stays
        });
        for post in wanted {
            if self.lookouts.iter().all(|(running, _)| *running != post) {
                let (interfaces, sightings) = (self.interfaces.clone(), self.sightings.clone());
                let lookout = Lookout { post: post.clone(), interfaces, sightings };
                let task = tokio::spawn(lookout.run());
                self.lookouts.push((post, task.abort_handle()));
            }
        }
    }

    /// A rival was seen.
    pub(crate) fn seen(&mut self, sighting: &Sighting, now: Instant) {
        let Sighting { interface, held_on, claimant, times } = sighting;
        let defended = |rival: &Rival| {
            let same = rival.claimant.address == claimant.address;
            same && rival.defended.is_some_and(|at| now < at + DEFENCE_PAUSE)
        };
        let defend = !self.known.iter().any(defended);
        let Some(rival) = self.rival(interface, *claimant, now) else { return };
        rival.times += times;
        rival.last = now;
        if rival.log.take(now).is_some() {
            let (Claimant { address, mac }, times) = (claimant, rival.times);
            warn!(%address, %mac, %interface, times, "another station claims a virtual address that is held here: clients reach one or the other; look for a node that kept it, or a host that was given it");
        }
        if defend {
            rival.defended = Some(now);
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

    /// The rival's place; none while others have them all.
    fn rival(
        &mut self,
        interface: &InterfaceName,
        claimant: Claimant,
        now: Instant,
    ) -> Option<&mut Rival> {
        let is_it = |rival: &Rival| rival.claimant == claimant && rival.interface == *interface;
        if let Some(position) = self.known.iter().position(is_it) {
            return self.known.get_mut(position);
        }
        if self.known.len() >= RIVALS {
            let silent = |rival: &Rival| now.saturating_duration_since(rival.last) >= SILENT;
            let position = self.known.iter().position(silent)?;
            self.known.remove(position);
        }
        let interface = interface.clone();
        self.known.push(Rival {
            interface,
            claimant,
            times: 0,
            last: now,
            log: Throttle::new(LOG_PAUSE),
            defended: None,
        });
        self.known.last_mut()
    }

    /// What was seen of a router's rivals, latest first.
    pub(crate) fn status(&self, router: &RouterConfig, now: Instant) -> Vec<RivalStatus> {
        let of_router = |rival: &&Rival| {
            let listed = router.belongings.ips().any(|ip| ip == rival.claimant.address);
            listed && rival.interface == router.interface
        };
        let mut rivals: Vec<&Rival> = self.known.iter().filter(of_router).collect();
        rivals.sort_by_key(|rival| std::cmp::Reverse(rival.last));
        let status = |rival: &&Rival| RivalStatus {
            address: rival.claimant.address,
            mac: rival.claimant.mac.to_string(),
            times: rival.times,
            ago_ms: u64::try_from(now.saturating_duration_since(rival.last).as_millis())
                .unwrap_or(u64::MAX),
        };
        rivals.iter().map(status).collect()
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
        let all = router.belongings.addresses.iter().filter(|address| {
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
