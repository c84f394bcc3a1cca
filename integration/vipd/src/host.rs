//! What this host has, as far as a configuration depends on it.

use std::net::IpAddr;

use nix::ifaddrs::getifaddrs;

/// The addresses of all interfaces but loopback; none where the kernel does not say.
pub(crate) fn addresses() -> Vec<IpAddr> {
    let all = getifaddrs().into_iter().flatten().filter_map(|one| one.address);
    let ips = all.filter_map(|address| {
        let v4 = address.as_sockaddr_in().map(|at| IpAddr::V4(at.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|at| IpAddr::V6(at.ip())))
    });
    ips.filter(|ip| !ip.is_loopback()).collect()
}
