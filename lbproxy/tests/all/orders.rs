//! What an operator says to a running proxy.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use crate::common::*;
use lbproxy::control::status::Mode;

fn listen_at(ip: Ipv4Addr) -> SocketAddr {
    SocketAddr::from((ip, 7000))
}

fn order(proxy: &Proxy, server: &str, order: &str) -> String {
    let server = format!("\"proxy\":\"p\",\"server\":\"{server}\"");
    proxy.ask(&format!("{{\"type\":\"server\",{server},\"order\":{order}}}"))
}

/// A proxy with `s0`, `s1` that says which of them answers, and one connection to `s0`.
fn pair(ip: Ipv4Addr) -> (Proxy, String, TcpStream) {
    let config = |more: &str| full_table(listen_at(ip), &[(echo(ip), ""), (echo(ip), "")], more);
    let config = config(&format!("balance = \"first\"\n{QUICK}"));
    let proxy = Proxy::ready(&config, &["up", "up"]);
    let mut client = connect(listen_at(ip));
    ping(&mut client);
    (proxy, config, client)
}

fn sessions(proxy: &Proxy) -> Vec<u32> {
    proxy.status().unwrap().proxies[0].servers.iter().map(|server| server.sessions).collect()
}

#[test]
fn a_drained_server_keeps_its_connections_and_stays_drained_over_reloads() {
    let ip = own_ip();
    let (proxy, config, mut client) = pair(ip);
    let answer = order(&proxy, "s0", "\"drain\"");
    assert_eq!(answer, "{\"done\":\"p/s0 is draining, weight 1\"}\n");
    proxy.wait_for(&["draining", "up"]);
    ping(&mut client);
    let mut second = connect(listen_at(ip));
    ping(&mut second);
    assert_eq!(sessions(&proxy), [1, 1]);
    proxy.reload(&config.replace("rise = 1", "rise = 2"));
    proxy.log("reloaded");
    proxy.wait_for(&["draining", "up"]);
    let server = &proxy.status().unwrap().proxies[0].servers[0];
    assert_eq!(server.mode, Mode::Drain);
    order(&proxy, "s0", "\"ready\"");
    proxy.wait_for(&["up", "up"]);
    ping(&mut client);
}

#[test]
fn maintenance_stops_the_checks_and_ready_starts_them_again() {
    let ip = own_ip();
    let (proxy, config, mut client) = pair(ip);
    order(&proxy, "s0", "\"maint\"");
    proxy.wait_for(&["maint", "up"]);
    let server = proxy.status().unwrap().proxies[0].servers[0].clone();
    assert_eq!((server.mode, server.reason.as_str()), (Mode::Maint, "by an operator"));
    ping(&mut client);
    proxy.reload(&config);
    proxy.log("reloaded");
    proxy.wait_for(&["maint", "up"]);
    order(&proxy, "s0", "\"ready\"");
    proxy.wait_for(&["up", "up"]);
    ping(&mut client);
}

#[test]
fn a_weight_holds_until_the_file_has_another() {
    let ip = own_ip();
    let (proxy, config, _client) = pair(ip);
    let weight = |proxy: &Proxy| proxy.status().unwrap().proxies[0].servers[0].weight;
    order(&proxy, "s0", "{\"weight\":0}");
    assert_eq!(weight(&proxy), 0);
    ping(&mut connect(listen_at(ip)));
    eventually("s1 serves", || proxy.status().unwrap().proxies[0].servers[1].total == 1);
    proxy.reload(&config);
    proxy.log("reloaded");
    assert_eq!(weight(&proxy), 0);
    proxy.reload(&config.replacen("name = \"s0\"", "name = \"s0\"\nweight = 7", 1));
    proxy.log("reloaded");
    assert_eq!(weight(&proxy), 7);
    let wrong = order(&proxy, "s0", "{\"weight\":257}");
    assert_eq!(wrong, "{\"error\":\"the weight is 257, but must be 0 to 256\"}\n");
}

#[test]
fn connections_are_ended_of_one_server_or_of_all() {
    let ip = own_ip();
    let (proxy, _, mut client) = pair(ip);
    order(&proxy, "s0", "\"drain\"");
    let mut second = connect(listen_at(ip));
    ping(&mut second);
    let one = "{\"type\":\"shutdown_sessions\",\"proxy\":\"p\",\"server\":\"s0\"}";
    assert_eq!(proxy.ask(one), "{\"done\":\"1 connections of p ended\"}\n");
    assert_reset(&mut client);
    proxy.line("server=s0");
    ping(&mut second);
    proxy.ask("{\"type\":\"shutdown_sessions\",\"proxy\":\"p\",\"server\":null}");
    assert_reset(&mut second);
    let line = proxy.line("server=s1");
    assert!(line.ends_with("end=by_operator"), "{line}");
    ping(&mut connect(listen_at(ip)));
}

#[test]
fn what_is_not_there_is_named() {
    let ip = own_ip();
    let (proxy, ..) = pair(ip);
    let answer = order(&proxy, "s9", "\"drain\"");
    assert_eq!(answer, "{\"error\":\"there is no server s9 of p\"}\n");
    let answer = proxy.ask("{\"type\":\"shutdown_sessions\",\"proxy\":\"q\",\"server\":null}");
    assert_eq!(answer, "{\"error\":\"there is no proxy q\"}\n");
    assert!(proxy.ask("{\"type\":\"server\"}").starts_with("{\"error\":"));
}

#[test]
fn orders_outlive_a_kill_and_an_upgrade_and_end_in_time() {
    let ip = own_ip();
    let (proxy, config, client) = pair(ip);
    drop(client);
    let timed = |proxy: &Proxy, server: &str, order: &str, millis: u64| {
        let server = format!("\"proxy\":\"p\",\"server\":\"{server}\"");
        proxy
            .ask(&format!("{{\"type\":\"server\",{server},\"order\":{order},\"for_ms\":{millis}}}"))
    };
    let answer = timed(&proxy, "s0", "\"maint\"", 3_600_000);
    assert_eq!(answer, "{\"done\":\"p/s0 is maint, weight 1, for 1h\"}\n");
    order(&proxy, "s0", "{\"weight\":7}");
    order(&proxy, "s1", "\"drain\"");
    let of = |proxy: &Proxy| {
        let servers = proxy.status().unwrap().proxies.remove(0).servers;
        servers
            .into_iter()
            .map(|one| (one.mode, one.weight, one.mode_left_seconds))
            .collect::<Vec<_>>()
    };
    let holds = |proxy: &Proxy| {
        let all = of(proxy);
        assert!(matches!(all[0], (Mode::Maint, 7, Some(3_500..=3_600))), "{all:?}");
        assert_eq!(all[1], (Mode::Drain, 1, None));
    };
    holds(&proxy);
    let proxy = proxy.restarted();
    proxy.wait_for(&["maint", "draining"]);
    holds(&proxy);
    let next = proxy.successor(&config);
    next.log("serving in the predecessor's place");
    holds(&next);
    drop(proxy);
    // What is ordered of the successor lasts as well, and what has an end has it in whatever program.
    order(&next, "s1", "\"ready\"");
    timed(&next, "s0", "\"drain\"", 1_500);
    let again = next.restarted();
    again.wait_for(&["draining", "up"]);
    let line = again.log("an operator's order is over");
    assert!(line.contains("state=up") && line.contains("weight=7"), "{line}");
    again.wait_for(&["up", "up"]);
    let last = again.restarted();
    last.wait_for(&["up", "up"]);
    assert_eq!(of(&last)[0], (Mode::Ready, 7, None));
}
