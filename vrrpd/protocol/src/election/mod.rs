//! One virtual router's election (RFC 9568 §6.4, RFC 3768 §6.4), as a value.
//!
//! Time and packets come in as arguments, what to do goes out as [`Action`]s. There are no timers to start or
//! stop: each [`State`] holds its deadlines, and [`Election::deadline`] tells the next.
//!
//! Beyond the RFC, each with its reason at the place:
//! * a Backup that may preempt takes over as soon as the Active router's priority falls below its own;
//! * a resigning router keeps its addresses until a peer is heard ([`State::Releasing`]);
//! * an Active router that was silent for so long that a peer may have taken over yields first, and a
//!   Backup that overslept its down timer listens again before it trusts in the silence;
//! * an Active router that yields to a better one answers it once, so that it announces itself again;
//! * routers of a sync group move together ([`group`]).

mod action;
mod active;
mod backup;
mod event;
pub mod group;
mod releasing;
mod state;
pub mod timing;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use config::{Audience, Preempt, RouterConfig};
use vocabulary::{AdvertInterval, Priority};

pub use self::action::{Action, Cause, Release, Transition};
pub use self::event::{Event, Received};
pub use self::state::{Active, Backup, Following, State, StateName};
use crate::wire::Claim;

/// Version of the protocol a router speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// RFC 3768.
    V2,
    /// RFC 9568.
    V3,
}

/// What the operator decided, and our address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Version of the protocol.
    pub version: Version,
    /// Effective priority.
    pub priority: Priority,
    /// Our own interval.
    pub interval: AdvertInterval,
    /// Whether to take over from a living router of lower priority.
    pub preempt: Preempt,
    /// There is exactly one peer: nobody to be skewed against.
    pub sole_peer: bool,
    /// Its siblings of a sync group become Active with it or not at all.
    pub grouped: bool,
    /// In a tie its address decides for its group; without siblings, for itself.
    pub decides_ties: bool,
    /// Our source address, for ties (RFC 9568 §6.4.3).
    pub address: IpAddr,
}

impl Settings {
    /// Of a router that is configured so, has this effective priority and speaks from this address.
    #[must_use]
    pub fn of(config: &RouterConfig, priority: Priority, address: IpAddr) -> Self {
        Self {
            version: if config.is_version_2() { Version::V2 } else { Version::V3 },
            priority,
            interval: config.advert_interval,
            preempt: config.preempt,
            grouped: config.sync_group.is_some(),
            decides_ties: config.decides_ties,
            sole_peer: matches!(&config.audience, Audience::Peers(peers) if peers.len() == 1),
            address,
        }
    }
}

/// A virtual router's election.
#[derive(Clone, Debug)]
pub struct Election {
    settings: Settings,
    state: State,
}

