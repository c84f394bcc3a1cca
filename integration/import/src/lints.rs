//! What was wrong all along, and what follows from the whole.

use std::net::SocketAddr;
use std::time::Duration;

use config::Problems;
use vocabulary::VirtualAddress;

use super::draft::{Draft, Got, Proxy, Router, Watched};
use super::report::Report;
use super::values::spoken;

/// A router whose addresses lead to a proxy follows it, if it follows none: keepalived never learned
/// that the proxy was gone.
pub(super) fn follow_proxies(draft: &mut Draft, report: &mut Report) {
    let (proxies, trackers) = (&draft.proxies, &draft.trackers);
    for router in &mut draft.routers {
        let watches = |tracked: &str, proxy: &Proxy| {
            tracked == proxy.name
                || trackers.iter().any(|tracker| {
                    tracker.name == tracked && tracker.watched == Watched::Proxy(proxy.name.clone())
                })
        };
        let tracks = |proxy: &Proxy| router.track.iter().any(|got| watches(&got.value, proxy));
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
    draft.routers.iter().for_each(|router| detection(router, report));
}

/// What `vipd check` warns of in what is written, each at the line that it came from.
pub(super) fn warnings(toml: &str, warnings: &Problems, report: &mut Report) {
    for problem in warnings.found() {
        let line = toml.lines().nth(warnings.place(problem).line - 1).unwrap_or_default();
        let from = line.rsplit_once("  # ").map_or("what is written", |(_, from)| from);
        let help = problem.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
        report.lint(format!("{from}: {}{help} ({})", problem.title, problem.code));
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
