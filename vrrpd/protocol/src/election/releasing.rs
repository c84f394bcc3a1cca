//! What a router does that has resigned and serves until a peer does. It is Active to the network,
//! and to itself on its way out.

use std::time::Instant;

use vocabulary::Priority;

use super::{Action, Backup, Cause, Election, Event, Following, Received, Release, State, timing};
use crate::wire::Claim;

impl Election {
    /// §6.4.3, Shutdown: priority 0. The addresses stay until a peer has them.
    pub(super) fn resign(&mut self, stays: bool, cause: Cause, now: Instant) -> Vec<Action> {
        let limit = timing::relief_limit(self.settings.version, self.settings.interval);
        let transition = self.enter(State::Releasing { until: now + limit, stays }, cause);
        vec![Action::Advertise(Claim::Resign), transition]
    }

    pub(super) fn releasing(
        &mut self,
        until: Instant,
        stays: bool,
        event: Event,
        now: Instant,
    ) -> Vec<Action> {
        match event {
            Event::Tick if now < until => vec![],
            Event::Tick if stays => self.become_active(Cause::NotRelieved, now),
            // It hands over no longer; a peer that took over meanwhile is met as any other.
            Event::Reclaim if stays => self.become_active(Cause::Reclaimed, now),
            Event::Received(advert) => match advert.claim {
                Claim::Lead(priority) => self.relieved(stays, advert, priority, now),
                Claim::Resign => vec![],
            },
            Event::Shutdown if stays => {
                self.state = State::Releasing { until, stays: false };
                vec![]
            }
            Event::Tick | Event::Shutdown => {
                // The first may have been lost.
                let mut actions = vec![Action::Advertise(Claim::Resign)];
                actions.extend(self.release(Release::AtOnce, Cause::Unrelieved));
                actions
            }
            Event::Fault => self.release(Release::AtOnce, Cause::Fault),
            Event::PriorityChanged(priority) => {
                self.settings.priority = priority;
                vec![]
            }
            Event::Startup
            | Event::Resume
            | Event::Join
            | Event::Yield
            | Event::HandOver
            | Event::Reclaim => vec![],
        }
    }

    fn relieved(
        &mut self,
        stays: bool,
        advert: Received,
        priority: Priority,
        now: Instant,
    ) -> Vec<Action> {
        // A peer that cannot serve does not keep the addresses from one that can.
        let helps = priority > Priority::UNUSABLE || self.settings.priority == Priority::UNUSABLE;
        if stays && !helps {
            return self.become_active(Cause::NotRelieved, now);
        }
        let cause = Cause::Relieved { peer: advert.source };
        // It may have been Active all along, beyond a cut that kept our resignation from it. Told
        // again, it announces the addresses to those who believe that they are here.
        let mut actions = vec![Action::Advertise(Claim::Resign)];
        if !stays {
            actions.extend(self.release(Release::Relieved, cause));
            return actions;
        }
        let following = Following { source: advert.source, priority, interval: advert.interval };
        let active_down_at = now + self.down_interval(self.learn(advert.interval));
        let backup = Backup { defers: true, ..Backup::after(following, now, active_down_at) };
        actions.push(Action::ReleaseAddresses(Release::Relieved));
        actions.extend(self.become_backup(backup, cause));
        actions
    }
}
