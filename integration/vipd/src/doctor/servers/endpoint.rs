//! What clients know a proxy by: its addresses, and the names that lead to them.

use std::fs;
use std::net::IpAddr;

use config::{NamePattern, ProxyConfig, Tracked};

use super::super::context::Context;

/// kubectl's and kubelet's configuration on a node of a cluster.
const KUBECONFIGS: [&str; 2] = ["/etc/kubernetes/admin.conf", "/etc/kubernetes/kubelet.conf"];

/// Addresses first, then names; each once. One that only routes lead to is known by their names.
pub(super) fn names(context: &Context, proxy: &ProxyConfig) -> Vec<String> {
    if proxy.listen.is_empty() {
        let routes = context.config.proxies.iter().flat_map(|start| &start.routes);
        let leading = routes.filter(|route| route.proxy == proxy.name);
        let names = leading.flat_map(|route| &route.server_names).map(NamePattern::to_string);
        return names.filter(|name| !name.contains('*')).collect();
    }
    let addresses = addresses(context, proxy);
    let hosts = fs::read_to_string("/etc/hosts").unwrap_or_default();
    let servers = KUBECONFIGS.iter().filter_map(|path| server(&fs::read_to_string(path).ok()?));
    let mut names: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
    names.extend(context.endpoints.iter().cloned());
    names.extend(aliases(&hosts, &addresses));
    // Another address is another way to the cluster, and not by this proxy.
    names.extend(servers.filter(|name| name.parse::<IpAddr>().is_err()));
    let mut once: Vec<String> = Vec::new();
    names.into_iter().filter(|name| !name.is_empty()).for_each(|name| {
        if !once.contains(&name) {
            once.push(name);
        }
    });
    once
}

/// Where it listens. One that listens everywhere is found by the addresses of the routers that track it.
fn addresses(context: &Context, proxy: &ProxyConfig) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    for listen in &proxy.listen {
        if !listen.ip().is_unspecified() {
            addresses.push(listen.ip());
            continue;
        }
        let tracks = |tracked: &Tracked| tracked.name == proxy.name;
        let routers = context.config.routers.iter().filter(|router| {
            router.track.iter().any(tracks)
                && router.addresses[0].ip().is_ipv4() == listen.is_ipv4()
        });
        addresses.extend(routers.flat_map(|router| &router.addresses).map(|address| address.ip()));
    }
    // Nobody connects to a router's link-local address.
    addresses.retain(|ip| !matches!(ip, IpAddr::V6(ip) if vocabulary::address::is_link_local(*ip)));
    addresses
}

/// The names that /etc/hosts has for them; those of the host itself are nobody's endpoint.
fn aliases(hosts: &str, addresses: &[IpAddr]) -> Vec<String> {
    let mut names = Vec::new();
    for line in hosts.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let address = words.next().and_then(|word| word.parse::<IpAddr>().ok());
        let local = [IpAddr::from([127, 0, 0, 1]), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])];
        if address.is_some_and(|ip| addresses.contains(&ip) && !local.contains(&ip)) {
            names.extend(words.map(str::to_owned));
        }
    }
    names
}

/// The host in the first `server: https://HOST:PORT` of a kubeconfig.
fn server(kubeconfig: &str) -> Option<String> {
    let line = kubeconfig.lines().find_map(|line| line.trim().strip_prefix("server:"))?;
    let authority = line.trim().trim_matches('"').strip_prefix("https://")?;
    let authority = authority.split('/').next()?;
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next()?,
        None => authority.split(':').next()?,
    };
    Some(host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_gives_an_address_its_names() {
        let hosts = "127.0.0.1 localhost\n# 127.43.43.43 old\n\
                     127.43.43.43\tk8s-api k8s-api.private # the poor man's\n10.0.0.9 other\n";
        let addresses = ["127.43.43.43", "127.0.0.1"].map(|text| text.parse().unwrap());
        assert_eq!(aliases(hosts, &addresses), ["k8s-api", "k8s-api.private"]);
    }

    #[test]
    fn a_kubeconfig_names_its_server() {
        for (line, expected) in [
            ("    server: https://k8s-api.private:6443", Some("k8s-api.private")),
            ("    server: https://192.168.56.42", Some("192.168.56.42")),
            ("    server: \"https://[fd77::200]:6443/\"", Some("fd77::200")),
            ("    server: ", None),
            ("clusters:", None),
        ] {
            let text = format!("apiVersion: v1\nclusters:\n- cluster:\n{line}\n  name: a\n");
            assert_eq!(server(&text).as_deref(), expected, "{line}");
        }
    }
}
