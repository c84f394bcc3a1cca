//! Sections of mode http: a page of statistics or for monitoring becomes `[metrics]`.

use std::net::SocketAddr;

use super::bind;
use crate::draft::Got;
use crate::report::{Kind, Report};
use crate::source::Statement;

const HTTP: &str =
    "mode http: vipd balances TCP; in mode tcp the same connections would pass unread";

/// What only a section has that carries clients' requests.
const SERVES: [&str; 6] =
    ["server", "server-template", "default_backend", "use_backend", "redirect", "use-server"];

/// What becomes of a section of mode http.
pub(super) fn read(header: &Statement, metrics: &mut Option<Got<SocketAddr>>, report: &mut Report) {
    let has = |name: &str| header.inner().iter().any(|line| line.name() == name);
    let exporter = |line: &Statement| line.text(2) == "prometheus-exporter";
    let tells = has("stats") || has("monitor-uri") || header.inner().iter().any(exporter);
    if !tells || SERVES.iter().any(|name| has(name)) {
        return report.whole(header, Kind::NotSupported, HTTP);
    }
    let mut listen = Vec::new();
    if let Some(addresses) = header.words.get(2).filter(|word| word.text.contains(':')) {
        listen.extend(bind::bind(header, addresses, &[], report));
    }
    for line in header.inner().iter().filter(|line| line.name() == "bind") {
        if let Some(addresses) = report.argument(line) {
            listen.extend(bind::bind(line, addresses, &line.words[2..], report));
        }
    }
    // Of `:::PORT` both families are there; one socket is enough for either.
    let address = listen.into_iter().next();
    let how = match (&metrics, &address) {
        (None, Some(address)) => format!(
            "it becomes `[metrics]`: at {} are /metrics for Prometheus, /healthz and /readyz, for everybody, and no page; \
             `vipd status` shows the proxies and their servers",
            address.value
        ),
        _ => "`vipd status` shows the proxies and their servers".to_owned(),
    };
    report.whole(header, Kind::Different, how);
    if metrics.is_none() {
        *metrics = address;
    }
}
