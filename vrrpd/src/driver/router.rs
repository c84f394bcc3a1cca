//! One virtual router at work: its election, what it sends, what it counts.

use std::net::IpAddr;
use std::time::Instant;

use config::{Audience, Preempt, RouterConfig};
use process::messages::Resumable;
use tokio::sync::watch;
use tracing::{info, warn};
use vocabulary::{Family, Name, Priority, RouterId};

use super::counters::{Discards, Lines};
use super::differences::Differences;
use super::ports::Ports;
use super::record::{Record, evidence, millis};
use super::voice::Voice;
use crate::io::port::Port;
use crate::occurrence::Occurrences;
use crate::status::{ActiveStatus, Evidence, RouterStatus};
use vrrp::election::{
    Action, Election, Event, Received, Release, Settings, State, Transition, Version, group, timing,
};
use vrrp::wire::{Claim, Discard, Expectation, Heard};
use vrrp::wish::{Wanted, Wish};

/// What surrounds a router: told as a state, for only the latest counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// The interface's index and our address there, while both are usable.
    pub place: Option<Place>,
    /// The priority that tracking leaves.
    pub priority: Priority,
    /// Everything tracked has told its state once.
    pub proven: bool,
}

/// Where a router is on the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The interface's index.
    pub index: u32,
    /// The source address of our adverts.
    pub source: IpAddr,
    /// Bits of its prefix.
    pub prefix_len: u8,
}

/// A router at work.
pub(super) struct Router {
    config: RouterConfig,
    election: Election,
    expectation: Expectation,
    place: Option<Place>,
    proven: bool,
    /// A predecessor was Active; until then we may go on for it.
    resume_until: Option<Instant>,
    /// Told to end.
    stopping: bool,
    voice: Voice,
    wish: watch::Sender<Wish>,
    received: u64,
    discards: Discards,
    record: Record,
    differences: Differences,
    /// The last change that its siblings have not been told.
    news: Option<Transition>,
    /// The one peer that is to hear that we resign.
    heir: Option<IpAddr>,
}

impl Router {
    pub(super) fn new(
        config: RouterConfig,
        wish: watch::Sender<Wish>,
        resume_until: Option<Instant>,
        occurrences: Occurrences,
        now: Instant,
    ) -> Self {
        let unknown = unspecified(config.id.family);
        Self {
            election: Election::new(Settings::of(&config, config.priority, unknown)),
            expectation: Expectation::of(&config, unknown, 0),
            voice: Voice::new(&config),
            record: Record::new(config.id.clone(), occurrences, now),
            config,
            place: None,
            proven: false,
            resume_until,
            stopping: false,
            wish,
            received: 0,
            discards: Discards::default(),
            differences: Differences::default(),
            news: None,
            heir: None,
        }
    }

    pub(super) fn config(&self) -> &RouterConfig {
        &self.config
    }

    pub(super) fn id(&self) -> &RouterId {
        &self.config.id
    }

    pub(super) fn expectation(&self) -> &Expectation {
        &self.expectation
    }

    /// Whether it belongs to this sync group.
    pub(super) fn is_of(&self, group: &Name) -> bool {
        self.config.sync_group.as_ref() == Some(group)
    }

    /// Whether `port` is that of its interface and family.
    pub(super) fn is_at(&self, port: &Port) -> bool {
        self.config.interface == *port.interface() && self.config.id.family == port.family()
    }

    /// Whether it hears what comes to `port`.
    pub(super) fn hears(&self, port: &Port) -> bool {
        self.place.is_some() && self.is_at(port)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.election.deadline().into_iter().chain(self.resume_until).min()
    }

    /// Whether others rely on its next deed: it has the addresses.
    pub(super) fn is_relied_on(&self) -> bool {
        matches!(self.election.state(), State::Active(_) | State::Releasing { .. })
    }

    /// Whether it was told to end, and has.
    pub(super) fn has_ended(&self) -> bool {
        self.stopping && *self.election.state() == State::Initialize
    }

    /// How often its state changed.
    pub(super) fn changes(&self) -> u64 {
        self.record.count()
    }

