//! The servers behind a proxy, as they are at one moment.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use shared::Name;
use shared::config::Balance;

use crate::health::State;

/// What is counted of a server. Written once a connection, never once a byte.
#[derive(Debug, Default)]
pub(crate) struct ServerCounters {
    /// Connections that are open or being opened.
    pub(crate) live: AtomicU32,
    /// Connections that were established.
    pub(crate) total: AtomicU64,
    /// Attempts to connect that failed.
    pub(crate) failures: AtomicU64,
    /// Raised when the server goes down: connections opened under a smaller number must end.
    pub(crate) epoch: AtomicU64,
}

impl ServerCounters {
    /// The epoch a connection opened now belongs to.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }
}

/// A server that can be connected to.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) name: Name,
    pub(crate) address: SocketAddr,
    pub(crate) counters: Arc<ServerCounters>,
}

/// A server and how it is.
#[derive(Clone, Debug)]
pub(crate) struct Backend {
    pub(crate) server: Arc<Server>,
    pub(crate) state: State,
}

/// All servers of a proxy at one moment, in the order of the file.
#[derive(Clone, Debug)]
pub(crate) struct BackendSet {
    pub(crate) balance: Balance,
    pub(crate) backends: Vec<Backend>,
}

/// One connection counted as live, until dropped.
#[derive(Debug)]
pub(crate) struct Live(Arc<ServerCounters>);

impl Live {
    pub(crate) fn count(counters: &Arc<ServerCounters>) -> Self {
        counters.live.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(counters))
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.live.fetch_sub(1, Ordering::Relaxed);
    }
}
