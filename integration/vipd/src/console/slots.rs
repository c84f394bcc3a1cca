//! Connections at once: so many and no more. Where there is no room, the oldest that has not said yet what
//! it wants goes; nobody who is being answered does.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinHandle;

/// Whether a connection is being answered.
#[derive(Clone, Debug, Default)]
pub(super) struct Busy(Arc<AtomicBool>);

impl Busy {
    /// From now on it is, or is not.
    pub(super) fn set(&self, busy: bool) {
        self.0.store(busy, Ordering::Relaxed);
    }
}

/// Those who are connected, the oldest first.
#[derive(Debug)]
pub(super) struct Slots {
    limit: usize,
    taken: VecDeque<(Busy, JoinHandle<()>)>,
}

impl Slots {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, taken: VecDeque::with_capacity(limit) }
    }

    /// Serves a connection, if there is a slot for it.
    pub(super) fn take<F>(&mut self, serve: impl FnOnce(Busy) -> F) -> bool
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.taken.retain(|(_, task)| !task.is_finished());
        if self.taken.len() >= self.limit {
            let idle = self.taken.iter().position(|(busy, _)| !busy.0.load(Ordering::Relaxed));
            let Some((_, task)) = idle.and_then(|place| self.taken.remove(place)) else {
                return false;
            };
            task.abort();
        }
        let busy = Busy::default();
        let task = tokio::spawn(serve(busy.clone()));
        self.taken.push_back((busy, task));
        true
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn the_oldest_that_is_idle_goes() {
        let mut slots = Slots::new(2);
        let mut take = |is_busy: bool| {
            let (alive, ended) = oneshot::channel::<()>();
            let taken = slots.take(|busy| {
                busy.set(is_busy);
                async move {
                    let _alive = alive;
                    std::future::pending::<()>().await;
                }
            });
            (taken, ended)
        };
        let (_, busy) = take(true);
        let (_, mut first) = take(false);
        let (taken, mut second) = take(false);
        assert!(taken && (&mut first).await.is_err(), "the oldest idle one is gone");
        assert!(second.try_recv().is_err_and(|error| error == oneshot::error::TryRecvError::Empty));
        let (taken, mut third) = take(true);
        assert!(taken && (&mut second).await.is_err());
        assert!(!take(false).0, "all are being answered");
        assert!(third.try_recv().is_err_and(|error| error == oneshot::error::TryRecvError::Empty));
        drop(busy);
    }
}
