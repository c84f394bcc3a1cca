//! `virtual_server`: an IPVS service becomes a proxy where it is TCP.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::Import;
use crate::draft::{Check, Got, Probe, Program, Proxy, Server};
use crate::report::{Kind, Report};
use crate::source::Statement;
use crate::values::seconds;

const HOW: &str = "a proxy takes IPVS's place: servers see this node's address, and need no route or address for it";

const STICKS: &str = "a client is kept with its server by its address, for as long as that server is usable: `balance = \"source\"`";

/// Imports one service.
pub(super) fn import(block: &Statement, groups: &[&Statement], import: &mut Import) {
    let report = &mut import.report;
    let group = groups.iter().find(|group| {
        block.text(1) == "group" && block.words.len() == 3 && group.text(1) == block.text(2)
    });
    let listen = match group {
        Some(group) => addresses(group, report),
        None => {
            endpoint(block).map(|listen| Got::from(block.place(), listen)).into_iter().collect()
        }
    };
    let Some(first) = listen.first().map(|got| got.value) else {
        let why = "only services of IP addresses and ports can become a proxy";
        return report.whole(block, Kind::NotSupported, why);
    };
    let protocol = block.inner().iter().find(|line| line.name() == "protocol");
    if let Some(other) = protocol.filter(|line| !line.text(1).eq_ignore_ascii_case("tcp")) {
        let why = format!("a proxy carries TCP, not {}", other.text(1));
        return report.whole(block, Kind::NotSupported, why);
    }
    report.different(block, HOW);
    let called = block.args().iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
    let wanted = match group {
        Some(_) => block.text(2).to_owned(),
        None => format!("virtual-server-{first}"),
    };
    let name = import.draft.tracked_name(&wanted);
    let from = vec![Got::from(block.place(), format!("virtual_server {called}"))];
    let mut proxy = Proxy { listen, ..Proxy::new(Program::Keepalived, from, name) };
    // keepalived asks once a minute unless told otherwise, and believes the first answer.
    proxy.check.interval = Some(Duration::from_secs(60));
    (proxy.check.rise, proxy.check.fall) = (Some(1), Some(1));
    for line in block.inner() {
        keyword(line, &mut proxy, &mut import.report);
    }
    if proxy.servers.iter().all(|server| server.backup) {
        return import.report.whole(
            block,
            Kind::NotSupported,
            "it has no server that can be imported",
        );
    }
    import.draft.proxies.push(proxy);
}

/// The addresses of a `virtual_server_group`: `IP PORT` each, or `IP-LAST PORT`.
fn addresses(group: &Statement, report: &mut Report) -> Vec<Got<SocketAddr>> {
    report.translated(group);
    let mut listen = Vec::new();
    for line in group.inner() {
        let (ip, port) = (line.name(), line.text(1).parse::<u16>().ok().filter(|port| *port != 0));
        let (first, last) = ip.split_once('-').unwrap_or((ip, ""));
        let (Ok(IpAddr::V4(first)), Some(port)) = (first.parse(), port) else {
            match (ip.parse::<IpAddr>(), port) {
                (Ok(ip), Some(port)) => {
                    report.translated(line);
                    listen.push(Got::from(line.place(), SocketAddr::new(ip, port)));
                }
                _ => report.unsupported(line, "a service is at an IP address and a port"),
            }
            continue;
        };
        let [a, b, c, begin] = first.octets();
        match if last.is_empty() { Ok(begin) } else { last.parse() } {
            Ok(end) if end >= begin => {
                report.translated(line);
                listen.extend((begin..=end).map(|host| {
                    Got::from(line.place(), SocketAddr::from(([a, b, c, host], port)))
                }));
            }
            _ => report.unsupported(line, "a range ends with the number of its last host"),
        }
    }
    listen
}

