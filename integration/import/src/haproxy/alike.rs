//! What the servers of a proxy have in common, where HAProxy says it of each.

use std::time::Duration;

use super::options::Options;
use super::server::Parsed;
use crate::draft::{Agent, Draft, Got};
use crate::report::Report;
use crate::values::spoken;

const ENDED: &str = "connections to a server that is found down stay with it, as HAProxy leaves them; without `on_down = \"keep\"` (HAProxy's `on-marked-down shutdown-sessions`) they are reset, and their clients come to another server at once";

/// Makes names and addresses differ, and says what follows from the options of all.
pub(super) fn together(
    servers: Vec<Parsed>,
    all_backups: bool,
    report: &mut Report,
) -> Vec<Parsed> {
    let mut kept: Vec<Parsed> = Vec::new();
    for mut parsed in servers {
        if kept.iter().any(|other| other.server.address == parsed.server.address) {
            report.ignored(&parsed.line, "its address is a server of this backend already");
            continue;
        }
        let taken: Vec<&str> =
            kept.iter().filter_map(|other| other.server.name.as_deref()).collect();
        let wanted = parsed.server.name.take().unwrap_or_default();
        let name = Draft::name(&wanted, &taken);
        if name != wanted {
            report.different(&parsed.line, format!("names differ here: it is called {name}"));
        }
        parsed.server.name = Some(name);
        kept.push(parsed);
    }
    if kept.iter().all(|parsed| parsed.server.backup) {
        let serving = if all_backups { kept.len() } else { 1 };
        for parsed in kept.iter_mut().take(serving) {
            parsed.server.backup = false;
            report.different(&parsed.line, "all servers are backups, which makes it none");
        }
    }
    kept
}

/// What becomes of the connections of a server that goes down; none: they are reset.
pub(super) fn on_down(servers: &[Parsed], report: &mut Report) -> Option<Got<&'static str>> {
    let ends = |parsed: &&Parsed| parsed.options.ends_sessions;
    let ending = servers.iter().filter(ends).count();
    if ending == servers.len() {
        return None;
    }
    for parsed in servers.iter().filter(ends) {
        let why = "`on-marked-down`: all servers of a proxy keep their connections, or none does";
        report.unsupported(&parsed.line, why);
    }
    report.lint(ENDED);
    Some(Got::added("keep"))
}

/// The longest `tcp-ut`: one holds for both sides of all connections of a proxy.
pub(super) fn user_timeout(servers: &[Parsed]) -> Option<Got<Duration>> {
    let of = |parsed: &Parsed| {
        let time = parsed.options.user_timeout?;
        Some(Got::from(parsed.line.place(), time))
    };
    servers.iter().filter_map(of).max_by_key(|got| got.value)
}

/// How long servers take to get their full share, as the first one that says so.
pub(super) fn slow_start(servers: &[Parsed], report: &mut Report) -> Option<Got<Duration>> {
    let first = servers.iter().find(|parsed| parsed.options.slow_start.is_some())?;
    let time = first.options.slow_start?;
    for parsed in servers.iter().filter(|parsed| parsed.options.slow_start != Some(time)) {
        let how = format!("`slowstart`: {} holds for all servers of a proxy", spoken(time));
        report.different(&parsed.line, how);
    }
    let limited = servers.iter().filter(|parsed| parsed.server.max_connections.is_some());
    for parsed in limited {
        report.different(&parsed.line, "`slowstart`: the weight grows, not `maxconn`");
    }
    let most = Duration::from_secs(3600);
    Some(Got::from(first.line.place(), time.clamp(Duration::from_millis(10), most)))
}

/// The port and the pace of the servers' agents.
pub(super) fn agent(servers: &[Parsed], report: &mut Report) -> Option<Agent> {
    let of = |parsed: &Parsed| {
        let Options { agent, agent_port, agent_interval, .. } = parsed.options;
        agent_port.filter(|_| agent).map(|port| (port, agent_interval))
    };
    let first = servers.iter().find(|parsed| of(parsed).is_some())?;
    let (port, interval) = of(first)?;
    for parsed in servers.iter().filter(|parsed| of(parsed) != Some((port, interval))) {
        let how = format!("an agent is asked at port {port} of every server of the proxy");
        report.different(&parsed.line, how);
    }
    let how = "an agent's `ready` does not undo what an operator ordered here";
    report.different(&first.line, how);
    let from = first.line.place().clone();
    let limits = Duration::from_millis(10)..=Duration::from_secs(3600);
    let interval = interval.map(|time| time.clamp(*limits.start(), *limits.end()));
    Some(Agent { from, port, interval })
}

/// The version of the PROXY header that all servers are sent, where it is the same.
pub(super) fn send_proxy(servers: &[Parsed], report: &mut Report) -> Option<Got<&'static str>> {
    let first = servers.first()?;
    for parsed in servers {
        if parsed.options.send_proxy != first.options.send_proxy {
            report.unsupported(
                &parsed.line,
                "all servers of a proxy are sent the same header, or none",
            );
        }
    }
    first.options.send_proxy.map(|version| Got::from(first.line.place(), version))
}
