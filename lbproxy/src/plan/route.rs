//! A route from one proxy to the servers of another.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use config::ProxyRoute;

use crate::plan::ProxyPlan;

/// A route at one moment.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) config: ProxyRoute,
    pub(crate) target: Arc<ProxyPlan>,
    /// Connections that took it.
    pub(crate) taken: Arc<AtomicU64>,
}

impl Route {
    /// Whether a client's address is one of those that it is for.
    pub(crate) fn comes_from(&self, client: IpAddr) -> bool {
        let from = &self.config.from;
        from.is_empty() || from.iter().any(|network| network.contains(&client))
    }
}
