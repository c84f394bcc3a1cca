//! What `lbproxy` tells, as metrics.

use std::collections::BTreeMap;

use lbproxy::control::status::{Mode, ProxyStatus, ServerStatus, State, Status, Usage};
use lbproxy::plan::latency::Latency;
use vocabulary::{Name, Usability};

use super::page::{Labels, Page, count, flag};

const STATES: [(State, &str); 5] = [
    (State::Unknown, "unknown"),
    (State::Up, "up"),
    (State::Draining, "draining"),
    (State::Down, "down"),
    (State::Maint, "maint"),
];

/// Writes everything of `status`.
pub(super) fn write(status: &Status, page: &mut Page) {
    page.counter(
        "vipd_log_lines_dropped",
        "Access lines that a slow reader of the log did not get",
        [(vec![], status.dropped_log_lines)],
    );
    let Usage { buffers, pipes, pipes_open } = status.usage;
    page.gauge(
        "vipd_buffers_in_use",
        "Buffers that hold bytes on their way",
        [(vec![], count(buffers))],
    );
    page.gauge("vipd_pipes_in_use", "Pipes that hold bytes on their way", [(vec![], count(pipes))]);
    page.gauge(
        "vipd_pipes_open",
        "Pipes that are open, in use or not",
        [(vec![], count(pipes_open))],
    );
    let per_worker = status.connections_per_worker.iter().enumerate();
    page.gauge(
        "vipd_worker_connections",
        "Client connections of each worker thread",
        per_worker
            .map(|(worker, load)| (vec![("worker", worker.to_string())], count(*load as u64))),
    );
    page.gauge(
        "vipd_workers_alive",
        "Every worker thread of the proxy goes on",
        [(vec![], flag(status.workers_alive))],
    );
    proxies(&status.proxies, page);
    let servers: Vec<(&ProxyStatus, &ServerStatus)> = status
        .proxies
        .iter()
        .flat_map(|proxy| proxy.servers.iter().map(move |server| (proxy, server)))
        .collect();
    self::servers(&servers, page);
}

fn proxies(proxies: &[ProxyStatus], page: &mut Page) {
    let gauge = |value: fn(&ProxyStatus) -> f64| {
        proxies.iter().map(move |proxy| (of_proxy(proxy), value(proxy)))
    };
    let counter = |value: fn(&ProxyStatus) -> u64| {
        proxies.iter().map(move |proxy| (of_proxy(proxy), value(proxy)))
    };
    page.gauge(
        "vipd_proxy_usable",
        "The proxy can serve clients",
        gauge(|proxy| flag(proxy.state == Usability::Usable)),
    );
    page.gauge(
        "vipd_proxy_panics",
        "No server is up, and all that might serve are used",
        gauge(|proxy| flag(proxy.panics)),
    );
    page.gauge(
        "vipd_proxy_full",
        "It has as many client connections as it may, or as files allow: new ones wait",
        gauge(|proxy| flag(proxy.full.is_some())),
    );
    page.gauge(
        "vipd_proxy_connections_beyond_share",
        "Connections that servers have beyond their share of all: how uneven they lie",
        gauge(|proxy| f64::from(proxy.beyond_share)),
    );
    page.gauge(
        "vipd_proxy_connections",
        "Client connections that are open",
        gauge(|proxy| count(proxy.sessions)),
    );
    page.gauge(
        "vipd_proxy_connections_waiting",
        "Of these, waiting for a server with room",
        gauge(|proxy| f64::from(proxy.waiting)),
    );
    page.counter(
        "vipd_proxy_connections_accepted",
        "Client connections accepted",
        counter(|proxy| proxy.accepted),
    );
    page.counter(
        "vipd_proxy_connections_refused",
        "Of these, reset for want of a server",
        counter(|proxy| proxy.refused),
    );
    page.counter(
        "vipd_proxy_connect_retries",
        "Servers that were tried after another had failed",
        counter(|proxy| proxy.retries),
    );
    connections(proxies, page);
}

