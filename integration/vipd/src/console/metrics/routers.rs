//! What `vrrpd` tells, as metrics.

use vocabulary::{Family, Usability};
use vrrp::election::StateName;
use vrrpd::status::{RouterStatus, Status};

use super::page::{Labels, Page, count, flag, seconds};

/// Every state, so that a change is seen as one falling and one rising line.
const STATES: [(StateName, &str); 4] = [
    (StateName::Initialize, "initialize"),
    (StateName::Backup, "backup"),
    (StateName::Active, "active"),
    (StateName::Releasing, "releasing"),
];

/// Writes everything of `status`.
pub(super) fn write(status: &Status, page: &mut Page) {
    page.gauge(
        "vipd_paused",
        "An operator keeps this node out of the way",
        [(vec![], flag(status.paused))],
    );
    let discarded = status.discarded.iter();
    page.counter(
        "vipd_packets_discarded",
        "VRRP packets that were meant for no router of ours, by reason",
        discarded.map(|(reason, times)| (vec![("reason", reason.clone())], *times)),
    );
    routers(&status.routers, page);
    troubles(&status.routers, page);
    adverts(&status.routers, page);
    trackers(&status.routers, page);
}

fn routers(routers: &[RouterStatus], page: &mut Page) {
    let each = |value: fn(&RouterStatus) -> f64| {
        routers.iter().map(move |router| (labels(router), value(router)))
    };
    let states = routers.iter().flat_map(|router| {
        STATES.iter().map(|(state, name)| {
            let labels = with(labels(router), "state", name);
            (labels, flag(router.state == *state))
        })
    });
    page.gauge("vipd_router_state", "1 for the state of a virtual router", states);
    page.gauge(
        "vipd_router_state_age_seconds",
        "For how long it has been in its state",
        each(|router| seconds(router.since_ms)),
    );
    page.counter(
        "vipd_router_transitions",
        "Changes of its state",
        routers.iter().map(|router| (labels(router), router.transitions)),
    );
    page.gauge(
        "vipd_router_priority",
        "Its priority as tracking leaves it",
        each(|router| f64::from(router.effective_priority.get())),
    );
    page.gauge(
        "vipd_router_configured_priority",
        "Its priority as configured",
        each(|router| f64::from(router.priority.get())),
    );
    page.gauge(
        "vipd_router_faulty",
        "Its interface is down, or has no address of its family",
        each(|router| flag(router.source.is_none())),
    );
    page.gauge(
        "vipd_router_mismatch",
        "A peer lists other addresses than ours",
        each(|router| flag(router.mismatch.is_some())),
    );
    page.counter(
        "vipd_router_addresses_deleted",
        "How often others deleted one of its addresses, which was added again",
        routers.iter().map(|router| (labels(router), router.deletions)),
    );
    let leased = |router: &RouterStatus| router.lease_left_ms.map(seconds);
    page.gauge(
        "vipd_router_lease_left_seconds",
        "When the kernel deletes the addresses unless their leases are renewed",
        routers.iter().filter_map(|router| Some((labels(router), leased(router)?))),
    );
    let conflicts = routers.iter().flat_map(|router| {
        let each = router.conflicts.iter();
        each.map(|conflict| {
            let labels = with(labels(router), "address", &conflict.address.to_string());
            (with(labels, "mac", &conflict.mac), conflict.times)
        })
    });
    page.counter(
        "vipd_router_address_conflicts",
        "How often another host used one of its addresses",
        conflicts,
    );
    page.gauge(
        "vipd_router_advert_interval_seconds",
        "Time between two adverts",
        each(|router| router.advert_interval.duration().as_secs_f64()),
    );
}

/// What is not as it has to be.
fn troubles(routers: &[RouterStatus], page: &mut Page) {
    let each = |value: fn(&RouterStatus) -> f64| {
        routers.iter().map(move |router| (labels(router), value(router)))
    };
    page.counter(
        "vipd_router_contests",
        "How often another router was Active while it was",
        routers.iter().map(|router| (labels(router), router.contests)),
    );
    page.gauge(
        "vipd_router_hooks_failing",
        "Its hooks that failed and are run again",
        each(|router| count(router.failing_hooks.len() as u64)),
    );
    page.gauge(
        "vipd_router_routes_refused",
        "Its routes and rules that the kernel refuses",
        each(|router| count(router.refused_routes.len() as u64)),
    );
    page.gauge(
        "vipd_router_stale_addresses",
        "Its addresses that are on this node although it is not Active here",
        each(|router| count(router.stale.len() as u64)),
    );
}

fn adverts(routers: &[RouterStatus], page: &mut Page) {
    let each = |value: fn(&RouterStatus) -> u64| {
        routers.iter().map(move |router| (labels(router), value(router)))
    };
    page.counter("vipd_router_adverts_sent", "Adverts sent", each(|router| router.sent));
    page.counter(
        "vipd_router_adverts_unsent",
        "Adverts that could not be sent",
        each(|router| router.send_errors),
    );
    page.counter("vipd_router_adverts_received", "Adverts heard", each(|router| router.received));
    let discarded = routers.iter().flat_map(|router| {
        let reasons = router.discarded.iter();
        reasons.map(|(reason, times)| (with(labels(router), "reason", reason), *times))
    });
    page.counter("vipd_router_adverts_discarded", "Adverts discarded, by reason", discarded);
}

fn trackers(routers: &[RouterStatus], page: &mut Page) {
    let all = || {
        routers.iter().flat_map(|router| {
            let each = router.trackers.iter();
            each.map(|health| (with(labels(router), "tracker", health.tracker.as_str()), health))
        })
    };
    page.gauge(
        "vipd_tracker_usable",
        "What a router tracks is usable",
        all().map(|(labels, health)| (labels, flag(health.state == Usability::Usable))),
    );
    page.gauge(
        "vipd_tracker_servers_usable",
        "How many of its servers are",
        all().map(|(labels, health)| (labels, count(health.usable as u64))),
    );
}

fn labels(router: &RouterStatus) -> Labels {
    let family = match router.id.family {
        Family::Ipv4 => "ipv4",
        Family::Ipv6 => "ipv6",
    };
    vec![
        ("router", router.id.name.to_string()),
        ("family", family.to_owned()),
        ("interface", router.interface.to_string()),
        ("vrid", router.vrid.to_string()),
    ]
}

fn with(mut labels: Labels, name: &'static str, value: &str) -> Labels {
    labels.push((name, value.to_owned()));
    labels
}
