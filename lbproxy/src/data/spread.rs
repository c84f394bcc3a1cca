//! Spreads the connections over the workers.
//!
//! The kernel deals new connections out to an address's sockets by chance. Of four streams one worker
//! may get all, and the others none: so the worker that accepts a client hands it to one that has
//! clearly fewer.

use std::cell::RefCell;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::plan::ProxyPlan;
use crate::plan::capacity::Seat;

/// Half as many again as another has are not worth a hand-over: of many, chance evens out the most.
const SLACK: usize = 2;

/// Clients on their way to a worker, at most; further ones stay with who accepted them.
const WAITING: usize = 128;

/// A client that another worker accepted, on its way.
#[derive(Debug)]
pub(crate) struct Handoff {
    pub(crate) stream: TcpStream,
    pub(crate) address: SocketAddr,
    pub(crate) local: SocketAddr,
    pub(crate) accepted: Instant,
    pub(crate) proxy: Arc<ProxyPlan>,
    pub(crate) seat: Seat,
}

/// How many connections a worker has, those on their way to it included.
pub(crate) type Load = Arc<AtomicUsize>;

/// A worker as the others see it.
#[derive(Clone, Debug)]
pub(crate) struct WorkerHandle {
    load: Load,
    handoffs: Sender<Handoff>,
}

impl WorkerHandle {
    /// Hands a client to this worker, or back if it has ended, or has too many to take it.
    pub(crate) fn hand_over(&self, handoff: Handoff) -> Result<(), Handoff> {
        self.load.fetch_add(1, Ordering::Relaxed);
        self.handoffs.try_send(handoff).map_err(|refused| {
            self.load.fetch_sub(1, Ordering::Relaxed);
            refused.into_inner()
        })
    }
}

/// What a worker has of all of them.
#[derive(Debug)]
pub(crate) struct Spread {
    load: Load,
    others: Vec<WorkerHandle>,
    handoffs: RefCell<Receiver<Handoff>>,
}

impl Spread {
    /// One for each of so many workers.
    pub(crate) fn over(workers: usize) -> Vec<Self> {
        let (handles, handoffs): (Vec<_>, Vec<_>) = (0..workers)
            .map(|_| {
                let (sender, handoffs) = channel(WAITING);
                (WorkerHandle { load: Load::default(), handoffs: sender }, handoffs)
            })
            .unzip();
        let others = |own| {
            let others = handles.iter().enumerate().filter(move |(index, _)| *index != own);
            others.map(|(_, handle)| handle.clone()).collect()
        };
        let with_handoffs = handles.iter().zip(handoffs).enumerate();
        with_handoffs
            .map(|(own, (handle, handoffs))| Self {
                load: Arc::clone(&handle.load),
                others: others(own),
                handoffs: RefCell::new(handoffs),
            })
            .collect()
    }

    /// This worker's own connections.
    pub(crate) fn load(&self) -> Load {
        Arc::clone(&self.load)
    }

    /// Who should have the next connection, if not this worker.
    pub(crate) fn better(&self) -> Option<&WorkerHandle> {
        let load = |worker: &&WorkerHandle| worker.load.load(Ordering::Relaxed);
        let own = self.load.load(Ordering::Relaxed);
        self.others.iter().min_by_key(load).filter(|least| is_worth_it(own, load(least)))
    }

    /// The next client that another worker accepted for this one. Cancel-safe.
    pub(crate) fn poll_handoff(&self, cx: &mut Context<'_>) -> Poll<Option<Handoff>> {
        self.handoffs.borrow_mut().poll_recv(cx)
    }

    /// Takes no more clients; gives one of those that were on their way.
    pub(crate) fn close(&self) -> Option<Handoff> {
        let mut handoffs = self.handoffs.borrow_mut();
        handoffs.close();
        handoffs.try_recv().ok()
    }
}

fn is_worth_it(own: usize, least: usize) -> bool {
    own > least + least / SLACK
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_dealt_out_one_by_one_and_many_with_some_slack() {
        let worth = |own, least| is_worth_it(own, least);
        assert_eq!(
            [worth(0, 0), worth(1, 0), worth(1, 1), worth(2, 1)],
            [false, true, false, true]
        );
        assert_eq!([worth(3, 2), worth(4, 2)], [false, true]);
        assert_eq!([worth(42, 28), worth(43, 28)], [false, true]);
        assert_eq!([worth(0, 5), worth(usize::MAX, 8_000)], [false, true]);
    }
}
