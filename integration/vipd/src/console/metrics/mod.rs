//! The node as a whole: what it tells, and whether it is well.

pub(super) mod page;
mod proxies;
mod routers;

use vocabulary::Usability;

use self::page::{Page, flag};
use super::sources::Wanted;
use crate::status::Status;

/// The page of metrics.
pub(super) fn metrics(status: &Status, wanted: Wanted) -> String {
    let mut page = Page::default();
    let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
    page.gauge("vipd_build", "1; the release as a label", [(version, 1.0)]);
    let programs = [
        ("vrrpd", wanted.vrrpd, status.vrrpd.is_some()),
        ("lbproxy", wanted.lbproxy, status.lbproxy.is_some()),
    ];
    page.gauge(
        "vipd_program_up",
        "The program answers",
        programs
            .iter()
            .filter(|(_, wanted, _)| *wanted)
            .map(|(name, _, up)| (vec![("program", (*name).to_owned())], flag(*up))),
    );
    if let Some(status) = &status.vrrpd {
        routers::write(status, &mut page);
    }
    if let Some(status) = &status.lbproxy {
        proxies::write(status, &mut page);
    }
    page.finish()
}

/// What keeps the node from working: a program that does not answer.
pub(super) fn ills(status: &Status, wanted: Wanted) -> Vec<String> {
    let silent = [
        ("vrrpd", wanted.vrrpd && status.vrrpd.is_none()),
        ("lbproxy", wanted.lbproxy && status.lbproxy.is_none()),
    ];
    let silent = silent.iter().filter(|(_, silent)| *silent);
    silent.map(|(name, _)| format!("{name} does not answer")).collect()
}

/// What keeps it from serving: the same, a proxy without a server or without room for another client, a
/// router that takes no part.
pub(super) fn wants(status: &Status, wanted: Wanted) -> Vec<String> {
    let mut wants = ills(status, wanted);
    let proxies = status.lbproxy.iter().flat_map(|status| &status.proxies);
    let useless = proxies.filter(|proxy| proxy.state != Usability::Usable);
    wants.extend(useless.map(|proxy| format!("proxy {}: {}", proxy.name, proxy.state)));
    let proxies = status.lbproxy.iter().flat_map(|status| &status.proxies);
    let full = proxies.filter_map(|proxy| Some((&proxy.name, proxy.full?)));
    wants.extend(full.map(|(proxy, full)| format!("proxy {proxy}: new clients wait, {full}")));
    let routers = status.vrrpd.iter().flat_map(|status| &status.routers);
    let faulty = routers.filter(|router| router.source.is_none());
    wants.extend(faulty.map(|router| format!("router {}: takes no part", router.id)));
    wants
}

#[cfg(test)]
mod tests {
    use lbproxy::control::status::Full;

    use super::*;

    const BOTH: Wanted = Wanted { vrrpd: true, lbproxy: true };

    /// As the programs answer.
    fn status() -> Status {
        let vrrpd = serde_json::json!({
            "version": "1", "pid": 1, "uptime_ms": 5, "paused": true, "discarded": {"hops": 3},
            "routers": [{
                "id": {"name": "api", "family": "ipv4"}, "interface": "eth0", "vrid": 51,
                "version": 3, "state": "active", "since_ms": 1500, "transitions": 2,
                "priority": 150, "effective_priority": 90, "preempt_delay_ms": 0,
                "advert_interval": 10, "source": "192.0.2.1", "addresses": [], "active": null,
                "trackers": [{"tracker": "web", "usable": 2, "total": 3, "state": "usable"}],
                "sent": 7, "send_errors": 1, "received": 8, "discarded": {"checksum": 4},
                "mismatch": null, "history": [], "deletions": 11, "lease_left_ms": 2500, "contests": 5,
                "failing_hooks": [{"state": "MASTER", "reason": "silence", "tries": 3, "error": "exit status: 1"}],
                "refused_routes": [{"route": "a", "error": "b"}, {"route": "c", "error": "d"}],
                "stale": [{"address": "192.0.2.9", "interface": "lo"}],
                "conflicts": [{"address": "192.0.2.7", "mac": "02:00:00:00:00:07", "times": 12, "ago_ms": 1}]
            }]
        });
        let server = serde_json::json!({
            "name": "a", "address": "192.0.2.9:80", "state": "up", "mode": "ready",
            "since_seconds": 30, "reason": "", "last_check": "", "weight": 1,
            "backup": false, "max_connections": null, "sessions": 3, "slow_start": 40, "total": 40,
            "connect_failures": 5, "bytes_up": 100, "bytes_down": 2000,
            "connect_latency": {
                "counts": [30, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], "sum_micros": 50_000
            },
            "check_latency": {
                "counts": [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], "sum_micros": 3_000_000
            }

        });
        let lbproxy = serde_json::json!({
            "version": "1", "pid": 2, "uptime_seconds": 5, "workers": 2, "workers_alive": true,
            "connections_per_worker": [24, 25], "dropped_log_lines": 6, "usage": {"buffers": 21, "pipes": 22, "pipes_open": 23},
            "proxies": [{
                "name": "web", "listen": [], "sessions": 9, "waiting": 1, "accepted": 20,
                "refused": 2, "retries": 24, "ended": {"client_closed": 15}, "state": "usable", "panics": false, "beyond_share": 7,
                "servers": [server]
            }]
        });
        Status {
            vrrpd: Some(serde_json::from_value(vrrpd).unwrap()),
            lbproxy: Some(serde_json::from_value(lbproxy).unwrap()),
            missing: Vec::new(),
        }
    }

