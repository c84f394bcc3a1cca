//! A setting that HAProxy needs, and vipd does not.

use super::context::Context;
use super::report::Finding;
use super::sysctl;

/// Says so, where there is a proxy.
pub(super) fn look(context: &Context) -> Option<Finding> {
    let value = sysctl::number("net/ipv4/ip_nonlocal_bind")?;
    let proxies = !context.config.proxies.is_empty();
    let seen =
        format!("it is {value}, and not needed: proxies listen on absent addresses without it");
    proxies.then(|| Finding::ok("ip_nonlocal_bind", "", seen))
}
