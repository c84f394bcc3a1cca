//! `http`: servers that only tell how nginx itself is become `[metrics]`.

use std::net::SocketAddr;

use crate::draft::Got;
use crate::report::{Kind, Report};
use crate::source::Statement;

/// Directives of a server that tells and does nothing else, by their beginning.
const HARMLESS: [&str; 9] = [
    "listen",
    "server_name",
    "access_log",
    "error_log",
    "stub_status",
    "allow",
    "deny",
    "default_type",
    "add_header",
];

/// What becomes of an `http` block.
pub(super) fn read(block: &Statement, metrics: &mut Option<Got<SocketAddr>>, report: &mut Report) {
    let servers = || block.inner().iter().filter(|line| line.name() == "server");
    if servers().next().is_none() {
        return report.whole(block, Kind::Ignored, "it has no server");
    }
    // Without a place it would serve files.
    let placed = |server: &Statement| server.inner().iter().any(|line| line.name() == "location");
    if !servers().all(|server| tells(server) && placed(server)) {
        let why = "only `stream` is imported: vipd balances TCP";
        return report.whole(block, Kind::NotSupported, why);
    }
    let lines = servers().flat_map(Statement::inner).filter(|line| line.name() == "listen");
    let listen: Vec<_> = lines.filter_map(|line| super::proxy::listen(line, report)).collect();
    let address = listen.into_iter().next();
    let how = match (&metrics, &address) {
        (None, Some(address)) => format!(
            "it becomes `[metrics]`: at {} are /metrics for Prometheus, /healthz and /readyz, for everybody",
            address.value
        ),
        _ => "`vipd status` tells".to_owned(),
    };
    report.whole(block, Kind::Different, how);
    if metrics.is_none() {
        *metrics = address;
    }
}

/// Whether a server, or a place in it, answers with a status and nothing else.
fn tells(block: &Statement) -> bool {
    block.inner().iter().all(|line| match line.name() {
        "location" => tells(line),
        "return" => line.text(1) == "200",
        name => HARMLESS.iter().any(|known| name.starts_with(known)),
    })
}
