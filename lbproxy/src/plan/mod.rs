//! What the workers do: published by the control thread as one immutable moment.

pub(crate) mod backend;
pub(crate) mod capacity;
pub(crate) mod end;
pub(crate) mod imbalance;
pub mod latency;
pub(crate) mod located;
pub(crate) mod queue;
pub(crate) mod rates;
pub(crate) mod route;
pub(crate) mod slow_start;
pub(crate) mod sources;
pub mod state;

use std::collections::HashSet;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use config::{Access, HeaderVersion, Limits, QueueConfig};
use ipnet::IpNet;
use vocabulary::Name;

use crate::net::listen::Listeners;
use crate::plan::backend::BackendSet;
use crate::plan::capacity::{Clients, Share};
use crate::plan::end::End;
use crate::plan::queue::Queue;
use crate::plan::rates::{Rates, TooSoon};
use crate::plan::route::Route;
use crate::plan::sources::{Counted, Sources, TooMany};

/// What is counted of a proxy, once a connection.
#[derive(Debug, Default)]
pub(crate) struct ProxyCounters {
    /// Client connections that are open.
    pub(crate) live: AtomicU64,
    /// Client connections ever accepted.
    pub(crate) accepted: AtomicU64,
    /// Of these, reset because no server could be reached.
    pub(crate) refused: AtomicU64,
    /// Servers that were tried for them after another had failed.
    pub(crate) retries: AtomicU64,
    /// Those that have ended, by the place of the reason among all of [`End`].
    pub(crate) ended: [AtomicU64; End::COUNT],
}

/// One client connection counted as live, until dropped.
#[derive(Debug)]
pub(crate) struct LiveClient(Arc<ProxyCounters>);

impl LiveClient {
    pub(crate) fn count(counters: &Arc<ProxyCounters>) -> Self {
        counters.accepted.fetch_add(1, Ordering::Relaxed);
        counters.live.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(counters))
    }
}

impl LiveClient {
    /// The proxy's connections that are open, this one included.
    pub(crate) fn open(&self) -> u64 {
        self.0.live.load(Ordering::Relaxed)
    }

    /// Counts the servers that were tried beyond the first.
    pub(crate) fn tried(&self, attempts: u32) {
        if attempts > 1 {
            self.0.retries.fetch_add(u64::from(attempts - 1), Ordering::Relaxed);
        }
    }

    /// Counts the reason of its end.
    pub(crate) fn ended(&self, end: End) {
        if let Some(count) = self.0.ended.get(end as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for LiveClient {
    fn drop(&mut self) {
        self.0.live.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An address that clients come to, and its share of the connections.
#[derive(Clone, Debug)]
pub(crate) struct Bind {
    pub(crate) listeners: Arc<Listeners>,
    pub(crate) share: Arc<Share>,
}

/// One proxy at one moment.
#[derive(Debug)]
pub(crate) struct ProxyPlan {
    pub(crate) name: Name,
    pub(crate) limits: Limits,
    pub(crate) binds: Vec<Bind>,
    /// How many clients it has, and may have.
    pub(crate) clients: Arc<Clients>,
    pub(crate) waiting: QueueConfig,
    pub(crate) send_proxy: Option<HeaderVersion>,
    pub(crate) accept_proxy: Arc<[IpNet]>,
    /// Whose connections are served.
    pub(crate) access: Arc<Access>,
    /// Whose servers a connection gets, if not these.
    pub(crate) routes: Vec<Route>,
    pub(crate) hello_timeout: Duration,
    pub(crate) set: Arc<BackendSet>,
    pub(crate) counters: Arc<ProxyCounters>,
    pub(crate) queue: Arc<Queue>,
    /// How many connections each client has, and may have; none: nobody counts.
    pub(crate) sources: Option<(Arc<Sources>, NonZeroU32)>,
    /// How soon each client may come again; none: whenever it likes.
    pub(crate) rates: Option<(Arc<Rates>, NonZeroU32)>,
    /// Whether connections without a byte have an access line.
    pub(crate) log_empty: bool,
}

impl ProxyPlan {
    /// Counts a connection of a client that came `now`, where that is wanted.
    ///
    /// # Errors
    /// It has as many as it may, or comes too soon.
    pub(crate) fn count(&self, client: IpAddr, now: Instant) -> Result<Option<Counted>, End> {
        if let Some((rates, most)) = &self.rates {
            rates.enter(client, *most, now).map_err(|TooSoon| End::SourceRate)?;
        }
        let Some((sources, most)) = &self.sources else { return Ok(None) };
        sources.enter(client, *most).map_err(|TooMany| End::SourceLimit)
    }

    /// Lets a client in by its address.
    ///
    /// # Errors
    /// It is denied, or not among those that are allowed.
    pub(crate) fn admit(&self, client: IpAddr) -> Result<(), End> {
        let has = |networks: &[IpNet]| networks.iter().any(|network| network.contains(&client));
        match &*self.access {
            access if has(&access.deny) => Err(End::Denied),
            access if !access.allow.is_empty() && !has(&access.allow) => Err(End::NotAllowed),
            _ => Ok(()),
        }
    }

    /// Whether a client's connection must begin with a PROXY header.
    pub(crate) fn expects_header(&self, client: IpAddr) -> bool {
        self.accept_proxy.iter().any(|network| network.contains(&client))
    }
}

/// Everything a worker works by.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Counts the plans; workers acknowledge by it.
    pub(crate) generation: u64,
    pub(crate) proxies: Vec<Arc<ProxyPlan>>,
    /// Local addresses that are about to leave: their clients are reset, now and on arrival.
    pub(crate) released: HashSet<IpAddr>,
    /// Whether to end everything.
    pub(crate) stopping: bool,
}
