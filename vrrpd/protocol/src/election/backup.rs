//! What a Backup does (RFC 9568 §6.4.2).

use std::net::IpAddr;
use std::time::Instant;

use config::Preempt;
use vocabulary::Priority;

use super::{Action, Backup, Cause, Election, Following, Received, State, timing};
use crate::wire::Claim;

impl Election {
    /// Active_Down_Timer ended.
    pub(super) fn active_down(&mut self, backup: Backup, now: Instant) -> Vec<Action> {
        // Whoever wakes up late was deaf, not left alone: the adverts it missed may be lost. One
        // more interval tells.
        let interval = self.learned_interval(&backup).duration();
        if now.saturating_duration_since(backup.active_down_at) >= interval {
            self.state = State::Backup(Backup { active_down_at: now + interval, ..backup });
            return vec![];
        }
        let lasted = now.saturating_duration_since(backup.heard_at);
        let from = backup.following.map(|following| following.source);
        self.take_over(backup, Cause::Silence { from, lasted }, now)
    }

    /// An advert passed every receive check.
    pub(super) fn backup_received(
        &mut self,
        backup: Backup,
        advert: Received,
        now: Instant,
    ) -> Vec<Action> {
        let priority = match advert.claim {
            Claim::Resign => return self.peer_resigned(backup, advert.source, now),
            Claim::Lead(priority) => priority,
        };
        let outranking = priority < self.settings.priority;
        // A peer that cannot serve is relieved all the same.
        let defers = backup.defers && priority > Priority::UNUSABLE;
        let Preempt::After(delay) = self.settings.preempt else {
            return self.follow(backup, advert, priority, None, now);
        };
        if !outranking || defers {
            return self.follow(backup, advert, priority, None, now);
        }
        // While a better router is Active, a lesser one's advert is noise: discard, touch no timer.
        if backup.following.is_some_and(|following| {
            following.source != advert.source && following.priority >= self.settings.priority
        }) {
            return vec![];
        }
        let since = backup.outranking_since.unwrap_or(now);
        // §6.4.2 lets the down timer run out first. The Active router is heard, so there is nothing
        // to wait for: its addresses move without a gap, and a node that lost its proxy is replaced
        // within the flight of a packet.
        if now >= since + delay && now >= backup.listen_until {
            let (peer, ours) = (advert.source, self.settings.priority);
            let cause = Cause::Preempted { peer, theirs: priority, ours };
            let backup = self.following(backup, advert, priority, Some(since), now);
            return self.take_over(backup, cause, now);
        }
        self.follow(backup, advert, priority, Some(since), now)
    }

    fn peer_resigned(&mut self, backup: Backup, peer: IpAddr, now: Instant) -> Vec<Action> {
        // Another router is Active already: its first advert overtook this one. §6.4.2 would set the
        // timer to the skew and take over from it before its next.
        if backup.following.is_some_and(|following| following.source != peer) {
            return vec![];
        }
        // Skew keeps several Backups apart; one alone has nobody to wait for.
        if self.settings.sole_peer {
            return self.take_over(backup, Cause::PeerResigned { peer }, now);
        }
        let interval = self.learned_interval(&backup);
        let skew = timing::skew_time(self.settings.version, self.settings.priority, interval);
        self.state = State::Backup(Backup { active_down_at: now + skew, heard_at: now, ..backup });
        vec![]
    }

    fn follow(
        &mut self,
        backup: Backup,
        advert: Received,
        priority: Priority,
        outranking_since: Option<Instant>,
        now: Instant,
    ) -> Vec<Action> {
        let backup = self.following(backup, advert, priority, outranking_since, now);
        self.state = State::Backup(backup);
        vec![]
    }

    /// The Backup that has heard this advert of the Active router.
    fn following(
        &self,
        backup: Backup,
        advert: Received,
        priority: Priority,
        outranking_since: Option<Instant>,
        now: Instant,
    ) -> Backup {
        let following = Following { source: advert.source, priority, interval: advert.interval };
        Backup {
            active_down_at: now + self.down_interval(self.learn(advert.interval)),
            heard_at: now,
            outranking_since,
            following: Some(following),
            waits: None,
            ..backup
        }
    }
}