    fn of_the_proxy() -> Vec<String> {
        let server = r#"proxy="web",server="a",address="192.0.2.9:80""#;
        vec![
            "vipd_log_lines_dropped_total{} 6".to_owned(),
            "vipd_buffers_in_use{} 21.0".to_owned(),
            "vipd_pipes_in_use{} 22.0".to_owned(),
            "vipd_pipes_open{} 23.0".to_owned(),
            r#"vipd_worker_connections{worker="0"} 24.0"#.to_owned(),
            r#"vipd_worker_connections{worker="1"} 25.0"#.to_owned(),
            "vipd_workers_alive{} 1.0".to_owned(),
            r#"vipd_proxy_usable{proxy="web"} 1.0"#.to_owned(),
            r#"vipd_proxy_panics{proxy="web"} 0.0"#.to_owned(),
            r#"vipd_proxy_full{proxy="web"} 0.0"#.to_owned(),
            r#"vipd_proxy_connections_beyond_share{proxy="web"} 7.0"#.to_owned(),
            r#"vipd_proxy_connections{proxy="web"} 9.0"#.to_owned(),
            r#"vipd_proxy_connections_waiting{proxy="web"} 1.0"#.to_owned(),
            r#"vipd_proxy_connections_accepted_total{proxy="web"} 20"#.to_owned(),
            r#"vipd_proxy_connections_refused_total{proxy="web"} 2"#.to_owned(),
            r#"vipd_proxy_connect_retries_total{proxy="web"} 24"#.to_owned(),
            format!("vipd_server_slow_start{{{server}}} 0.4"),
            format!(r#"vipd_server_state{{{server},state="up"}} 1.0"#),
            format!(r#"vipd_server_state{{{server},state="unknown"}} 0.0"#),
            format!(r#"vipd_server_state{{{server},state="draining"}} 0.0"#),
            format!(r#"vipd_server_state{{{server},state="down"}} 0.0"#),
            format!(r#"vipd_server_state{{{server},state="maint"}} 0.0"#),
            format!("vipd_server_state_age_seconds{{{server}}} 30.0"),
            format!("vipd_server_held_back{{{server}}} 0.0"),
            format!("vipd_server_weight{{{server}}} 1.0"),
            format!("vipd_server_connections{{{server}}} 3.0"),
            format!("vipd_server_connections_opened_total{{{server}}} 40"),
            format!("vipd_server_connections_failed_total{{{server}}} 5"),
            r#"vipd_proxy_connections_ended_total{proxy="web",reason="client_closed"} 15"#
                .to_owned(),
            format!("vipd_server_bytes_sent_total{{{server}}} 100"),
            format!("vipd_server_bytes_received_total{{{server}}} 2000"),
            format!("vipd_server_connect_seconds_count{{{server}}} 40"),
            format!("vipd_server_connect_seconds_sum{{{server}}} 0.05"),
            format!(r#"vipd_server_connect_seconds_bucket{{le="0.001",{server}}} 30"#),
            format!(r#"vipd_server_connect_seconds_bucket{{le="0.0025",{server}}} 40"#),
            format!("vipd_server_check_seconds_count{{{server}}} 1"),
            format!("vipd_server_check_seconds_sum{{{server}}} 3.0"),
            format!(r#"vipd_server_check_seconds_bucket{{le="2.5",{server}}} 0"#),
            format!(r#"vipd_server_check_seconds_bucket{{le="+Inf",{server}}} 1"#),
        ]
    }

    #[test]
    fn every_metric_has_its_value() {
        let page = metrics(&status(), BOTH);
        let router = r#"router="api",family="ipv4",interface="eth0",vrid="51""#;
        let build = format!(r#"vipd_build{{version="{}"}} 1.0"#, env!("CARGO_PKG_VERSION"));
        let expected = [
            build,
            r#"vipd_program_up{program="vrrpd"} 1.0"#.to_owned(),
            r#"vipd_program_up{program="lbproxy"} 1.0"#.to_owned(),
            "vipd_paused{} 1.0".to_owned(),
            r#"vipd_packets_discarded_total{reason="hops"} 3"#.to_owned(),
            format!(r#"vipd_router_state{{{router},state="active"}} 1.0"#),
            format!(r#"vipd_router_state{{{router},state="backup"}} 0.0"#),
            format!(r#"vipd_router_state{{{router},state="initialize"}} 0.0"#),
            format!(r#"vipd_router_state{{{router},state="releasing"}} 0.0"#),
            format!("vipd_router_state_age_seconds{{{router}}} 1.5"),
            format!("vipd_router_transitions_total{{{router}}} 2"),
            format!("vipd_router_priority{{{router}}} 90.0"),
            format!("vipd_router_configured_priority{{{router}}} 150.0"),
            format!("vipd_router_faulty{{{router}}} 0.0"),
            format!("vipd_router_mismatch{{{router}}} 0.0"),
            format!("vipd_router_addresses_deleted_total{{{router}}} 11"),
            format!("vipd_router_contests_total{{{router}}} 5"),
            format!("vipd_router_hooks_failing{{{router}}} 1.0"),
            format!("vipd_router_routes_refused{{{router}}} 2.0"),
            format!("vipd_router_stale_addresses{{{router}}} 1.0"),
            format!("vipd_router_lease_left_seconds{{{router}}} 2.5"),
            format!(
                r#"vipd_router_address_conflicts_total{{{router},address="192.0.2.7",mac="02:00:00:00:00:07"}} 12"#
            ),
            format!("vipd_router_advert_interval_seconds{{{router}}} 0.1"),
            format!("vipd_router_adverts_sent_total{{{router}}} 7"),
            format!("vipd_router_adverts_unsent_total{{{router}}} 1"),
            format!("vipd_router_adverts_received_total{{{router}}} 8"),
            format!(r#"vipd_router_adverts_discarded_total{{{router},reason="checksum"}} 4"#),
            format!(r#"vipd_tracker_usable{{{router},tracker="web"}} 1.0"#),
            format!(r#"vipd_tracker_servers_usable{{{router},tracker="web"}} 2.0"#),
        ];
        let expected = [expected.to_vec(), of_the_proxy()].concat();
        let values: Vec<&str> = page.lines().filter(|line| !line.starts_with('#')).collect();
        for line in &expected {
            assert!(values.contains(&line.as_str()), "{line} is missing in\n{page}");
        }
        // Each histogram has twelve buckets, of which two are looked at.
        assert_eq!(values.len(), expected.len() + 2 * 12 - 4, "{page}");
        assert!(page.ends_with("# EOF\n"));
    }

    #[test]
    fn a_node_is_well_and_ready_by_what_it_tells() {
        let mut status = status();
        assert_eq!(wants(&status, BOTH), [""; 0]);
        if let Some(lbproxy) = &mut status.lbproxy {
            lbproxy.proxies[0].full = Some(Full::Files);
        }
        let shut_out = ["proxy web: new clients wait, as many connections as files allow"];
        assert_eq!(wants(&status, BOTH), shut_out);
        if let Some(vrrpd) = &mut status.vrrpd {
            vrrpd.routers[0].source = None;
        }
        if let Some(lbproxy) = &mut status.lbproxy {
            lbproxy.proxies[0].state = Usability::Unusable;
            lbproxy.proxies[0].full = None;
        }
        assert_eq!(ills(&status, BOTH), [""; 0]);
        let expected = ["proxy web: unusable", "router api (IPv4): takes no part"];
        assert_eq!(wants(&status, BOTH), expected);
        status.lbproxy = None;
        assert_eq!(ills(&status, BOTH), ["lbproxy does not answer"]);
        let alone = Wanted { vrrpd: true, lbproxy: false };
        assert_eq!(ills(&status, alone), [""; 0]);
    }
}
