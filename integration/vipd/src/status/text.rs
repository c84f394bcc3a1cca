//! The status in words.

use std::fmt::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use lbproxy::control::status::{Certificate, ProxyStatus, RouteStatus, ServerStatus};
use vocabulary::{TrackerHealth, VirtualAddress};
use vrrpd::status::{
    Change, ConflictStatus, HookStatus, Mismatch, RefusedRoute, RejectedAdvert, RejectedSender,
    RouterStatus, StaleStatus,
};

use super::Status;
use crate::clock;

/// Changes that are shown of a router's history.
const CHANGES: usize = 3;

/// Names of a certificate that are shown; JSON has them all.
const NAMES: usize = 8;

/// The ends of connections for which a rule of the file is the reason.
const RULES: [&str; 5] = ["denied", "not_allowed", "source_limit", "source_rate", "no_route"];

/// Rejected adverts that are shown of each sender; JSON has them all.
const REJECTED: usize = 3;

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
        None => writeln!(out, "vrrpd    {}", absent(status, "vrrpd"))?,
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
            vrrpd.absent.iter().try_for_each(|words| writeln!(out, "  {words}"))?;
            for sender in &vrrpd.rejected.ours {
                write_rejected(sender, REJECTED, out)?;
            }
            for sender in &vrrpd.rejected.foreign {
                write_rejected(sender, 1, out)?;
            }
        }
    }
    match &status.lbproxy {
        None => writeln!(out, "lbproxy  {}", absent(status, "lbproxy")),
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

/// Why a program tells nothing.
fn absent(status: &Status, program: &str) -> &'static str {
    let is_missing = status.missing.iter().any(|missing| missing == program);
    if is_missing { "does not answer" } else { "not configured" }
}

fn write_proxy(proxy: &ProxyStatus, out: &mut String) -> fmt::Result {
    let ProxyStatus { name, state, sessions, waiting, accepted, refused, .. } = proxy;
    let listen: Vec<String> = proxy.listen.iter().map(SocketAddr::to_string).collect();
    match listen.as_slice() {
        [] => writeln!(out, "  {name}: {state}, by routes of others")?,
        listen => {
            writeln!(out, "  {name}: {state} on {}", listen.join(", "))?;
            write!(
                out,
                "    connections: {sessions} open, {accepted} accepted, {refused} refused"
            )?;
            match waiting {
                0 => writeln!(out)?,
                _ => writeln!(out, ", {waiting} waiting")?,
            }
            if let Some(full) = proxy.full {
                writeln!(out, "    {full}: new ones wait")?;
            }
            if let Some(denied) = denied(proxy) {
                writeln!(out, "    reset at once: {denied}")?;
            }
        }
    }
    proxy.routes.iter().try_for_each(|route| writeln!(out, "    {}", routed(route)))?;
    proxy.servers.iter().try_for_each(|server| write_server(server, out))
}

fn write_server(server: &ServerStatus, out: &mut String) -> fmt::Result {
    let ServerStatus {
        name,
        state,
        mode,
        since_seconds,
        reason,
        sessions,
        weight,
        wanted,
        slow_start,
        ..
    } = server;
    let since = ago(since_seconds * 1000);
    write!(out, "    {name}: {state} for {since}, {sessions} open")?;
    if *weight != 1 {
        write!(out, ", weight {weight}")?;
    }
    if let Some(percent) = wanted {
        write!(out, ", its agent wants {percent} % of that")?;
    }
    if let Some(part) = slow_start {
        write!(out, ", {part} % of its share so far")?;
    }
    writeln!(out, ": {reason}")?;
    if let Some(left) = server.mode_left_seconds {
        writeln!(out, "      {mode} {}", until(left, clock::wall()))?;
    }
    if let Some(left) = server.weight_left_seconds {
        writeln!(out, "      weight {weight} {}", until(left, clock::wall()))?;
    }
    if let Some(certificate) = &server.certificate {
        writeln!(out, "      {}", shown(certificate))?;
    }
    Ok(())
}

/// How many clients' connections a rule of the file has reset, by the rule.
fn denied(proxy: &ProxyStatus) -> Option<String> {
    let count = |rule: &&str| Some(format!("{} {rule}", proxy.ended.get(*rule)?));
    let counts: Vec<String> = RULES.iter().filter_map(count).collect();
    (!counts.is_empty()).then(|| counts.join(", "))
}

