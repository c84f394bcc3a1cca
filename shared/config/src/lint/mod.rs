//! Warnings: what can be used, and probably is not what was meant.

mod proxy;
mod router;

use super::check::Check;
use super::raw::RawFile;
use super::{ProxyConfig, RouterConfig, TrackerConfig};

/// Looks at every table that is right by itself.
pub(super) fn lint(
    file: &RawFile,
    routers: &[RouterConfig],
    trackers: &[TrackerConfig],
    proxies: &[ProxyConfig],
    check: &mut Check<'_>,
) {
    for raw in file.vrrp.iter().map(|table| table.get_ref()) {
        let named = |router: &&RouterConfig| {
            raw.name.as_ref().is_some_and(|name| name.get_ref() == router.id.name.as_str())
        };
        // Families of one table share what is looked at.
        if let Some(router) = routers.iter().find(named) {
            router::lint(raw, router, trackers, check);
        }
    }
    for raw in file.proxy.iter().map(|table| table.get_ref()) {
        let named = |proxy: &&ProxyConfig| {
            raw.name.as_ref().is_some_and(|name| name.get_ref() == proxy.name.as_str())
        };
        if let Some(proxy) = proxies.iter().find(named) {
            proxy::lint(raw, proxy, check);
        }
    }
}
