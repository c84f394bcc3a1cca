//! What waits to be told by the hooks of one router: in order, and never much of it. Pure.

use std::collections::VecDeque;

/// Notices that may wait behind a hook that takes its time. At 30 s a hook, later ones would be hours
/// old when their turn came; the newest says how things are.
const DEPTH: usize = 16;

/// A queue that is worked on one at a time, and forgets its oldest when it is full.
#[derive(Debug)]
pub(super) struct Lane<T> {
    waiting: VecDeque<T>,
    busy: bool,
}

impl<T> Default for Lane<T> {
    fn default() -> Self {
        Self { waiting: VecDeque::with_capacity(DEPTH), busy: false }
    }
}

impl<T> Lane<T> {
    /// Puts one at the end; returns the one that had to give way.
    pub(super) fn push(&mut self, one: T) -> Option<T> {
        let dropped = if self.waiting.len() >= DEPTH { self.waiting.pop_front() } else { None };
        self.waiting.push_back(one);
        dropped
    }

    /// The next to be worked on, if nothing is being worked on.
    pub(super) fn next(&mut self) -> Option<T> {
        if self.busy {
            return None;
        }
        let next = self.waiting.pop_front();
        self.busy = next.is_some();
        next
    }

    /// The one worked on is done.
    pub(super) fn done(&mut self) {
        self.busy = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_in_order_and_the_oldest_gives_way() {
        let mut lane = Lane::default();
        assert_eq!(lane.push(0), None);
        assert_eq!(lane.next(), Some(0));
        let dropped: Vec<Option<i32>> = (1..=18).map(|one| lane.push(one)).collect();
        assert_eq!(dropped[..16], [None; 16]);
        assert_eq!(dropped[16..], [Some(1), Some(2)]);
        assert_eq!(lane.next(), None);
        let mut worked = Vec::new();
        lane.done();
        while let Some(one) = lane.next() {
            worked.push(one);
            lane.done();
        }
        assert_eq!(worked, (3..=18).collect::<Vec<_>>());
    }
}
