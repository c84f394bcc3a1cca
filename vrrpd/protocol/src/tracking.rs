//! From the health of what is tracked to a router's priority. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use config::Tracked;
use vocabulary::{Name, Priority, TrackerHealth, Usability};

/// A router whose trackers have not told their state takes part after so long all the same, as one
/// that is unusable: somebody must have the addresses.
pub const PROOF_LIMIT: Duration = Duration::from_secs(5);

/// What is known of everything tracked.
#[derive(Clone, Debug, Default)]
pub struct Tracking {
    known: BTreeMap<Name, TrackerHealth>,
    /// What the tracked files say.
    numbers: BTreeMap<Name, i16>,
}

/// What tracking makes of a router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The effective priority.
    pub priority: Priority,
    /// Everything tracked has told its state once: the router may take part.
    pub proven: bool,
}

impl Tracking {
    /// A tracker told its health; returns whether its verdict changed.
    pub fn told(&mut self, health: TrackerHealth) -> bool {
        let before = self.state(&health.tracker);
        let after = health.state;
        self.known.insert(health.tracker.clone(), health);
        before != Some(after)
    }

    /// A tracked file holds `number` now; returns whether it is another.
    pub fn told_number(&mut self, tracker: &Name, number: i16) -> bool {
        let state = Usability::Usable;
        let health =
            TrackerHealth { tracker: tracker.clone(), usable: 1, total: 1, state, reason: None };
        self.known.insert(tracker.clone(), health);
        self.numbers.insert(tracker.clone(), number) != Some(number)
    }

    /// A reload took `tracker` away: another of its name starts afresh.
    pub fn forget(&mut self, tracker: &Name) {
        self.known.remove(tracker);
        self.numbers.remove(tracker);
    }

    /// A predecessor was Active with it: it is taken for usable until it tells, or is lost.
    pub fn presume(&mut self, tracker: &Name) {
        let state = Usability::Usable;
        let health =
            TrackerHealth { tracker: tracker.clone(), usable: 0, total: 0, state, reason: None };
        self.known.insert(tracker.clone(), health);
    }

    /// Whoever told of `tracker` is gone. Nobody can be served.
    pub fn lost(&mut self, tracker: &Name) {
        if let Some(health) = self.known.get_mut(tracker) {
            health.state = Usability::Unusable;
            health.usable = 0;
            health.reason = None;
        }
    }

    /// What is known of `tracker`.
    #[must_use]
    pub fn health(&self, tracker: &Name) -> Option<&TrackerHealth> {
        self.known.get(tracker)
    }

    /// The verdict for a router of priority `base` that tracks `trackers`.
    ///
    /// The owner's priority is never touched (RFC 9568 §5.2.4). Everyone else who cannot serve has
    /// the same low priority, so that of two such nodes neither takes the addresses from the other.
    #[must_use]
    pub fn verdict(&self, base: Priority, trackers: &[Tracked]) -> Verdict {
        let state = |tracked: &Tracked| self.state(&tracked.name);
        let unknown = |tracked| matches!(state(tracked), None | Some(Usability::Unknown));
        let proven = !trackers.iter().any(unknown);
        let priority = if base.is_owner() { base } else { self.priority(base, trackers) };
        Verdict { priority, proven }
    }

    fn priority(&self, base: Priority, trackers: &[Tracked]) -> Priority {
        let mut sum = i32::from(base.get());
        for Tracked { name, weight } in trackers {
            let usable = self.state(name) == Some(Usability::Usable);
            match (weight.map(i32::from), self.numbers.get(name)) {
                (Some(weight), Some(number)) => sum += weight * i32::from(*number),
                (Some(weight), None) if (weight > 0) == usable => sum += weight,
                (None, _) if !usable => return Priority::UNUSABLE,
                (Some(_) | None, _) => {}
            }
        }
        Priority::clamped(sum)
    }