/// `virtual_server IP PORT`, `real_server IP PORT`.
fn endpoint(block: &Statement) -> Option<SocketAddr> {
    let [ip, port] = block.args() else { return None };
    let (ip, port): (IpAddr, u16) = (ip.text.parse().ok()?, port.text.parse().ok()?);
    (port != 0).then_some(SocketAddr::new(ip, port))
}

fn keyword(line: &Statement, proxy: &mut Proxy, report: &mut Report) {
    match line.name() {
        "protocol" => report.translated(line),
        "real_server" => server(line, proxy, report),
        "delay_loop" => {
            if let Some(interval) = report.parsed(line, seconds) {
                let limits = Duration::from_millis(10)..=Duration::from_secs(3600);
                proxy.check.interval = Some(interval.value.clamp(*limits.start(), *limits.end()));
                proxy.check.from.insert(0, line.place().clone());
                report.translated(line);
            }
        }
        "lb_algo" | "lvs_sched" => balance(line, proxy, report),
        "lb_kind" | "lvs_method" | "nat_mask" => {
            report.ignored(line, "a proxy has connections of its own")
        }
        "persistence_timeout" => {
            proxy.balance = Some(Got::from(line.place(), "source"));
            report.different(line, STICKS);
        }
        "persistence_granularity" => {
            report.different(line, "each client is kept with a server by its whole address");
        }
        "sorry_server" => sorry(line, proxy, report),
        "alpha" => report.different(line, "a server serves from its first good check on"),
        "omega" => report.ignored(line, "no hook is run for a service"),
        "hysteresis" => report.ignored(line, "one usable server is enough"),
        "ha_suspend" => report.different(line, "servers are checked on every node, at any time"),
        "quorum" if line.text(1) == "1" => report.translated(line),
        "quorum" => report.unsupported(line, "one usable server is enough"),
        "retry" | "delay_before_retry" | "warmup" => {
            report.different(line, "`fall` failures in a row make a server down");
        }
        name if name.starts_with("quorum_") || name.starts_with("notify") => {
            report.unsupported(line, super::SERVER_NOTIFY);
        }
        _ => report.whole(line, Kind::NotSupported, super::UNKNOWN),
    }
}

fn balance(line: &Statement, proxy: &mut Proxy, report: &mut Report) {
    let balance = match line.text(1) {
        "rr" | "wrr" => "round_robin",
        "lc" | "wlc" | "sed" | "nq" => "least_conn",
        "sh" => "source",
        other => {
            let why = format!("there is no counterpart to {other:?}; servers take turns");
            return report.unsupported(line, why);
        }
    };
    report.translated(line);
    if proxy.balance.as_ref().is_some_and(|known| known.value == "source") {
        return report.different(line, STICKS);
    }
    proxy.balance = Some(Got::from(line.place(), balance));
}

fn server(block: &Statement, proxy: &mut Proxy, report: &mut Report) {
    let Some(address) = endpoint(block) else {
        return report.whole(block, Kind::NotSupported, "a server is an IP address and a port");
    };
    if proxy.servers.iter().any(|server| server.address == address.into()) {
        return report.whole(block, Kind::Ignored, "it is a server of this service already");
    }
    report.translated(block);
    let mut own = Server::new(block.place(), address);
    if let Some(weight) = block.inner().iter().find(|line| line.name() == "weight") {
        own.weight = report.number(weight, 0..=256).map(|got| got.value).filter(|n| *n != 1);
        report.translated(weight);
    }
    proxy.servers.push(own);
    let first = proxy.servers.iter().filter(|server| !server.backup).count() == 1;
    let mut checks = 0;
    for line in block.inner() {
        match line.name() {
            "weight" => {}
            "inhibit_on_failure" => {
                report.ignored(line, "connections go on while their server is down")
            }
            "TCP_CHECK" | "HTTP_GET" | "SSL_GET" => {
                checks += 1;
                if checks > 1 {
                    report.whole(line, Kind::NotSupported, "a server has one check");
                    continue;
                }
                let check = check(line, address.port(), &proxy.check, report);
                let what = |check: &Check| (check.probe.clone(), check.expect.clone(), check.port);
                let same = what(&check) == what(&proxy.check);
                if first {
                    proxy.check = check;
                } else if !same {
                    report.unsupported(line, "all servers of a proxy are checked alike");
                }
            }
            name if name.ends_with("_CHECK") || name.ends_with("_GET") => {
                report.whole(
                    line,
                    Kind::NotSupported,
                    "a check is one of tcp, tls, http and https",
                );
            }
            name if name.starts_with("notify") => report.unsupported(line, super::SERVER_NOTIFY),
            _ => report.whole(line, Kind::NotSupported, super::UNKNOWN),
        }
    }
    if checks == 0 {
        report.different(block, "keepalived does not check it; here every server is checked");
    }
}

