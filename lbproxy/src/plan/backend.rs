//! The servers behind a proxy, as they are at one moment.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use config::{Backups, Balance};
use tokio::sync::Notify;
use vocabulary::Name;

use crate::plan::latency::Latencies;
use crate::plan::located::Located;
use crate::plan::queue::Queue;
use crate::plan::slow_start::Growth;
use crate::plan::state::State;

/// What is counted of a server. Written once a connection, never once a byte.
#[derive(Debug, Default)]
pub(crate) struct ServerCounters {
    /// Connections that are open or being opened.
    pub(crate) live: AtomicU32,
    /// Connections that were established.
    pub(crate) total: AtomicU64,
    /// Attempts to connect that failed.
    pub(crate) failures: AtomicU64,
    /// Bytes that clients' connections carried to it and from it; open ones are added four times a
    /// second.
    pub(crate) up: AtomicU64,
    pub(crate) down: AtomicU64,
    /// What connecting took, where it succeeded.
    pub(crate) connects: Latencies,
    /// What checks took, whatever they found.
    pub(crate) checks: Latencies,
    /// Raised when the server goes down or an operator says so: connections opened under a smaller
    /// number must end.
    pub(crate) epoch: AtomicU64,
    /// Whether an operator raised it last.
    pub(crate) by_operator: AtomicBool,
    /// Connections it gets at once, as its agent says; 0: as configured.
    pub(crate) limit: AtomicU32,
    /// Idle connections that may be ended for being beyond its share.
    to_move: AtomicU32,
    /// Attempts to connect in a row that failed.
    failed_in_row: AtomicU32,
    /// Told when there were too many of them.
    suspect: Notify,
    /// Told when a client that spoke is not answered.
    mute: Notify,
}

impl ServerCounters {
    /// The epoch a connection opened now belongs to.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// A connection was established, which took so long.
    pub(crate) fn opened(&self, time: Duration) {
        self.connects.observe(time);
        self.total.fetch_add(1, Ordering::Relaxed);
        // Mostly it is none: nothing is written then.
        if self.failed_in_row.load(Ordering::Relaxed) > 0 {
            self.failed_in_row.store(0, Ordering::Relaxed);
        }
    }

    /// An attempt to connect failed; with `limit` of them in a row the server is suspected.
    pub(crate) fn failed(&self, limit: Option<NonZeroU32>) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let failed = self.failed_in_row.fetch_add(1, Ordering::Relaxed) + 1;
        if limit.is_some_and(|limit| failed >= limit.get()) {
            self.failed_in_row.store(0, Ordering::Relaxed);
            self.suspect.notify_one();
        }
    }

    /// Ready when clients' connections fail.
    pub(crate) async fn suspected(&self) {
        self.suspect.notified().await;
    }

    /// A client spoke and hears nothing.
    pub(crate) fn is_mute(&self) {
        self.mute.notify_one();
    }

    /// Ready when clients hear nothing from it.
    pub(crate) async fn found_mute(&self) {
        self.mute.notified().await;
    }

    /// So many idle connections may be ended to be opened anew elsewhere, from the next plan on.
    pub(crate) fn move_some(&self, count: u32) {
        self.to_move.store(count, Ordering::Relaxed);
    }

    /// Whether one may be ended for that; counts it.
    pub(crate) fn moves_one(&self) -> bool {
        let one_less = |count: u32| count.checked_sub(1);
        let relaxed = Ordering::Relaxed;
        // Mostly it is none: nothing is written then.
        self.to_move.load(relaxed) > 0
            && self.to_move.fetch_update(relaxed, relaxed, one_less).is_ok()
    }

    /// Ends the connections there are, at the next plan.
    pub(crate) fn end_all(&self, by_operator: bool) {
        self.by_operator.store(by_operator, Ordering::Relaxed);
        self.epoch.fetch_add(1, Ordering::Release);
    }
}

/// A server that can be connected to.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) name: Name,
    pub(crate) located: Located,
    /// What `source` chooses by.
    pub(crate) key: SocketAddr,
    /// Whether it serves only while no other server can.
    pub(crate) backup: bool,
    /// The address to connect to it from; none: the kernel chooses.
    pub(crate) source: Option<IpAddr>,
    /// Failed connections in a row that count as a failed check.
    pub(crate) error_limit: Option<NonZeroU32>,
    /// Connections it gets at once.
    pub(crate) max_connections: Option<NonZeroU32>,
    pub(crate) counters: Arc<ServerCounters>,
    /// Where connections wait for it and its neighbours.
    pub(crate) queue: Arc<Queue>,
}

impl Server {
    /// Connections it gets at once; its agent's word counts before the file's.
    pub(crate) fn most(&self) -> Option<NonZeroU32> {
        let said = self.counters.limit.load(Ordering::Relaxed);
        NonZeroU32::new(said).or(self.max_connections)
    }
}

/// A server and how it is.
#[derive(Clone, Debug)]
pub(crate) struct Backend {
    pub(crate) server: Arc<Server>,
    pub(crate) state: State,
    /// Its share, 0 to 256.
    pub(crate) weight: u16,
    /// When it came back, if it has been away.
    pub(crate) returned: Option<Instant>,
}

impl Backend {
    /// The share that counts `now`, in 256ths; one that takes `slow_start` for it grows steadily.
    pub(crate) fn share(&self, slow_start: Option<Duration>, now: Instant) -> u32 {
        let full = u32::from(self.weight) << 8;
        let growth = Growth::at(slow_start, self.returned, now);
        growth.map_or(full, |growth| growth.part_of(full).max(full.min(1)))
    }
}

/// All servers of a proxy at one moment, in the order of the file.
#[derive(Clone, Debug)]
pub(crate) struct BackendSet {
    pub(crate) balance: Balance,
    /// How long one that comes back takes to get its full share.
    pub(crate) slow_start: Option<Duration>,
    /// Which backup servers serve when no other can.
    pub(crate) backups: Backups,
    /// Whether servers that are not up are used while none is.
    pub(crate) panic: bool,
    pub(crate) backends: Vec<Backend>,
}

/// One connection counted as live, until dropped.
#[derive(Debug)]
pub(crate) struct Live(Arc<Server>);

impl Live {
    /// Counts one more, unless the server has as many as it may.
    pub(crate) fn count(server: &Arc<Server>) -> Option<Self> {
        let live = &server.counters.live;
        match server.most() {
            None => drop(live.fetch_add(1, Ordering::Relaxed)),
            Some(most) => {
                let one_more = |live: u32| (live < most.get()).then_some(live + 1);
                live.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more).ok()?;
            }
        }
        Some(Self(Arc::clone(server)))
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.counters.live.fetch_sub(1, Ordering::SeqCst);
        if self.0.most().is_some() {
            self.0.queue.next();
        }
    }
}
