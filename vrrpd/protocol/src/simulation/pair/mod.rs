//! Two nodes' configurations played through: what a fault will cost their clients.
//!
//! The network is calm, and the kernel and the proxy take the time they take on an idle machine. The crate's
//! random stories are where the routers are tried; this is for telling an operator what a pair of files
//! will do.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use config::{Preempt, RouterConfig};
use vocabulary::Name;

use super::{Conditions, Lan, Member};

/// A packet's flight.
const FLIGHT: Duration = Duration::from_micros(200);

/// Moments of an advert interval at which a fault is tried; the first is just after an advert.
const PHASES: u32 = 4;

/// What happens to the node that is Active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// An operator ends it in order.
    Stopped,
    /// It dies, or nobody hears it any more.
    Lost,
    /// These trackers tell that they are unusable; it serves nobody from then on.
    Unusable(Vec<Name>),
    /// It was away, its peer is Active, and it starts.
    Returned,
}

/// A pair: the routers of each node that move together, in the same order, at least one.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    /// The nodes.
    pub nodes: [&'a [RouterConfig]; 2],
    /// What the virtual clock starts with.
    pub start: Instant,
}

impl Pair<'_> {
    /// The node that is Active while nothing is wrong.
    #[must_use]
    pub fn favourite(&self) -> usize {
        let rank = |node: usize| (self.nodes[node][0].priority, source(&self.nodes[node][0], node));
        usize::from(rank(1) > rank(0))
    }

    /// For how long at worst nobody serves when `fault` happens to the favourite; none: until
    /// somebody mends it.
    #[must_use]
    pub fn downtime(&self, fault: &Fault) -> Option<Duration> {
        let mut longest = Duration::ZERO;
        for phase in 0..PHASES {
            let mut play = Play::new(self);
            play.settle(self.favourite(), fault);
            play.wait_for_phase(phase);
            play.strike(self.favourite(), fault);
            longest = longest.max(play.measure()?);
        }
        Some(longest)
    }

    fn lan(&self) -> Lan {
        let members = |node: usize| {
            let member = |config: &RouterConfig| Member {
                config: config.clone(),
                source: source(config, node),
            };
            self.nodes[node].iter().map(member).collect()
        };
        let conditions = Conditions { flight: (FLIGHT, FLIGHT), ..Conditions::default() };
        Lan::new(vec![members(0), members(1)], conditions, 0, self.start)
    }

    fn routers(&self) -> impl Iterator<Item = &RouterConfig> {
        self.nodes.iter().flat_map(|node| node.iter())
    }

    /// The time after which an undelayed election is calm again.
    fn calm(&self) -> Duration {
        let intervals = self.routers().map(|router| router.advert_interval.duration());
        intervals.max().unwrap_or_default() * 6 + Duration::from_secs(3)
    }

    /// The longest that a node waits before it preempts.
    fn patience(&self) -> Duration {
        let delay = |router: &RouterConfig| match router.preempt {
            Preempt::After(delay) => delay,
            Preempt::Never => Duration::ZERO,
        };
        self.routers().map(delay).max().unwrap_or_default()
    }
}

struct Play {
    lan: Lan,
    /// Who reaches a node's addresses is served.
    serves: [bool; 2],
    calm: Duration,
    patience: Duration,
    interval: Duration,
}

impl Play {
    fn new(pair: &Pair<'_>) -> Self {
        let intervals = pair.routers().map(|router| router.advert_interval.duration());
        Self {
            lan: pair.lan(),
            serves: [true; 2],
            calm: pair.calm(),
            patience: pair.patience(),
            interval: intervals.min().unwrap_or_default(),
        }
    }

    /// Until the favourite is Active and its peer follows it; or, if it is to return, only its peer is.
    fn settle(&mut self, favourite: usize, fault: &Fault) {
        for node in [favourite, 1 - favourite] {
            if node == favourite && *fault == Fault::Returned {
                continue;
            }
            self.lan.boot(node);
            self.lan.run(self.calm);
        }
    }

    /// Until the next advert, and a part of its interval further.
    fn wait_for_phase(&mut self, phase: u32) {
        let now = self.lan.now();
        let deadline = self.lan.next_deadline().unwrap_or(now).max(now);
        let part = self.interval * phase / PHASES;
        self.lan.run(deadline - now + Duration::from_micros(1) + part);
    }

    fn strike(&mut self, node: usize, fault: &Fault) {
        match fault {
            Fault::Stopped => self.lan.stop(node),
            Fault::Lost => self.lan.freeze(node),
            Fault::Unusable(trackers) => {
                self.serves[node] = false;
                trackers.iter().for_each(|tracker| self.lan.health(node, tracker, false));
            }
            Fault::Returned => self.lan.boot(node),
        }
    }

    /// How long nobody serves from now on; none if it does not end.
    fn measure(&mut self) -> Option<Duration> {
        let calm = self.lan.now() + self.calm;
        let end = calm + self.patience;
        let (mut at, mut served) = (self.lan.now(), self.is_served());
        let mut down = Duration::ZERO;
        while self.lan.step(end).is_some() {
            if !served {
                down += self.lan.now() - at;
            }
            (at, served) = (self.lan.now(), self.is_served());
            if served && at >= calm {
                break;
            }
        }
        served.then_some(down)
    }

    /// Every router's addresses are with somebody who serves.
    fn is_served(&self) -> bool {
        let by = |node: usize, router: usize| {
            self.lan.nodes()[node].runs() && self.serves[node] && self.lan.owns(node, router)
        };
        (0..self.lan.routers()).all(|router| by(0, router) || by(1, router))
    }
}

/// Where adverts come from: as configured, or one as good as the other.
fn source(config: &RouterConfig, node: usize) -> IpAddr {
    let stand_in = Ipv4Addr::from([192, 0, 2, if node == 0 { 1 } else { 2 }]);
    config.source.unwrap_or(stand_in.into())
}

#[cfg(test)]
mod tests;
