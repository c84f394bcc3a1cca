//! The status in words.

use std::fmt::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use lbproxy::status::{ProxyStatus, ServerStatus};
use shared::{TrackerHealth, VirtualAddress};
use vrrpd::status::{Change, RouterStatus};

use super::Status;

/// Changes that are shown of a router's history.
const CHANGES: usize = 3;

/// Renders a node's status for people.
#[must_use]
pub fn render(status: &Status) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    write(status, &mut text).ok();
    text
}

fn write(status: &Status, out: &mut String) -> fmt::Result {
    match &status.vrrpd {
        None => writeln!(out, "vrrpd    does not run")?,
        Some(vrrpd) => {
            let up = ago(vrrpd.uptime_ms);
            writeln!(out, "vrrpd    {}, process {}, up {up}", vrrpd.version, vrrpd.pid)?;
            if vrrpd.paused {
                writeln!(
                    out,
                    "  paused: takes nothing that another can serve; `vipd resume` ends that"
                )?;
            }
            vrrpd.routers.iter().try_for_each(|router| write_router(router, out))?;
        }
    }
    match &status.lbproxy {
        None => writeln!(out, "lbproxy  does not run"),
        Some(lbproxy) => {
            let up = ago(lbproxy.uptime_seconds * 1000);
            writeln!(out, "lbproxy  {}, process {}, up {up}", lbproxy.version, lbproxy.pid)?;
            if !lbproxy.workers_alive {
                writeln!(out, "  a worker hangs: nothing is heard of the proxies")?;
            }
            lbproxy.proxies.iter().try_for_each(|proxy| write_proxy(proxy, out))
        }
    }
}

fn write_proxy(proxy: &ProxyStatus, out: &mut String) -> fmt::Result {
    let listen: Vec<String> = proxy.listen.iter().map(SocketAddr::to_string).collect();
    writeln!(out, "  {}: {} on {}", proxy.name, proxy.state, listen.join(", "))?;
    let ProxyStatus { sessions, accepted, refused, .. } = proxy;
    writeln!(out, "    connections: {sessions} open, {accepted} accepted, {refused} refused")?;
    for server in &proxy.servers {
        let ServerStatus { name, state, since_seconds, reason, sessions, .. } = server;
        let since = ago(since_seconds * 1000);
        writeln!(out, "    {name}: {state} for {since}, {sessions} open: {reason}")?;
    }
    Ok(())
}

fn write_router(router: &RouterStatus, out: &mut String) -> fmt::Result {
    let RouterStatus { id, state, interface, vrid, version, advert_interval, .. } = router;
    writeln!(out, "  {id}: {state} for {}", ago(router.since_ms))?;
    write!(out, "    priority {}", router.priority)?;
    if router.effective_priority != router.priority {
        write!(out, ", lowered to {}", router.effective_priority)?;
    }
    writeln!(
        out,
        "; vrid {vrid} version {version} on {interface}, an advert every {advert_interval}"
    )?;
    let addresses: Vec<String> = router.addresses.iter().map(VirtualAddress::to_string).collect();
    writeln!(out, "    addresses {}", addresses.join(", "))?;
    if let Some(active) = router.active {
        let (address, priority) = (active.address, active.priority);
        writeln!(
            out,
            "    Active is {address} with priority {priority}, an advert every {}",
            active.interval
        )?;
    }
    if router.source.is_none() {
        writeln!(out, "    takes no part: {interface} is down or has no address of this family")?;
    }
    for TrackerHealth { tracker, usable, total, state } in &router.trackers {
        writeln!(out, "    tracks {tracker}: {state}, {usable} of {total} servers usable")?;
    }
    let discarded: u64 = router.discarded.values().sum();
    writeln!(
        out,
        "    adverts: {} sent, {} received, {discarded} discarded",
        router.sent, router.received
    )?;
    for Change { from, to, cause, ago_ms } in router.history.iter().take(CHANGES) {
        writeln!(out, "    {} ago: {from} → {to}: {cause}", ago(*ago_ms))?;
    }
    Ok(())
}

/// A time as people say it: its two largest units.
fn ago(millis: u64) -> String {
    let time = match millis {
        0..1_000 => return format!("{millis}ms"),
        1_000..3_600_000 => Duration::from_secs(millis / 1_000),
        _ => Duration::from_secs(millis / 60_000 * 60),
    };
    let text = humantime::format_duration(time).to_string();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_their_two_largest_units() {
        for (millis, text) in [
            (0, "0ms"),
            (999, "999ms"),
            (61_500, "1m 1s"),
            (3_600_000, "1h"),
            (7_261_000, "2h 1m"),
            (90_061_000, "1day 1h"),
        ] {
            assert_eq!(ago(millis), text);
        }
    }
}
