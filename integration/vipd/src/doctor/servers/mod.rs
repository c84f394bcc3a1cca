//! The servers behind the proxies: their checks, their certificates and their clocks.

mod certificate;
mod check;
mod endpoint;
mod skew;

use std::time::SystemTime;

use config::{ProxyConfig, ServerConfig};
use futures_util::future::join_all;
use lbproxy::health::{Examination, examine};

use super::context::Context;
use super::report::Finding;
use crate::clock;

/// A server, and what was seen of it.
struct Seen<'a> {
    proxy: &'a ProxyConfig,
    server: &'a ServerConfig,
    /// By this node's clock, right after the look.
    now: SystemTime,
    examination: Result<Examination, String>,
}

impl Seen<'_> {
    /// What stands for it in findings.
    fn subject(&self) -> String {
        let (proxy, server) = (&self.proxy.name, &self.server.name);
        format!("{proxy}/{server}")
    }
}

/// Looks at every server, all at once.
pub(super) async fn look(context: &Context) -> Vec<Finding> {
    let servers = context.config.proxies.iter().flat_map(|proxy| {
        let of_proxy = move |server| async move {
            let examination =
                examine(proxy, server, clock::wall()).await.map_err(|error| error.to_string());
            Seen { proxy, server, now: clock::wall(), examination }
        };
        proxy.servers.iter().map(of_proxy)
    });
    let mut found = Vec::new();
    for seen in join_all(servers).await {
        found.push(check::look(&seen));
        let names = endpoint::names(context, seen.proxy);
        found.extend(certificate::look(&seen, &names));
        found.extend(skew::look(&seen));
    }
    found
}
