//! One virtual router at work, as a value: its election, where it is, and what its adverts look like.
//!
//! ```text
//! adverts, time, surroundings, commands ─► Core::handle ─► Effects, in order
//! ```
//! The advert thread feeds it and carries the effects out: it has the sockets and the clock, and decides
//! nothing. The simulation does the same with a network of its own.

mod contest;
mod effect;
mod input;
mod packet;
mod surroundings;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use config::{Audience, RouterConfig};
use vocabulary::{Family, Name, RouterId};

use self::contest::Contest;
pub use self::contest::Contested;
use self::effect::Before;
pub use self::effect::{Effect, Evidence, LastHeard};
pub use self::input::Input;
pub use self::surroundings::{Place, Surroundings, share_faults};
use crate::desired::{DesiredState, Ownership};
use crate::election::{
    Action, Election, Event, Following, Release, Settings, State, Transition, group, timing,
};
use crate::wire::{Claim, Coverage, Expectation};

/// A virtual router. Clones go their own ways.
#[derive(Clone, Debug)]
pub struct Core {
    config: Arc<RouterConfig>,
    election: Election,
    expectation: Arc<Expectation>,
    /// What the checksum of our adverts covers.
    coverage: Coverage,
    place: Option<Place>,
    proven: bool,
    /// A predecessor was Active; until then we may go on for it.
    resume_until: Option<Instant>,
    stopping: bool,
    desired: DesiredState,
    contest: Contest,
    /// The last change of state that its siblings do not know of.
    news: Option<Transition>,
}

impl Core {
    /// A router that waits in Initialize for its [`Surroundings`]. `resume_until` is until when it may go on
    /// as Active for a predecessor that died; none: there was none.
    #[must_use]
    pub fn new(config: Arc<RouterConfig>, resume_until: Option<Instant>) -> Self {
        let unknown = unspecified(config.id.family);
        Self {
            election: Election::new(Settings::of(&config, config.priority, unknown)),
            expectation: Arc::new(Expectation::of(&config, unknown, 0)),
            coverage: packet::coverage(&config),
            config,
            place: None,
            proven: false,
            resume_until,
            stopping: false,
            desired: Self::first_desire(resume_until.is_some()),
            contest: Contest::default(),
            news: None,
        }
    }

    /// What is desired of the addresses before anything was decided; `resumes`: a predecessor was Active.
    #[must_use]
    pub fn first_desire(resumes: bool) -> DesiredState {
        if resumes { DesiredState::INHERITED } else { DesiredState::RELEASED }
    }

    /// As configured.
    #[must_use]
    pub fn config(&self) -> &Arc<RouterConfig> {
        &self.config
    }

    /// Its name and family.
    #[must_use]
    pub fn id(&self) -> &RouterId {
        &self.config.id
    }

    /// What it expects of its peers' adverts.
    #[must_use]
    pub fn expectation(&self) -> &Expectation {
        &self.expectation
    }

    /// Its election.
    #[must_use]
    pub fn election(&self) -> &Election {
        &self.election
    }

    /// What is desired of its addresses.
    #[must_use]
    pub fn desired(&self) -> DesiredState {
        self.desired
    }

