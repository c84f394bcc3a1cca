//! What an Active router does (RFC 9568 §6.4.3).

use std::time::Instant;

use vocabulary::Priority;

use super::{Action, Active, Backup, Cause, Election, Following, Received, Release, State, timing};
use crate::wire::Claim;

/// Losing adverts are answered once in a quarter of the interval: a flood must not make us one.
const ANSWERS_PER_INTERVAL: u32 = 4;

/// For so many intervals a tie is left to the sibling that decides it: both its nodes advertise once in
/// each, and one advert may be lost.
const TIE_INTERVALS: u32 = 2;

impl Election {
    /// Adver_Timer ended.
    pub(super) fn advertise(&mut self, active: Active, now: Instant) -> Vec<Action> {
        let interval = self.settings.interval;
        // The cadence is kept: a late advert does not delay the next.
        let next = active.advertise_at + interval.duration();
        let advertise_at = if next > now { next } else { now + interval.duration() };
        self.state = State::Active(Active { advertise_at, advertised_at: now, ..active });
        vec![self.lead()]
    }

    /// Were we not scheduled for so long that a peer may be Active? Then yield first, look second: if
    /// one is, its adverts are waiting to be read; if we outrank it, the first takes us back.
    pub(super) fn yield_if_late(&mut self, now: Instant) -> Vec<Action> {
        let State::Active(active) = self.state else { return vec![] };
        let interval = self.settings.interval;
        let silent = now.saturating_duration_since(active.advertised_at);
        if silent < timing::soonest_takeover(interval) {
            return vec![];
        }
        let backup = Backup::yielding(now, now + self.down_interval(interval));
        // A peer that is Active learns that there was another, and announces the addresses again.
        let resign = Action::Advertise(Claim::Resign);
        let mut actions = vec![Action::ReleaseAddresses(Release::AtOnce), resign];
        actions.extend(self.become_backup(backup, Cause::Late { silent, interval }));
        actions
    }

    /// An advert passed every receive check.
    pub(super) fn active_received(
        &mut self,
        active: Active,
        advert: Received,
        now: Instant,
    ) -> Vec<Action> {
        let priority = match advert.claim {
            Claim::Lead(priority) => priority,
            Claim::Resign => {
                // Hosts may have believed whoever resigned, so the addresses are announced again.
                let mut actions = self.advertise_anew(active, now);
                actions.push(Action::Announce);
                return actions;
            }
        };
        let ours = (self.settings.priority, self.settings.address);
        // Addresses compare as unsigned numbers in network order. The preempt mode is not asked.
        if (priority, advert.source) <= ours {
            return self.answer_loser(active, now);
        }
        match self.left_to_sibling(&active, priority, now) {
            Some(until) => {
                self.state = State::Active(Active { tied_until: Some(until), ..active });
                vec![]
            }
            None => self.outranked(advert, priority, now),
        }
    }

    /// In a tie, until when a sibling may decide it: its family's or link's addresses may say the
    /// opposite. If both nodes yielded, each to another router of the other, nobody would have the
    /// addresses. None where it is ours to decide, and where the sibling's peer did not take part.
    fn left_to_sibling(&self, active: &Active, theirs: Priority, now: Instant) -> Option<Instant> {
        if self.settings.decides_ties || theirs != self.settings.priority {
            return None;
        }
        let patience = self.settings.interval.duration() * TIE_INTERVALS;
        match active.tied_until {
            Some(until) if now < until => Some(until),
            // An earlier tie is no part of this one.
            Some(until) if now < until + patience => None,
            _ => Some(now + patience),
        }
    }

    fn outranked(&mut self, advert: Received, theirs: Priority, now: Instant) -> Vec<Action> {
        let interval = self.learn(advert.interval);
        let following =
            Following { source: advert.source, priority: theirs, interval: advert.interval };
        let backup = Backup::after(following, now, now + self.down_interval(interval));
        let cause = Cause::Outranked { peer: advert.source, theirs, ours: self.settings.priority };
        // The winner may not know that somebody else was Active. Our advert tells it, and it
        // announces the addresses again.
        let mut actions = vec![self.lead(), Action::ReleaseAddresses(Release::Relieved)];
        actions.extend(self.become_backup(backup, cause));
        actions
    }

    /// Somebody else believes itself Active and loses. §6.4.3: tell it at once, without touching
    /// Adver_Timer. RFC 3768 would let the next advert tell it; keepalived does not wait either. Hosts
    /// may have believed the loser, so the addresses are announced again.
    fn answer_loser(&mut self, active: Active, now: Instant) -> Vec<Action> {
        let pause = self.settings.interval.duration() / ANSWERS_PER_INTERVAL;
        if active.answered_at.is_some_and(|answered| now < answered + pause) {
            return vec![];
        }
        self.state = State::Active(Active { advertised_at: now, answered_at: Some(now), ..active });
        vec![self.lead(), Action::Announce]
    }

    /// A peer that is better now must hear it at once, not at the next interval.
    pub(super) fn active_priority_changed(
        &mut self,
        active: Active,
        priority: Priority,
        now: Instant,
    ) -> Vec<Action> {
        if priority == self.settings.priority {
            return vec![];
        }
        self.settings.priority = priority;
        self.advertise_anew(active, now)
    }

    /// An advert now; the next is due an interval from now. A peer that is to learn our interval must
    /// know it before it waits for the next advert.
    pub(super) fn advertise_anew(&mut self, active: Active, now: Instant) -> Vec<Action> {
        let advertise_at = now + self.settings.interval.duration();
        self.state = State::Active(Active { advertise_at, advertised_at: now, ..active });
        vec![self.lead()]
    }

    /// A sibling is Backup now. The peer that has its addresses is to have ours. If it has, our
    /// advert tells it that somebody else was Active, and it announces the addresses again; if not,
    /// our resignation tells it that they are free.
    pub(super) fn yield_with_siblings(&mut self, now: Instant) -> Vec<Action> {
        let backup = Backup::yielding(now, now + self.down_interval(self.settings.interval));
        let mut actions = vec![
            self.lead(),
            Action::Advertise(Claim::Resign),
            Action::ReleaseAddresses(Release::Relieved),
        ];
        actions.extend(self.become_backup(backup, Cause::Yielded));
        actions
    }
}
