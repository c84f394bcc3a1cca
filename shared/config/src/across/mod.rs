//! What no table shows by itself: names, addresses and ports that must differ, or fit together.

mod addresses;
mod known;
mod listens;
mod loops;
mod names;
mod served;

use std::net::IpAddr;

use self::known::Known;
use super::check::Check;
use super::raw::RawFile;
use super::{ProxyConfig, RouterConfig, TrackerConfig};

/// Looks at all tables together; `own` are this host's addresses, as far as they are known.
pub(super) fn across(
    file: &RawFile,
    (routers, trackers): (&[RouterConfig], &[TrackerConfig]),
    proxies: &[ProxyConfig],
    own: &[IpAddr],
    check: &mut Check<'_>,
) {
    let known = Known::of(file, own);
    names::routers(&file.vrrp, check);
    names::proxies(&file.proxy, check);
    addresses::look(file, &known, check);
    listens::look(file, &known, check);
    loops::look(file, &known, check);
    served::look(file, (routers, trackers), proxies, &known, check);
}
