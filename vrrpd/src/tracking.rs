//! From the health of what is tracked to a router's priority. Pure.

use std::collections::BTreeMap;

use shared::{Name, Priority, TrackerHealth, Usability};

/// What is known of everything tracked.
#[derive(Clone, Debug, Default)]
pub struct Tracking {
    known: BTreeMap<Name, TrackerHealth>,
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

    /// A predecessor was Active with it: it is taken for usable until it tells, or is lost.
    pub fn presume(&mut self, tracker: &Name) {
        let state = Usability::Usable;
        let health = TrackerHealth { tracker: tracker.clone(), usable: 0, total: 0, state };
        self.known.insert(tracker.clone(), health);
    }

    /// Whoever told of `tracker` is gone. Nobody can be served.
    pub fn lost(&mut self, tracker: &Name) {
        if let Some(health) = self.known.get_mut(tracker) {
            health.state = Usability::Unusable;
            health.usable = 0;
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
    pub fn verdict(&self, base: Priority, trackers: &[Name]) -> Verdict {
        let states = || trackers.iter().map(|tracker| self.state(tracker));
        let usable = states().all(|state| state == Some(Usability::Usable));
        let proven = !states().any(|state| matches!(state, None | Some(Usability::Unknown)));
        let priority = if usable || base.is_owner() { base } else { Priority::UNUSABLE };
        Verdict { priority, proven }
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
        TrackerHealth { tracker: name(tracker), usable: 1, total: 3, state }
    }

    fn base() -> Priority {
        Priority::try_from(150_u8).unwrap()
    }

    fn verdict(tracking: &Tracking, trackers: &[&str]) -> (u8, bool) {
        let trackers: Vec<Name> = trackers.iter().map(|tracker| name(tracker)).collect();
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
        assert_eq!(tracking.verdict(Priority::OWNER, &[name("api")]).priority, Priority::OWNER);
    }

    #[test]
    fn a_repeated_verdict_is_no_news() {
        let mut tracking = Tracking::default();
        assert!(tracking.told(health("api", Usability::Usable)));
        assert!(!tracking.told(health("api", Usability::Usable)));
        assert!(tracking.told(health("api", Usability::Unusable)));
    }
}
