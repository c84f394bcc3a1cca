//! Trackers whose last word still counts, though nobody is there who would tell another.

use std::time::{Duration, Instant};

use vocabulary::Name;

use crate::clock::now;

/// What is presumed, and until when.
#[derive(Debug, Default)]
pub(super) struct HealthGrace {
    trackers: Vec<Name>,
    ends: Option<Instant>,
}

impl HealthGrace {
    /// Trusts these for so long.
    pub(super) fn trust(&mut self, trackers: Vec<Name>, time: Duration) {
        if !trackers.is_empty() {
            self.trackers.extend(trackers);
            self.ends = Some(now() + time);
        }
    }

    /// It told: nothing is to be presumed any more.
    pub(super) fn told(&mut self, tracker: &Name) {
        self.trackers.retain(|presumed| presumed != tracker);
    }

    /// When it ends.
    pub(super) fn ends(&self) -> Option<Instant> {
        self.ends
    }

    /// Ends it; returns those that have not told anything.
    pub(super) fn end(&mut self) -> Vec<Name> {
        self.ends = None;
        std::mem::take(&mut self.trackers)
    }
}