/// A route, which connections take it, and how many did.
fn routed(route: &RouteStatus) -> String {
    let mut asked: Vec<String> = route.server_names.clone();
    asked.extend(route.from.iter().map(|network| format!("from {network}")));
    asked.extend(route.ports.iter().map(|port| format!("port {port}")));
    let asked = if asked.is_empty() { "all".to_owned() } else { asked.join(", ") };
    format!("route to {} ({asked}): {} connections", route.proxy, route.connections)
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
    if router.deletions > 0 {
        let times = router.deletions;
        writeln!(out, "    addresses were deleted by others {times} times, and added again")?;
    }
    for StaleStatus { address, interface } in &router.stale {
        writeln!(
            out,
            "    {address} is here on {interface} as well, from another program: remove it"
        )?;
    }
    for RefusedRoute { route, error } in &router.refused_routes {
        writeln!(out, "    cannot have the {route}: {error}")?;
    }
    for HookStatus { state, tries, error, .. } in &router.failing_hooks {
        writeln!(out, "    its hook for {state} failed {tries} times, and is run again: {error}")?;
    }
    if let Some(active) = router.active {
        let (address, priority) = (active.address, active.priority);
        writeln!(
            out,
            "    Active is {address} with priority {priority}, an advert every {}",
            active.interval
        )?;
    }
    if let Some(timer) = router.timer_ms {
        let lease = router.lease_left_ms.map(|left| format!(", its lease in {}", ago(left)));
        writeln!(out, "    its timer ends in {}{}", ago(timer), lease.unwrap_or_default())?;
    }
    if router.source.is_none() {
        writeln!(out, "    takes no part: {interface} is down or has no address of this family")?;
    }
    for tracker in &router.trackers {
        writeln!(out, "    tracks {}", tracked(tracker))?;
    }
    for conflict in &router.conflicts {
        let ConflictStatus { address, mac, times, ago_ms } = conflict;
        writeln!(
            out,
            "    {address} is also claimed by {mac}: {times} times, the last {} ago",
            ago(*ago_ms)
        )?;
    }
    let discarded: u64 = router.discarded.values().sum();
    writeln!(
        out,
        "    adverts: {} sent, {} received, {discarded} discarded",
        router.sent, router.received
    )?;
    if let Some(Mismatch { peer, explanation, ago_ms }) = &router.mismatch {
        writeln!(out, "    heard from {peer} {} ago: {explanation}", ago(*ago_ms))?;
    }
    for Change { from, to, cause, ago_ms, .. } in router.history.iter().take(CHANGES) {
        writeln!(out, "    {} ago: {from} → {to}: {cause}", ago(*ago_ms))?;
    }
    Ok(())
}

