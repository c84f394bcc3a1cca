//! What was wrong all along, and what follows from the whole.

use std::net::SocketAddr;
use std::time::Duration;

use shared::VirtualAddress;

use super::draft::{Draft, Got, Proxy, Router};
use super::report::Report;
use super::values::spoken;

/// Without a byte for so long, a `kubectl exec` or a watch of a quiet cluster is cut off.
const SHORT_IDLE: Duration = Duration::from_secs(35);

/// The port of the Kubernetes API.
const API_PORT: u16 = 6443;

/// Passwords that stand in guides.
const COPIED: [&str; 6] = ["42", "1111", "password", "Password", "passw123", "changeme"];

/// A router whose addresses lead to a proxy follows it, if it follows none: keepalived never learned
/// that the proxy was gone.
pub(super) fn follow_proxies(draft: &mut Draft, report: &mut Report) {
    let proxies = &draft.proxies;
    for router in &mut draft.routers {
        let tracks = |proxy: &Proxy| router.track.iter().any(|got| got.value == proxy.name);
        if proxies.iter().any(tracks) {
            continue;
        }
        let leads = |listen: &Got<SocketAddr>| {
            let any = listen.value.ip().is_unspecified();
            let same = |text: &str| {
                VirtualAddress::try_from(text)
                    .is_ok_and(|address| address.ip() == listen.value.ip())
            };
            any || router.every_address().any(same)
        };
        let served = proxies.iter().filter(|proxy| proxy.listen.iter().any(leads));
        let names: Vec<String> = served.map(|proxy| proxy.name.clone()).collect();
        if names.is_empty() {
            continue;
        }
        report.lint(format!(
            "{}: keepalived never learned that the proxy was gone, and kept the addresses; `track = {names:?}` is added",
            router.name
        ));
        router.track.extend(names.into_iter().map(Got::added));
    }
}

/// Looks at the draft as a whole.
pub(super) fn find(draft: &Draft, report: &mut Report) {
    for router in &draft.routers {
        detection(router, report);
        copied(router, report);
    }
    for proxy in &draft.proxies {
        let listens = proxy.listen.iter().any(|listen| listen.value.port() == API_PORT);
        let serves = proxy.servers.iter().any(|server| server.address.port() == API_PORT);
        if let Some(idle) = proxy.idle_timeout.as_ref().filter(|idle| idle.value <= SHORT_IDLE)
            && (listens || serves)
        {
            report.lint(format!(
                "{}: connections silent for {} are closed: too short for `kubectl exec`, `logs -f` and watches; write idle_timeout = \"10m\" or more",
                proxy.name,
                spoken(idle.value)
            ));
        }
    }
}

/// Three intervals and the skew (RFC 9568 §6.1) pass until the other node leads.
fn detection(router: &Router, report: &mut Report) {
    let interval =
        router.advert_interval.as_ref().map_or(Duration::from_secs(1), |interval| interval.value);
    let priority = router.priority.as_ref().map_or(100, |priority| priority.value);
    if interval < Duration::from_secs(1) {
        return;
    }
    let skew = (if router.version.value == 2 { Duration::from_secs(1) } else { interval })
        * (256 - u32::from(priority))
        / 256;
    report.lint(format!(
        "{}: up to {} until a node of this priority notices that the other is dead; with `version = 3` and `advert_interval = \"100ms\"` on both it is under 0.4 s",
        router.name,
        spoken(interval * 3 + skew)
    ));
}

fn copied(router: &Router, report: &mut Report) {
    let known = |pass: &str| COPIED.contains(&pass);
    if router.auth_pass.as_ref().is_some_and(|pass| known(&pass.value))
        && router.vrid.as_ref().is_some_and(|vrid| vrid.value == 51)
    {
        report.lint(format!(
            "{}: vrid 51 and this password stand in many guides: another pair on this LAN that has copied them takes part in the election",
            router.name
        ));
    }
}