    fn state(&self, tracker: &Name) -> Option<Usability> {
        self.known.get(tracker).map(|health| health.state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::try_from(text).unwrap()
    }

    fn health(tracker: &str, state: Usability) -> TrackerHealth {
        TrackerHealth { tracker: name(tracker), usable: 1, total: 3, state, reason: None }
    }

    fn tracked(tracker: &str, weight: Option<i16>) -> Tracked {
        Tracked { name: name(tracker), weight }
    }

    fn base() -> Priority {
        Priority::try_from(150_u8).unwrap()
    }

    fn verdict(tracking: &Tracking, trackers: &[&str]) -> (u8, bool) {
        let trackers: Vec<Tracked> = trackers.iter().map(|t| tracked(t, None)).collect();
        let Verdict { priority, proven } = tracking.verdict(base(), &trackers);
        (priority.get(), proven)
    }

    #[test]
    fn who_tracks_nothing_keeps_its_priority() {
        assert_eq!(verdict(&Tracking::default(), &[]), (150, true));
    }

    #[test]
    fn nobody_is_proven_before_everything_has_told() {
        let mut tracking = Tracking::default();
        assert_eq!(verdict(&tracking, &["api"]), (1, false));
        tracking.told(health("api", Usability::Unknown));
        assert_eq!(verdict(&tracking, &["api"]), (1, false));
        tracking.told(health("api", Usability::Usable));
        assert_eq!(verdict(&tracking, &["api"]), (150, true));
        assert_eq!(verdict(&tracking, &["api", "join"]), (1, false));
    }

    #[test]
    fn whatever_is_unusable_makes_the_node_unusable() {
        let mut tracking = Tracking::default();
        tracking.told(health("api", Usability::Usable));
        tracking.told(health("join", Usability::Unusable));
        assert_eq!(verdict(&tracking, &["api", "join"]), (1, true));
        assert_eq!(verdict(&tracking, &["api"]), (150, true));
    }

    #[test]
    fn a_lost_tracker_is_unusable_until_it_tells_again() {
        let mut tracking = Tracking::default();
        tracking.told(health("api", Usability::Usable));
        tracking.lost(&name("api"));
        assert_eq!(verdict(&tracking, &["api"]), (1, true));
        assert_eq!(tracking.health(&name("api")).unwrap().usable, 0);
        assert!(tracking.told(health("api", Usability::Usable)));
        assert_eq!(verdict(&tracking, &["api"]), (150, true));
    }

    #[test]
    fn the_owner_is_never_lowered() {
        let tracking = Tracking::default();
        assert_eq!(
            tracking.verdict(Priority::OWNER, &[tracked("api", None)]).priority,
            Priority::OWNER
        );
    }

    #[test]
    fn weights_add_up_within_1_to_254() {
        let [usable, unusable] = [Usability::Usable, Usability::Unusable];
        let table = [
            // A negative weight counts while it is unusable, a positive one while it is usable.
            (usable, &[-60][..], 150),
            (unusable, &[-60], 90),
            (usable, &[20], 170),
            (unusable, &[20], 150),
            (unusable, &[-60, -80], 10),
            // 1 and 254 are the ends: 0 resigns, and 255 is the owner's.
            (unusable, &[-200], 1),
            (usable, &[200], 254),
        ];
        for (state, weights, expected) in table {
            let mut tracking = Tracking::default();
            let names = ["a", "b"];
            for name in names {
                tracking.told(health(name, state));
            }
            let trackers: Vec<_> =
                names.iter().zip(weights).map(|(name, w)| tracked(name, Some(*w))).collect();
            let verdict = tracking.verdict(base(), &trackers);
            assert_eq!(verdict.priority.get(), expected, "{state} {weights:?}");
        }
    }

    #[test]
    fn a_files_number_is_multiplied_by_its_weight() {
        let mut tracking = Tracking::default();
        let mut with = |number, weight| {
            tracking.told_number(&name("drain"), number);
            tracking.verdict(base(), &[tracked("drain", Some(weight))]).priority.get()
        };
        let table = [(0, 1, 150), (-50, 1, 100), (4, -10, 110), (-254, 1, 1), (254, 253, 254)];
        for (number, weight, expected) in table {
            assert_eq!(with(number, weight), expected, "{number} × {weight}");
        }
    }

    #[test]
    fn a_repeated_verdict_is_no_news() {
        let mut tracking = Tracking::default();
        assert!(tracking.told(health("api", Usability::Usable)));
        assert!(!tracking.told(health("api", Usability::Usable)));
        assert!(tracking.told(health("api", Usability::Unusable)));
    }
}
