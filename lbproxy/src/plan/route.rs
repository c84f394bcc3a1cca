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
    /// Whether it is for a connection between these two, whatever the client asks for.
    pub(crate) fn is_for(&self, client: IpAddr, port: u16) -> bool {
        let ProxyRoute { from, ports, .. } = &self.config;
        (from.is_empty() || from.iter().any(|network| network.contains(&client)))
            && (ports.is_empty() || ports.contains(&port))
    }
}