    /// What a successor may go on with, were we to die now.
    pub(super) fn resumable(&self, now: Instant) -> Option<Resumable> {
        let State::Active(active) = self.election.state() else { return None };
        let until = active.advertised_at + timing::soonest_takeover(self.config.advert_interval);
        let within_ms = until.saturating_duration_since(now).as_millis();
        Some(Resumable {
            router: self.id().clone(),
            within_ms: u64::try_from(within_ms).unwrap_or(0),
        })
    }

    /// The configuration changed in what a running router can take over.
    pub(super) fn reconfigure(&mut self, config: RouterConfig, now: Instant, ports: &Ports) {
        let evidence = evidence(&self.election, None, now);
        let settings = *self.election.settings();
        let anew = Settings::of(&config, settings.priority, settings.address);
        let actions = self.election.reconfigure(anew, now);
        let prefix = self.expectation.own_prefix;
        self.expectation = Expectation::of(&config, settings.address, prefix);
        self.voice.reconfigure(&config);
        self.config = config;
        self.act(actions, evidence, now, ports);
    }

    /// Tracking, interface or address changed.
    pub(super) fn surrounded_by(
        &mut self,
        surroundings: Surroundings,
        now: Instant,
        ports: &Ports,
    ) {
        let Surroundings { place, priority, proven } = surroundings;
        let moved = self.place.is_some() && place.is_some() && self.place != place;
        if place.is_none() || moved {
            self.event(Event::Fault, now, ports);
        }
        self.place = place;
        self.proven = proven;
        if let Some(place) = place {
            self.election.set_address(place.source);
            self.expectation.own = place.source;
            self.expectation.own_prefix = place.prefix_len;
        }
        self.event(Event::PriorityChanged(priority), now, ports);
        self.start_if_ready(now, ports);
    }

    fn start_if_ready(&mut self, now: Instant, ports: &Ports) {
        let idle = *self.election.state() == State::Initialize;
        if !idle || self.stopping || self.place.is_none() {
            return;
        }
        match self.resume_until {
            Some(until) if now < until => {
                self.resume_until = None;
                return self.event(Event::Resume, now, ports);
            }
            Some(_) => self.let_go_of_legacy(),
            None => {}
        }
        if self.proven {
            self.event(Event::Startup, now, ports);
        }
    }

    /// Ends in order: now for a Backup, once relieved for an Active router. Told twice, at once.
    pub(super) fn stop(&mut self, now: Instant, ports: &Ports) {
        self.stopping = true;
        self.event(Event::Shutdown, now, ports);
    }

    pub(super) fn tick(&mut self, now: Instant, ports: &Ports) {
        if self.resume_until.is_some_and(|until| now >= until) {
            self.let_go_of_legacy();
        }
        if self.election.deadline().is_some_and(|deadline| now >= deadline) {
            self.event(Event::Tick, now, ports);
        }
    }

    /// It is too late to go on for a predecessor, whose addresses are still here.
    fn let_go_of_legacy(&mut self) {
        self.resume_until = None;
        self.wish.send_modify(|wish| wish.wanted = Wanted::Release(Release::AtOnce));
    }

    pub(super) fn heard(&mut self, heard: &Heard, lines: &mut Lines, now: Instant, ports: &Ports) {
        self.received += 1;
        self.voice.imitate(&self.config, heard);
        self.differences.note(&self.config, heard, lines, now);
        let Heard { source, advert, .. } = heard;
        let received = Received { source: *source, claim: advert.claim, interval: advert.interval };
        self.event(Event::Received(received), now, ports);
    }

    pub(super) fn discarded(
        &mut self,
        discard: Discard,
        source: Option<IpAddr>,
        lines: &mut Lines,
        now: Instant,
    ) {
        let times = self.discards.count_and_tell(discard, source, lines, now);
        let Some(times) = times else { return };
        self.record.discarded(discard, source, times);
        let from = source.map_or_else(|| "?".to_owned(), |source| source.to_string());
        if discard.splits_the_pair() {
            warn!(router = %self.id(), %from, reason = %discard, times, "discarded a peer's advert: as long as this lasts, both nodes may be Active");
        } else {
            info!(router = %self.id(), %from, reason = %discard, times, "discarded an advert");
        }
    }