    /// Where it is; none: its interface is down or has no address for it.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        self.place
    }

    /// The Active router that it follows as a Backup.
    #[must_use]
    pub fn following(&self) -> Option<Following> {
        let State::Backup(backup) = self.election.state() else { return None };
        backup.following
    }

    /// When [`Input::Tick`] has work to do; none while there is nothing to wait for.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        [self.due(), self.contest.deadline()].into_iter().flatten().min()
    }

    /// When the election has something to decide.
    fn due(&self) -> Option<Instant> {
        [self.election.deadline(), self.resume_until].into_iter().flatten().min()
    }

    /// Whether others rely on what it does next: it has the addresses.
    #[must_use]
    pub fn is_relied_on(&self) -> bool {
        matches!(self.election.state(), State::Active(_) | State::Releasing { .. })
    }

    /// Whether it was told to stop, and has.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.stopping && *self.election.state() == State::Initialize
    }

    /// For how long a successor may go on as Active, were we to die now; none: it is not Active.
    #[must_use]
    pub fn resumable(&self, now: Instant) -> Option<Duration> {
        let State::Active(active) = self.election.state() else { return None };
        let until = active.advertised_at + timing::soonest_takeover(self.config.advert_interval);
        Some(until.saturating_duration_since(now))
    }

    /// Feeds one input; returns what to do about it, in order.
    #[must_use]
    pub fn handle(&mut self, input: Input<'_>, now: Instant) -> Vec<Effect> {
        match input {
            Input::Received { advert, coverage } => {
                self.follow_checksum(coverage);
                let was_active = matches!(self.election.state(), State::Active(_));
                let mut effects = self.event(Event::Received(advert), now);
                if was_active {
                    let settings = self.election.settings();
                    let contested = self.contest.heard(&advert, settings, now);
                    effects.extend(contested.map(Effect::Contested));
                }
                effects
            }
            Input::Tick => self.tick(now),
            Input::Surroundings(surroundings) => self.surrounded_by(surroundings, now),
            Input::Configuration(config) => self.reconfigure(config, now),
            Input::HandOver(to) => self.hand_over(to, now),
            Input::Reclaim => self.event(Event::Reclaim, now),
            Input::Sibling(event) => self.event(event, now),
            Input::Stop => {
                self.stopping = true;
                self.event(Event::Shutdown, now)
            }
        }
    }

    fn reconfigure(&mut self, config: Arc<RouterConfig>, now: Instant) -> Vec<Effect> {
        let before = self.before(None, now);
        let settings = *self.election.settings();
        let anew = Settings::of(&config, settings.priority, settings.address);
        let actions = self.election.reconfigure(anew, now);
        let prefix = self.expectation.own_prefix;
        self.expectation = Arc::new(Expectation::of(&config, settings.address, prefix));
        self.coverage = packet::coverage(&config);
        self.config = config;
        self.effects(actions, before, None)
    }

    fn surrounded_by(&mut self, surroundings: Surroundings, now: Instant) -> Vec<Effect> {
        let Surroundings { place, priority, proven } = surroundings;
        let moved = self.place.is_some() && place.is_some() && self.place != place;
        let mut effects = vec![];
        if place.is_none() || moved {
            effects = self.event(Event::Fault, now);
        }
        self.proven = proven;
        if let Some(here) = place.filter(|_| self.place != place) {
            self.election.set_address(here.source);
            let expectation = Arc::make_mut(&mut self.expectation);
            (expectation.own, expectation.own_prefix) = (here.source, here.prefix_len);
        }
        self.place = place;
        effects.extend(self.event(Event::PriorityChanged(priority), now));
        effects.extend(self.start_if_ready(now));
        effects
    }

    fn start_if_ready(&mut self, now: Instant) -> Vec<Effect> {
        let idle = *self.election.state() == State::Initialize;
        if !idle || self.stopping || self.place.is_none() {
            return vec![];
        }
        let mut effects = vec![];
        match self.resume_until {
            Some(until) if now < until => {
                self.resume_until = None;
                return self.event(Event::Resume, now);
            }
            Some(_) => effects.push(self.release_inherited()),
            None => {}
        }
        if self.proven {
            effects.extend(self.event(Event::Startup, now));
        }
        effects
    }

    fn tick(&mut self, now: Instant) -> Vec<Effect> {
        let mut effects = vec![];
        if self.resume_until.is_some_and(|until| now >= until) {
            effects.push(self.release_inherited());
        }
        if self.election.deadline().is_some_and(|deadline| now >= deadline) {
            effects.extend(self.event(Event::Tick, now));
        }
        if let Some(contested) = self.contest.tick(now) {
            // Hosts may have believed the other's last announcement.
            self.desired.announcements += 1;
            effects.extend([Effect::Desire(self.desired), Effect::Contested(contested)]);
        }
        effects
    }

    /// It is too late to go on for a predecessor, whose addresses are still here.
    fn release_inherited(&mut self) -> Effect {
        self.resume_until = None;
        self.desire(Ownership::Release(Release::AtOnce))
    }

    /// To the peer of our family in `to`, if there is one. It alone hears of it then, and takes over long
    /// before anybody else misses an advert.
    fn hand_over(&mut self, to: &[IpAddr], now: Instant) -> Vec<Effect> {
        let is_v4 = self.id().family == Family::Ipv4;
        let only = to.iter().copied().find(|peer| peer.is_ipv4() == is_v4);
        if let (Some(peer), Audience::Peers(peers)) = (only, &self.config.audience)
            && !peers.contains(&peer)
        {
            return vec![Effect::HandoverRefused { peer }];
        }
        let before = self.before(None, now);
        let actions = self.election.handle(Event::HandOver, now);
        self.effects(actions, before, only)
    }

    fn event(&mut self, event: Event, now: Instant) -> Vec<Effect> {
        let due = self.due().filter(|_| event == Event::Tick);
        let before = self.before(due, now);
        let actions = self.election.handle(event, now);
        self.effects(actions, before, None)
    }

    /// What the election's actions come to. `only` is the one peer that is to hear that we resign.
    fn effects(
        &mut self,
        actions: Vec<Action>,
        before: Before,
        only: Option<IpAddr>,
    ) -> Vec<Effect> {
        self.contest.follow(self.election.state(), before.now);
        let mut effect = |action| match action {
            Action::Advertise(claim) => {
                Effect::Advertise { claim, only: only.filter(|_| claim == Claim::Resign) }
            }
            Action::ClaimAddresses => self.desire(Ownership::Hold),
            Action::ReleaseAddresses(release) => self.desire(Ownership::Release(release)),
            Action::Announce => {
                self.desired.announcements += 1;
                Effect::Desire(self.desired)
            }
            Action::Transition(transition) => {
                self.news = Some(transition);
                Effect::Changed { transition, evidence: before.evidence() }
            }
        };
        actions.into_iter().map(&mut effect).collect()
    }

    fn desire(&mut self, ownership: Ownership) -> Effect {
        self.desired.ownership = ownership;
        Effect::Desire(self.desired)
    }

    /// What is known when an event comes, before the election forgets it. `due` is when the event should
    /// have come, if that was known.
    fn before(&self, due: Option<Instant>, now: Instant) -> Before {
        let priority = self.election.settings().priority;
        Before { state: *self.election.state(), priority, due, now }
    }
}

impl group::Member for Core {
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

#[cfg(test)]
mod tests;