/// The check of one server, on the ground of what holds for the service.
fn check(block: &Statement, port: u16, service: &Check, report: &mut Report) -> Check {
    let mut check = service.clone();
    check.from.push(block.place().clone());
    report.translated(block);
    let tls = block.name() == "SSL_GET";
    if block.name() != "TCP_CHECK" {
        check.probe = Probe::Http { path: "/".to_owned(), tls };
    }
    let mut urls = 0;
    for line in block.inner() {
        match line.name() {
            "connect_timeout" => {
                check.timeout = report.parsed(line, seconds).map(|got| {
                    got.value.clamp(Duration::from_millis(10), Duration::from_secs(3600))
                });
                report.translated(line);
            }
            "connect_port" if line.text(1) == port.to_string() => report.translated(line),
            "connect_port" => {
                check.port = report.number(line, 1..=65_535).map(|got| got.value);
                report.translated(line);
            }
            "connect_ip" | "bindto" | "bind_port" => {
                report.unsupported(line, "the address that serves is the one that is checked");
            }
            "nb_get_retry" | "retry" => match report.number(line, 0..=99_u32) {
                Some(retries) => {
                    check.fall = Some(retries.value + 1);
                    report.translated(line);
                }
                None => check.fall = service.fall,
            },
            "delay_before_retry" => {
                report.different(line, "failures are counted at the interval's pace")
            }
            "url" if urls == 0 => {
                urls += 1;
                url(line, tls, &mut check, report);
            }
            "url" => report.whole(line, Kind::NotSupported, "a check asks for one path"),
            "warmup" => report.different(line, "checks begin at once"),
            _ => report.whole(line, Kind::NotSupported, super::UNKNOWN),
        }
    }
    if tls {
        report.different(block, "any certificate will do, as with keepalived: `verify = false`");
    }
    check
}

fn url(block: &Statement, tls: bool, check: &mut Check, report: &mut Report) {
    report.translated(block);
    for line in block.inner() {
        match line.name() {
            "path" if line.text(1).starts_with('/') => {
                check.probe = Probe::Http { path: line.text(1).to_owned(), tls };
                report.translated(line);
            }
            "status_code" => {
                let status = report.number(line, 100..=599_u16);
                check.expect = status.iter().map(|got| got.value.to_string()).collect();
                report.translated(line);
            }
            "digest" => {
                report
                    .different(line, "the status is compared, which must be 200; the text is not");
            }
            _ => report.unsupported(line, "a check asks for a path and compares the status"),
        }
    }
}

/// The server for when all others are down: a backup.
fn sorry(line: &Statement, proxy: &mut Proxy, report: &mut Report) {
    match endpoint(line) {
        Some(address) if proxy.servers.iter().all(|server| server.address != address.into()) => {
            proxy.servers.push(Server { backup: true, ..Server::new(line.place(), address) });
            report.different(line, "it is a backup server, and checked as the others are");
        }
        _ => report.unsupported(line, "it is an IP address and a port that no other server has"),
    }
}
