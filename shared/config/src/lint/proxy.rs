//! Warnings about a `[[proxy]]` table.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::check::Check;
use crate::code::Code;
use crate::raw::RawProxy;
use crate::spanned::Spanned;
use crate::{Access, CheckKind, ProxyConfig, Verify};
use ipnet::IpNet;

/// The port of the Kubernetes API.
const API_PORT: u16 = 6443;

/// Clients of the Kubernetes API ping after 30 s of silence; a timeout of the same length races them.
const SHORT_IDLE: Duration = Duration::from_secs(35);

/// The kernel's default for `net.ipv4.ip_local_port_range`.
const EPHEMERAL: RangeInclusive<u16> = 32_768..=60_999;

/// kube-apiserver's default for `--service-node-port-range`.
const NODE_PORTS: RangeInclusive<u16> = 30_000..=32_767;

pub(super) fn lint(raw: &RawProxy, proxy: &ProxyConfig, check: &mut Check<'_>) {
    if is_kubernetes_api(proxy) {
        short_idle(raw, proxy, check);
        not_ready(raw, proxy, check);
    }
    verifies_nothing(raw, proxy, check);
    ports(raw, check);
    routed_ports(raw, proxy, check);
    nobody_allowed(raw, proxy, check);
}

fn is_kubernetes_api(proxy: &ProxyConfig) -> bool {
    let listens = proxy.listen.iter().any(|listen| listen.port() == API_PORT);
    listens || proxy.servers.iter().any(|server| server.address.port() == API_PORT)
}

fn short_idle(raw: &RawProxy, proxy: &ProxyConfig, check: &mut Check<'_>) {
    let idle = proxy.limits.idle;
    if let Some(given) = raw.idle_timeout.as_ref().filter(|_| idle <= SHORT_IDLE) {
        let title = format!(
            "{} closes connections to a Kubernetes API after {} of silence",
            proxy.name,
            humantime::format_duration(idle)
        );
        let help = "quiet watches, `kubectl exec` and `logs -f` are cut off; write \"10m\" or more";
        check.problems.tell(Code::ShortIdle, given.span(), title, help);
    }
}

fn not_ready(raw: &RawProxy, proxy: &ProxyConfig, check: &mut Check<'_>) {
    let (CheckKind::Http(http) | CheckKind::Https(http, _)) = &proxy.check.kind else { return };
    let asked = raw.check.as_ref().map(Spanned::get_ref);
    let given = asked.and_then(|asked| asked.https.as_ref().or(asked.http.as_ref()));
    let alive = ["/healthz", "/livez"].iter().any(|path| http.path.starts_with(path));
    if let Some(given) = given.filter(|_| alive) {
        let title = format!("{} says nothing about being ready", http.path);
        let help =
            "write \"/readyz\": it fails while an API server starts and once it was told to end";
        check.problems.tell(Code::Healthz, given.span(), title, help);
    }
}

fn verifies_nothing(raw: &RawProxy, proxy: &ProxyConfig, check: &mut Check<'_>) {
    let (CheckKind::Tls(verify) | CheckKind::Https(_, verify)) = &proxy.check.kind else { return };
    let asked = raw.check.as_ref().and_then(|asked| asked.get_ref().verify.as_ref());
    if let Some(given) = asked.filter(|_| *verify == Verify::Nothing) {
        let title = format!("the check of {} takes any certificate", proxy.name);
        let help = "a stranger at a server's address passes it; write ca = \"/etc/kubernetes/pki/ca.crt\" instead";
        check.problems.tell(Code::VerifiesNothing, given.span(), title, help);
    }
}

fn ports(raw: &RawProxy, check: &mut Check<'_>) {
    for listen in raw.listen.iter().flat_map(|list| list.get_ref()) {
        let endpoint = listen.get_ref().parse::<std::net::SocketAddr>();
        let Ok(port) = endpoint.map(|endpoint| endpoint.port()) else { continue };
        if EPHEMERAL.contains(&port) {
            let title = format!("port {port} is one that outgoing connections get");
            let help = "if one has it when vipd starts, it cannot listen; take one below 32768, or add it to net.ipv4.ip_local_reserved_ports";
            check.problems.tell(Code::EphemeralPort, listen.span(), title, help);
        }
        if NODE_PORTS.contains(&port) {
            let title = format!("port {port} is one of Kubernetes' NodePort services");
            let help = "where kube-proxy runs, a service may get it; take one below 30000";
            check.problems.tell(Code::NodePort, listen.span(), title, help);
        }
    }
}

/// A route by a port that no client can have connected to.
fn routed_ports(raw: &RawProxy, proxy: &ProxyConfig, check: &mut Check<'_>) {
    let ports = raw.route.iter().filter_map(|route| route.get_ref().port.as_ref());
    for given in ports.flat_map(|list| list.get_ref()) {
        if !proxy.listen.iter().any(|listen| i64::from(listen.port()) == *given.get_ref()) {
            let title =
                format!("no connection of {} comes to port {}", proxy.name, given.get_ref());
            let help = "add it to `listen`, or name a port that stands there";
            check.problems.tell(Code::PortNotListened, given.span(), title, help);
        }
    }
}

/// Lists that leave nobody who is served.
fn nobody_allowed(raw: &RawProxy, proxy: &ProxyConfig, check: &mut Check<'_>) {
    let Some(deny) = &raw.deny else { return };
    let Access { allow, deny: denied } = &proxy.access;
    let all = |v4: bool| {
        let network = |net: &IpNet| net.prefix_len() == 0 && matches!(net, IpNet::V4(_)) == v4;
        denied.iter().any(network)
    };
    let is_denied = |net: &IpNet| denied.iter().any(|denied| denied.contains(net));
    let nobody = match allow[..] {
        [] => proxy.listen.iter().all(|listen| all(listen.is_ipv4())) && !proxy.listen.is_empty(),
        _ => allow.iter().all(is_denied),
    };
    if nobody {
        let title = format!("{} serves nobody: `deny` has everyone", proxy.name);
        let help =
            "`deny` counts whatever `allow` says: where only some are served, leave `deny` out";
        check.problems.tell(Code::NobodyAllowed, deny.span(), title, help);
    }
}