/// A certificate in a line.
fn shown(certificate: &Certificate) -> String {
    let Certificate { names, issuer, .. } = certificate;
    let until = humantime::format_rfc3339_seconds(certificate.expires());
    let first = names.iter().take(NAMES).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = match names.len().saturating_sub(NAMES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("certificate by {issuer}, until {until}, for {first}{more}")
}

/// What is tracked, and how it is.
fn tracked(health: &TrackerHealth) -> String {
    let TrackerHealth { tracker, usable, total, state, reason } = health;
    match reason {
        Some(reason) => format!("{tracker}: {state}, {reason}"),
        None => format!("{tracker}: {state}, {usable} of {total} usable"),
    }
}

fn write_rejected(sender: &RejectedSender, shown: usize, out: &mut String) -> fmt::Result {
    let RejectedSender { interface, address, total, adverts } = sender;
    writeln!(out, "  rejected from {address} on {interface}: {total} adverts")?;
    for advert in adverts.iter().take(shown) {
        let RejectedAdvert { ago_ms, times, explanation, .. } = advert;
        writeln!(out, "    {} ago, {times} in a row: {explanation}", ago(*ago_ms))?;
        writeln!(out, "      {}", fields(advert))?;
    }
    Ok(())
}

/// What a rejected advert says of itself, as far as it can be read.
fn fields(advert: &RejectedAdvert) -> String {
    let number = |name: &str, field: Option<u8>| field.map(|field| format!("{name} {field}"));
    let interval = advert.interval_ms.map(Duration::from_millis);
    let addresses: Vec<String> = advert.addresses.iter().map(IpAddr::to_string).collect();
    let fields = [
        number("version", advert.version),
        number("vrid", advert.vrid),
        number("priority", advert.priority),
        number("authentication type", advert.auth_type),
        interval.map(|interval| format!("every {}", humantime::format_duration(interval))),
        advert.count.map(|count| format!("lists {count}: {}", addresses.join(" "))),
    ];
    let fields: Vec<String> = fields.into_iter().flatten().collect();
    if fields.is_empty() { "too short to be read".to_owned() } else { fields.join(", ") }
}

/// When something ends, as people say it.
fn until(left_seconds: u64, now: SystemTime) -> String {
    let end =
        humantime::format_rfc3339_seconds(now + Duration::from_secs(left_seconds)).to_string();
    let (day, time) = end.split_once('T').unwrap_or((&end, ""));
    let minute = time.get(..5).unwrap_or(time);
    let day = if left_seconds < 86_400 { String::new() } else { format!("{day} ") };
    format!("until {day}{minute} UTC, in {}", ago(left_seconds.saturating_mul(1_000)))
}

/// A time as people say it: its two largest units.
pub(super) fn ago(millis: u64) -> String {
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
    fn an_end_is_told_by_the_clock_and_in_how_long() {
        // 2026-11-30T13:33:20Z.
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_796_045_600);
        assert_eq!(until(1_800, now), "until 14:03 UTC, in 30m");
        assert_eq!(until(90_000, now), "until 2026-12-01 14:33 UTC, in 1day 1h");
    }

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

    #[test]
    fn a_certificate_is_told_with_its_first_names() {
        let mut certificate = Certificate {
            names: vec!["kubernetes".to_owned(), "10.96.0.1".to_owned()],
            issuer: "kubernetes-ca".to_owned(),
            // 2026-01-01 and 2027-01-01.
            not_before: 1_767_225_600,
            not_after: 1_798_761_600,
        };
        let words =
            "certificate by kubernetes-ca, until 2027-01-01T00:00:00Z, for kubernetes, 10.96.0.1";
        assert_eq!(shown(&certificate), words);
        certificate.names.extend((0..8).map(|host| format!("10.0.0.{host}")));
        assert!(shown(&certificate).ends_with("10.0.0.4, 10.0.0.5 and 2 more"));
    }

    #[test]
    fn a_rejected_advert_is_told_with_what_it_says_of_itself() {
        let nothing = RejectedAdvert {
            reason: "length".to_owned(),
            explanation: "4 bytes instead of the 8 it should have".to_owned(),
            times: 1,
            ago_ms: 12_000,
            version: None,
            vrid: None,
            priority: None,
            interval_ms: None,
            auth_type: None,
            count: None,
            addresses: vec![],
        };
        let advert = RejectedAdvert {
            reason: "password".to_owned(),
            explanation: "the peer's password is not ours".to_owned(),
            times: 7,
            ago_ms: 300,
            version: Some(2),
            vrid: Some(51),
            priority: Some(100),
            interval_ms: Some(1_000),
            auth_type: Some(1),
            count: Some(1),
            addresses: vec![[10, 77, 0, 200].into()],
        };
        let sender = RejectedSender {
            interface: "eth0".try_into().unwrap(),
            address: [10, 77, 0, 12].into(),
            total: 8,
            adverts: vec![advert, nothing.clone(), nothing.clone(), nothing],
        };
        let mut text = String::new();
        write_rejected(&sender, 2, &mut text).unwrap();
        assert_eq!(
            text,
            "  rejected from 10.77.0.12 on eth0: 8 adverts\n\
             \x20   300ms ago, 7 in a row: the peer's password is not ours\n\
             \x20     version 2, vrid 51, priority 100, authentication type 1, every 1s, \
             lists 1: 10.77.0.200\n\
             \x20   12s ago, 1 in a row: 4 bytes instead of the 8 it should have\n\
             \x20     too short to be read\n"
        );
    }
}