    pub(super) fn event(&mut self, event: Event, now: Instant, ports: &Ports) {
        let due = self.deadline().filter(|_| event == Event::Tick);
        let evidence = evidence(&self.election, due, now);
        let actions = self.election.handle(event, now);
        self.act(actions, evidence, now, ports);
    }

    fn act(&mut self, actions: Vec<Action>, evidence: Evidence, now: Instant, ports: &Ports) {
        for action in actions {
            match action {
                Action::Advertise(claim) => self.advertise(claim, now, ports),
                Action::ClaimAddresses => self.wish.send_modify(|wish| wish.wanted = Wanted::Hold),
                Action::ReleaseAddresses(release) => {
                    self.wish.send_modify(|wish| wish.wanted = Wanted::Release(release));
                }
                Action::Announce => self.wish.send_modify(|wish| wish.announcements += 1),
                Action::Transition(transition) => self.changed(transition, evidence, now),
            }
        }
    }

    /// Hands the addresses over: to the peer of our family in `to`, if there is one. It alone hears of it
    /// then, and takes over long before anybody else misses an advert.
    pub(super) fn hand_over(&mut self, to: &[IpAddr], now: Instant, ports: &Ports) {
        let is_v4 = self.id().family == Family::Ipv4;
        let heir = to.iter().copied().find(|peer| peer.is_ipv4() == is_v4);
        if let (Some(heir), Audience::Peers(peers)) = (heir, &self.config.audience)
            && !peers.contains(&heir)
        {
            return warn!(router = %self.id(), %heir, "does not hand over: this is none of its peers");
        }
        self.heir = heir;
        self.event(Event::HandOver, now, ports);
        self.heir = None;
    }

    fn advertise(&mut self, claim: Claim, now: Instant, ports: &Ports) {
        let Some(place) = self.place else { return };
        let heir = self.heir.filter(|_| claim == Claim::Resign);
        self.voice.say(claim, heir, &self.config, place.source, ports, now);
    }

    fn changed(&mut self, transition: Transition, evidence: Evidence, now: Instant) {
        let Transition { from, to, cause } = transition;
        info!(router = %self.id(), %from, %to, priority = %self.election.settings().priority, "{cause}");
        self.news = Some(transition);
        self.record.changed(transition, evidence, now);
    }

    pub(super) fn status(&self, now: Instant) -> RouterStatus {
        let settings = self.election.settings();
        let preempt_delay_ms = match self.config.preempt {
            Preempt::Never => None,
            Preempt::After(delay) => Some(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)),
        };
        let belongings = &self.config.belongings;
        RouterStatus {
            id: self.config.id.clone(),
            interface: self.config.interface.clone(),
            vrid: self.config.vrid,
            version: match settings.version {
                Version::V2 => 2,
                Version::V3 => 3,
            },
            state: self.election.state().name(),
            since_ms: self.record.since_ms(now),
            transitions: self.record.count(),
            priority: self.config.priority,
            effective_priority: settings.priority,
            preempt_delay_ms,
            advert_interval: self.config.advert_interval,
            source: self.place.map(|place| place.source),
            addresses: belongings.addresses.iter().map(|config| config.address).collect(),
            // Known to the address keeper.
            deletions: 0,
            lease_left_ms: None,
            timer_ms: self.election.deadline().map(|at| millis(at.saturating_duration_since(now))),
            active: self.active(),
            trackers: Vec::new(),
            sent: self.voice.sent,
            send_errors: self.voice.errors,
            received: self.received,
            discarded: self.discards.totals(),
            rivals: Vec::new(),
            mismatch: self.differences.mismatch(now),
            history: self.record.history(now),
        }
    }

    fn active(&self) -> Option<ActiveStatus> {
        let State::Backup(backup) = self.election.state() else { return None };
        let following = backup.following?;
        Some(ActiveStatus {
            address: following.source,
            priority: following.priority,
            interval: following.interval,
        })
    }
}

impl group::Member for Router {
    fn group(&self) -> Option<&Name> {
        self.config.sync_group.as_ref()
    }

    fn state(&self) -> &State {
        self.election.state()
    }

    fn take_news(&mut self) -> Option<Transition> {
        self.news.take()
    }
}

fn unspecified(family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => IpAddr::from([0; 4]),
        Family::Ipv6 => IpAddr::from([0_u8; 16]),
    }
}
