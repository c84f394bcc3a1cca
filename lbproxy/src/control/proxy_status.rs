//! A proxy and its servers, for the status.

use std::num::NonZeroU32;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use config::NamePattern;
use strum::VariantArray;

use crate::control::status::{ProxyStatus, RouteStatus, ServerStatus};
use crate::health::registry::Registry;
use crate::health::registry::proxy::ProxyRecord;
use crate::health::registry::server::ServerRecord;
use crate::plan::end::End;
use crate::plan::imbalance::beyond;

/// One proxy of the `registry`, as it is `now`.
pub(super) fn proxy_status(proxy: &ProxyRecord, registry: &Registry, now: Instant) -> ProxyStatus {
    let counters = &proxy.counters;
    let ended = End::VARIANTS.iter().zip(&counters.ended);
    let ended = ended.map(|(end, count)| (end.to_string(), count.load(Ordering::Relaxed)));
    let slow_start = proxy.config.slow_start;
    let servers = proxy.servers.iter().map(|record| server_status(record, slow_start, now));
    let routes = proxy.config.routes.iter().zip(&proxy.taken).map(|(route, taken)| RouteStatus {
        proxy: route.proxy.clone(),
        server_names: route.server_names.iter().map(NamePattern::to_string).collect(),
        from: route.from.clone(),
        ports: route.ports.clone(),
        connections: taken.load(Ordering::Relaxed),
    });
    ProxyStatus {
        name: proxy.config.name.clone(),
        listen: proxy.config.listen.clone(),
        sessions: counters.live.load(Ordering::Relaxed),
        waiting: proxy.queue.waiting(),
        accepted: counters.accepted.load(Ordering::Relaxed),
        refused: counters.refused.load(Ordering::Relaxed),
        retries: counters.retries.load(Ordering::Relaxed),
        ended: ended.filter(|(_, count)| *count > 0).collect(),
        state: registry.score(proxy).state,
        routes: routes.collect(),
        panics: proxy.panics,
        full: None,
        beyond_share: beyond(&proxy.set(), now).iter().sum(),
        servers: servers.collect(),
    }
}

fn server_status(
    record: &ServerRecord,
    slow_start: Option<Duration>,
    now: Instant,
) -> ServerStatus {
    let counters = &record.server.counters;
    let left =
        |until: Option<Instant>| until.map(|until| until.saturating_duration_since(now).as_secs());
    let [mode_left_seconds, weight_left_seconds] = record.orders.ends().map(left);
    ServerStatus {
        name: record.server.name.clone(),
        address: record.server.located.endpoint().clone(),
        state: record.state(),
        since_seconds: now.saturating_duration_since(record.since).as_secs(),
        reason: record.reason.clone(),
        last_check: record.last_check.clone(),
        certificate: record.certificate.as_deref().cloned(),
        mode: record.orders.mode(),
        mode_left_seconds,
        weight: record.weight(),
        weight_left_seconds,
        wanted: Some(record.agent.percent).filter(|percent| *percent != 100),
        slow_start: record.slow_start(slow_start, now),
        backup: record.server.backup,
        max_connections: record.server.most().map(NonZeroU32::get),
        sessions: counters.live.load(Ordering::Relaxed),
        total: counters.total.load(Ordering::Relaxed),
        connect_failures: counters.failures.load(Ordering::Relaxed),
        bytes_up: counters.up.load(Ordering::Relaxed),
        bytes_down: counters.down.load(Ordering::Relaxed),
        connect_latency: counters.connects.now(),
        check_latency: counters.checks.now(),
    }
}
