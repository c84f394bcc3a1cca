//! Which of the claims that are heard for a node's addresses are conflicts, and not a peer's frames around
//! a move (RFC 5227). Values only.
//!
//! Around a move both nodes speak for an address: who takes over announces it before the other has let
//! go, and of the other a frame may still be on its way. So a claim counts if the address had been held
//! for a while when it came, and still is a moment later.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::wire::address_sender::AddressSender;

/// For so long after this node took an address, its peer's frames may arrive: those of a release with its
/// clients (60 ms), on machines that are busy.
pub const SETTLED: Duration = Duration::from_secs(1);

/// Between hearing a claim and judging it: whoever takes over in order claims while this node lets go.
pub const GRACE: Duration = Duration::from_millis(100);

/// Claimants that wait for their judgement; while there are so many, others say nothing new.
const WAITING: usize = 64;

/// The claims heard on an interface.
#[derive(Clone, Debug, Default)]
pub struct Claims {
    held_since: BTreeMap<IpAddr, Instant>,
    waiting: Vec<Waiting>,
}

#[derive(Clone, Debug)]
struct Waiting {
    sender: AddressSender,
    times: u64,
    due: Instant,
}

impl Claims {
    /// The node holds exactly these addresses now.
    pub fn holds(&mut self, addresses: impl IntoIterator<Item = IpAddr>, now: Instant) {
        let before = std::mem::take(&mut self.held_since);
        let since = |ip| (ip, before.get(&ip).copied().unwrap_or(now));
        self.held_since = addresses.into_iter().map(since).collect();
    }

    /// A station was heard to claim an address.
    pub fn heard(&mut self, sender: AddressSender, now: Instant) {
        if !self.has_settled(sender.address, now) {
            return;
        }
        if let Some(known) = self.waiting.iter_mut().find(|known| known.sender == sender) {
            known.times += 1;
        } else if self.waiting.len() < WAITING {
            self.waiting.push(Waiting { sender, times: 1, due: now + GRACE });
        }
    }

    /// When [`Self::due`] has something to say.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.waiting.iter().map(|waiting| waiting.due).min()
    }

    /// The conflicts that are certain by now, each with how often it was heard.
    #[must_use]
    pub fn due(&mut self, now: Instant) -> Vec<(AddressSender, u64)> {
        let (due, waiting) =
            std::mem::take(&mut self.waiting).into_iter().partition(|one| now >= one.due);
        self.waiting = waiting;
        let held = |one: &Waiting| self.has_settled(one.sender.address, now);
        due.into_iter().filter(held).map(|one: Waiting| (one.sender, one.times)).collect()
    }

    fn has_settled(&self, address: IpAddr, now: Instant) -> bool {
        self.held_since.get(&address).is_some_and(|since| now >= *since + SETTLED)
    }
}

#[cfg(test)]
mod tests {
    use pnet_base::MacAddr;

    use super::*;

    const VIP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 77, 0, 100));
    const PEER: AddressSender =
        AddressSender { address: VIP, mac: MacAddr(2, 0x77, 0, 0, 0, 0x0C) };

    /// A step of a story: milliseconds, and what happens.
    enum Step {
        /// The node takes the address.
        Takes,
        /// It lets go of it.
        LetsGo,
        /// The peer is heard.
        Peer,
    }
    use Step::{LetsGo, Peer, Takes};

    /// How often the peer was said to be in conflict, by the milliseconds at which it was.
    fn told(story: &[(u64, Step)]) -> Vec<(u64, u64)> {
        #[expect(clippy::disallowed_methods, reason = "a start for the virtual clock")]
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut claims = Claims::default();
        let mut told = Vec::new();
        let mut due = |claims: &mut Claims, until: u64| {
            while let Some(deadline) = claims.deadline().filter(|due| *due <= at(until)) {
                let millis = u64::try_from((deadline - start).as_millis()).unwrap();
                told.extend(claims.due(deadline).into_iter().map(|(_, times)| (millis, times)));
            }
        };
        for (millis, step) in story {
            due(&mut claims, *millis);
            match step {
                Takes => claims.holds([VIP], at(*millis)),
                LetsGo => claims.holds([], at(*millis)),
                Peer => claims.heard(PEER, at(*millis)),
            }
        }
        due(&mut claims, 1_000_000);
        told
    }

    #[test]
    fn the_peers_frames_around_a_move_are_no_conflict() {
        for (what, story) in [
            (
                "we give it away: it announces, we let go",
                vec![(0, Takes), (9_000, Peer), (9_060, LetsGo)],
            ),
            ("we take it back: its burst is just over", vec![(0, Peer), (1, Takes), (90, Peer)]),
            ("a reply of before is late", vec![(0, Takes), (999, Peer)]),
            (
                "back and forth within a burst",
                vec![
                    (0, Takes),
                    (1_500, Peer),
                    (1_560, LetsGo),
                    (1_600, Peer),
                    (1_610, Takes),
                    (1_650, Peer),
                ],
            ),
            (
                "it is gone before it is judged, and back",
                vec![(0, Takes), (5_000, Peer), (5_010, LetsGo), (5_050, Takes)],
            ),
            ("we never had it", vec![(0, Peer), (500, Peer)]),
        ] {
            assert_eq!(told(&story), [], "{what}");
        }
    }

    #[test]
    fn whoever_claims_what_is_held_is_in_conflict() {
        for (what, story, expected) in [
            ("a host that was given it", vec![(0, Takes), (1_000, Peer)], vec![(1_100, 1)]),
            ("a peer that kept it", vec![(0, Takes), (50, Peer), (1_050, Peer)], vec![(1_150, 1)]),
            (
                "several frames at once are one word",
                vec![(0, Takes), (2_000, Peer), (2_040, Peer), (2_100, Peer)],
                vec![(2_100, 2), (2_200, 1)],
            ),
        ] {
            assert_eq!(told(&story), expected, "{what}");
        }
    }

    /// An address that stays is held since it came, whatever comes beside it.
    #[test]
    fn what_is_held_stays_held() {
        #[expect(clippy::disallowed_methods, reason = "a start for the virtual clock")]
        let start = Instant::now();
        let mut claims = Claims::default();
        claims.holds([VIP], start);
        claims.holds([VIP, IpAddr::from([10, 77, 0, 101])], start + Duration::from_millis(900));
        claims.heard(PEER, start + SETTLED);
        assert_eq!(claims.due(start + SETTLED + GRACE), [(PEER, 1)]);
    }

    #[test]
    fn a_flood_of_claimants_fills_no_memory() {
        #[expect(clippy::disallowed_methods, reason = "a start for the virtual clock")]
        let start = Instant::now();
        let mut claims = Claims::default();
        claims.holds([VIP], start);
        for number in 0..1000_u16 {
            let [high, low] = number.to_be_bytes();
            let mac = MacAddr(2, 0, 0, 0, high, low);
            claims.heard(AddressSender { address: VIP, mac }, start + SETTLED);
        }
        assert_eq!(claims.due(start + SETTLED + GRACE).len(), 64);
    }
}
