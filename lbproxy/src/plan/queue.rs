//! Connections that wait because every server has as many as it may.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// Those of one proxy, whichever worker they belong to, in the order of their coming.
///
/// All orderings are sequential, here and where a server's connections are counted: one side takes a
/// place and then looks for room, the other makes room and then looks for places, and one of the two
/// must see the other.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: AtomicU32,
    room: Notify,
}

impl Queue {
    /// How many wait.
    pub(crate) fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::SeqCst)
    }

    /// Takes a place at the end, unless `most` wait already.
    pub(crate) fn enter(&self, most: u32) -> Option<Place<'_>> {
        let one_more = |waiting: u32| (waiting < most).then_some(waiting + 1);
        self.waiting.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more).ok()?;
        Some(Place(self))
    }

    /// A server has room for one more.
    pub(crate) fn next(&self) {
        if self.waiting() > 0 {
            self.room.notify_one();
        }
    }

    /// The servers have changed: whoever waits looks again.
    pub(crate) fn all(&self) {
        self.room.notify_waiters();
    }
}

/// A place among those that wait, until dropped.
#[derive(Debug)]
pub(crate) struct Place<'a>(&'a Queue);

impl<'a> Place<'a> {
    /// Ready when it is worth looking again. What happens between this call and the await counts
    /// once it is enabled; what one that is dropped was told goes to the next.
    pub(crate) fn called(&self) -> Notified<'a> {
        self.0.room.notified()
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_and_come_back() {
        let queue = Queue::default();
        let (first, second) = (queue.enter(2), queue.enter(2));
        assert!(first.is_some() && second.is_some() && queue.enter(2).is_none());
        drop(first);
        assert_eq!(queue.waiting(), 1);
        assert!(queue.enter(2).is_some());
        assert!(queue.enter(0).is_none());
    }
}