impl Election {
    /// A router in Initialize until [`Event::Startup`].
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, state: State::Initialize }
    }

    /// Where the election stands.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// What was decided, with the priority as tracking left it.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Our source address changed, or is known now.
    pub fn set_address(&mut self, address: IpAddr) {
        self.settings.address = address;
    }

    /// The operator decided anew; what is under way goes on.
    #[must_use]
    pub fn reconfigure(&mut self, settings: Settings, now: Instant) -> Vec<Action> {
        // Its silence so far is measured by the interval that its peers know of.
        let mut actions = self.yield_if_late(now);
        let paced = settings.interval == self.settings.interval;
        self.settings = settings;
        match self.state {
            State::Active(active) if !paced => actions.extend(self.advertise_anew(active, now)),
            // Nobody was heard yet whose interval would count.
            State::Backup(backup) if !paced && backup.following.is_none() => {
                let active_down_at = backup.heard_at + self.down_interval(settings.interval);
                let listen_until = backup.listen_until.min(active_down_at);
                self.state = State::Backup(Backup { active_down_at, listen_until, ..backup });
            }
            State::Active(_) | State::Backup(_) | State::Initialize | State::Releasing { .. } => {}
        }
        actions
    }

    /// The next instant at which [`Event::Tick`] has work to do; none while there is nothing to wait for.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Initialize => None,
            // Its siblings' deadlines count now.
            State::Backup(Backup { waits: Some(_), .. }) => None,
            State::Backup(Backup { active_down_at, .. }) => Some(active_down_at),
            State::Active(Active { advertise_at, .. }) => Some(advertise_at),
            State::Releasing { until, .. } => Some(until),
        }
    }

    /// Feeds one event; returns what to do about it, in order.
    #[must_use]
    pub fn handle(&mut self, event: Event, now: Instant) -> Vec<Action> {
        let mut actions = self.yield_if_late(now);
        actions.extend(self.react(event, now));
        actions
    }

    /// Every state meets every event; an empty list says that nothing is to be done.
    fn react(&mut self, event: Event, now: Instant) -> Vec<Action> {
        match (self.state, event) {
            (State::Initialize, Event::Startup) => self.start(now),
            (State::Initialize, Event::Resume) => self.become_active(Cause::Resumed, now),
            // §6.4.1: nothing else counts before Startup.
            (State::Initialize, Event::PriorityChanged(priority)) => {
                self.settings.priority = priority;
                vec![]
            }
            (
                State::Initialize,
                Event::Tick
                | Event::Received(_)
                | Event::Shutdown
                | Event::Fault
                | Event::Join
                | Event::Yield
                | Event::HandOver
                | Event::Reclaim,
            ) => vec![],

            (State::Backup(backup), Event::Tick)
                if now >= backup.active_down_at && backup.waits.is_none() =>
            {
                self.active_down(backup, now)
            }
            (State::Backup(backup), Event::Received(advert)) => {
                self.backup_received(backup, advert, now)
            }
            (State::Backup(_), Event::PriorityChanged(priority)) => {
                self.settings.priority = priority;
                vec![]
            }
            (State::Backup(backup), Event::Join) => {
                self.become_active(backup.waits.unwrap_or(Cause::Joined), now)
            }
            (State::Backup(backup), Event::Reclaim) => {
                self.state = State::Backup(Backup { defers: false, ..backup });
                vec![]
            }
            (State::Backup(_), Event::Shutdown) => self.initialize(Cause::Stopped),
            (State::Backup(_), Event::Fault) => self.initialize(Cause::Fault),
            (
                State::Backup(_),
                Event::Tick | Event::Startup | Event::Resume | Event::Yield | Event::HandOver,
            ) => vec![],

            (State::Active(active), Event::Tick) if now >= active.advertise_at => {
                self.advertise(active, now)
            }
            (State::Active(active), Event::Received(advert)) => {
                self.active_received(active, advert, now)
            }
            (State::Active(active), Event::PriorityChanged(priority)) => {
                self.active_priority_changed(active, priority, now)
            }
            (State::Active(_), Event::Shutdown) => self.resign(false, Cause::Stopped, now),
            (State::Active(_), Event::HandOver) => self.resign(true, Cause::HandingOver, now),
            (State::Active(_), Event::Fault) => self.release(Release::AtOnce, Cause::Fault),
            (State::Active(_), Event::Yield) => self.yield_with_siblings(now),
            (
                State::Active(_),
                Event::Tick | Event::Startup | Event::Resume | Event::Join | Event::Reclaim,
            ) => vec![],

            (State::Releasing { until, stays }, event) => self.releasing(until, stays, event, now),
        }
    }

    /// §6.4.1.
    fn start(&mut self, now: Instant) -> Vec<Action> {
        if self.settings.priority.is_owner() {
            return self.become_active(Cause::Owner, now);
        }
        let down = self.down_interval(self.settings.interval);
        self.become_backup(Backup::listening(now, now + down), Cause::Started)
    }

    /// Nothing speaks against becoming Active; in a sync group, nothing but the siblings.
    fn take_over(&mut self, backup: Backup, cause: Cause, now: Instant) -> Vec<Action> {
        if !self.settings.grouped {
            return self.become_active(cause, now);
        }
        self.state = State::Backup(Backup { waits: Some(cause), ..backup });
        vec![]
    }

    /// §6.4.2: the advert first, for it stops the others; then addresses and announcements.
    fn become_active(&mut self, cause: Cause, now: Instant) -> Vec<Action> {
        let active = Active {
            advertise_at: now + self.settings.interval.duration(),
            advertised_at: now,
            answered_at: None,
            tied_until: None,
        };
        let transition = self.enter(State::Active(active), cause);
        vec![self.lead(), Action::ClaimAddresses, transition]
    }

    fn become_backup(&mut self, backup: Backup, cause: Cause) -> Vec<Action> {
        vec![self.enter(State::Backup(backup), cause)]
    }

    fn initialize(&mut self, cause: Cause) -> Vec<Action> {
        vec![self.enter(State::Initialize, cause)]
    }

    fn release(&mut self, release: Release, cause: Cause) -> Vec<Action> {
        vec![Action::ReleaseAddresses(release), self.enter(State::Initialize, cause)]
    }

    fn enter(&mut self, state: State, cause: Cause) -> Action {
        let (from, to) = (self.state.name(), state.name());
        self.state = state;
        Action::Transition(Transition { from, to, cause })
    }

    fn lead(&self) -> Action {
        Action::Advertise(Claim::Lead(self.settings.priority))
    }

    /// §6.1: version 3 takes the Active router's interval for its own; version 2 has one for all.
    fn learn(&self, theirs: AdvertInterval) -> AdvertInterval {
        match self.settings.version {
            Version::V2 => self.settings.interval,
            Version::V3 => theirs,
        }
    }

    fn learned_interval(&self, backup: &Backup) -> AdvertInterval {
        backup.following.map_or(self.settings.interval, |following| self.learn(following.interval))
    }

    fn down_interval(&self, interval: AdvertInterval) -> Duration {
        timing::active_down_interval(self.settings.version, self.settings.priority, interval)
    }
}

#[cfg(test)]
mod tests;