/// What became of client connections.
fn connections(proxies: &[ProxyStatus], page: &mut Page) {
    let ended = proxies.iter().flat_map(|proxy| {
        proxy.ended.iter().map(move |(reason, count)| {
            let mut labels = of_proxy(proxy);
            labels.push(("reason", reason.clone()));
            (labels, *count)
        })
    });
    page.counter("vipd_proxy_connections_ended", "Client connections, by what ended them", ended);
    let routed = proxies.iter().flat_map(|proxy| {
        let mut by_target = BTreeMap::<&Name, u64>::new();
        for route in &proxy.routes {
            *by_target.entry(&route.proxy).or_default() += route.connections;
        }
        by_target.into_iter().map(move |(target, count)| {
            let mut labels = of_proxy(proxy);
            labels.push(("to", target.to_string()));
            (labels, count)
        })
    });
    page.counter(
        "vipd_proxy_connections_routed",
        "Client connections that a route gave to another proxy's servers",
        routed,
    );
}

fn servers(servers: &[(&ProxyStatus, &ServerStatus)], page: &mut Page) {
    let gauge = |value: fn(&ServerStatus) -> f64| {
        servers.iter().map(move |(proxy, server)| (labels(proxy, server), value(server)))
    };
    let states = servers.iter().flat_map(|(proxy, server)| {
        STATES.iter().map(|(state, name)| {
            let mut labels = labels(proxy, server);
            labels.push(("state", (*name).to_owned()));
            (labels, flag(server.state == *state))
        })
    });
    page.gauge("vipd_server_state", "1 for the state of a server", states);
    page.gauge(
        "vipd_server_state_age_seconds",
        "For how long it has been in its state",
        gauge(|server| count(server.since_seconds)),
    );
    page.gauge(
        "vipd_server_held_back",
        "An operator lets it have no new connections",
        gauge(|server| flag(server.mode != Mode::Ready)),
    );
    page.gauge(
        "vipd_server_weight",
        "Its share of the connections",
        gauge(|server| f64::from(server.weight)),
    );
    page.gauge(
        "vipd_server_slow_start",
        "Part of its weight that counts, less than 1 while it starts slowly",
        gauge(|server| server.slow_start.map_or(1.0, |percent| f64::from(percent) / 100.0)),
    );
    page.gauge(
        "vipd_server_connections",
        "Connections to it that are open",
        gauge(|server| f64::from(server.sessions)),
    );
    traffic(servers, page);
}

/// What went to the servers, and how long it took.
fn traffic(servers: &[(&ProxyStatus, &ServerStatus)], page: &mut Page) {
    let counter = |value: fn(&ServerStatus) -> u64| {
        servers.iter().map(move |(proxy, server)| (labels(proxy, server), value(server)))
    };
    page.counter(
        "vipd_server_connections_opened",
        "Connections to it ever opened",
        counter(|server| server.total),
    );
    page.counter(
        "vipd_server_connections_failed",
        "Attempts to connect to it that failed",
        counter(|server| server.connect_failures),
    );
    page.counter(
        "vipd_server_bytes_sent",
        "Bytes that connections carried to it",
        counter(|server| server.bytes_up),
    );
    page.counter(
        "vipd_server_bytes_received",
        "Bytes that connections carried from it",
        counter(|server| server.bytes_down),
    );
    let latency = |value: fn(&ServerStatus) -> &Latency| {
        servers.iter().map(move |(proxy, server)| (labels(proxy, server), value(server).clone()))
    };
    page.histogram(
        "vipd_server_connect_seconds",
        "What connecting to it took, where it succeeded",
        latency(|server| &server.connect_latency),
    );
    page.histogram(
        "vipd_server_check_seconds",
        "What checks of it took, whatever they found",
        latency(|server| &server.check_latency),
    );
}

fn of_proxy(proxy: &ProxyStatus) -> Labels {
    vec![("proxy", proxy.name.to_string())]
}

fn labels(proxy: &ProxyStatus, server: &ServerStatus) -> Labels {
    vec![
        ("proxy", proxy.name.to_string()),
        ("server", server.name.to_string()),
        ("address", server.address.to_string()),
    ]
}
