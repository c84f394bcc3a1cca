//! Weights, backups, limits and the queue.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use crate::common::*;

fn listen_at(ip: Ipv4Addr) -> SocketAddr {
    SocketAddr::from((ip, 7000))
}

/// How often each of 60 connections came to which server.
fn tally(ip: Ipv4Addr) -> HashMap<String, usize> {
    let mut tally = HashMap::new();
    for _ in 0..60 {
        *tally.entry(fetch(listen_at(ip)).unwrap()).or_default() += 1;
    }
    tally
}

#[test]
fn weights_divide_the_connections() {
    let ip = own_ip();
    let servers = [
        (named(ip, "a"), "weight = 3"),
        (named(ip, "b"), "weight = 2"),
        (named(ip, "c"), "weight = 1"),
        (named(ip, "d"), "weight = 0"),
    ];
    let config = full_table(listen_at(ip), &servers, ONCE);
    let proxy = Proxy::ready(&config, &["up", "up", "up", "up"]);
    let seen = tally(ip);
    // Each worker goes round by itself, so the shares are exact but for one round each.
    let expected = [("a", 26..=34), ("b", 16..=24), ("c", 6..=14)];
    for (name, range) in expected {
        assert!(range.contains(&seen[name]), "{seen:?}");
    }
    assert!(!seen.contains_key("d"), "{seen:?}");
    assert_eq!(proxy.status().unwrap().proxies[0].servers[0].weight, 3);
}

#[test]
fn random_of_two_uses_every_server() {
    let ip = own_ip();
    let servers = [named(ip, "a"), named(ip, "b"), named(ip, "c")];
    let more = format!("balance = \"random\"\n{ONCE}");
    let _proxy = Proxy::ready(&table(listen_at(ip), &servers, &more), &["up", "up", "up"]);
    let seen = tally(ip);
    assert!(seen.len() == 3 && seen.values().all(|count| *count >= 5), "{seen:?}");
}

#[test]
fn a_backup_serves_while_no_other_can() {
    let ip = own_ip();
    let main = TcpListener::bind((ip, 0)).unwrap();
    let hold = main.try_clone().unwrap();
    let main = server(main, |mut stream| drop(stream.write_all(b"main")));
    let servers = [(named(ip, "backup"), "backup = true"), (main, "")];
    let proxy = Proxy::ready(&full_table(listen_at(ip), &servers, QUICK), &["up", "up"]);
    assert_eq!(fetch(listen_at(ip)).unwrap(), "main");
    socket2::SockRef::from(&hold).shutdown(Shutdown::Both).unwrap();
    // At once by a second attempt, and then by what the checks say.
    assert_eq!(fetch(listen_at(ip)).unwrap(), "backup");
    proxy.wait_for(&["up", "down"]);
    assert_eq!(fetch(listen_at(ip)).unwrap(), "backup");
    proxy.line("server=s0");
}

fn waiting(proxy: &Proxy) -> u32 {
    proxy.status().unwrap().proxies[0].waiting
}

#[test]
fn a_full_server_makes_connections_wait_in_order() {
    let ip = own_ip();
    let servers = [(echo(ip), "max_connections = 1")];
    let more = format!("max_queue = 2\nqueue_timeout = \"1m\"\n{ONCE}");
    let proxy = Proxy::ready(&full_table(listen_at(ip), &servers, &more), &["up"]);
    let mut first = connect(listen_at(ip));
    ping(&mut first);
    let mut second = connect(listen_at(ip));
    second.write_all(b"2").unwrap();
    eventually("one waits", || waiting(&proxy) == 1);
    let mut third = connect(listen_at(ip));
    third.write_all(b"3").unwrap();
    eventually("two wait", || waiting(&proxy) == 2);
    // There is no third place.
    assert_reset(&mut connect(listen_at(ip)));
    proxy.line("end=queue_full");
    drop(first);
    second.read_exact(&mut [0]).unwrap();
    assert_eq!(waiting(&proxy), 1);
    drop(second);
    third.read_exact(&mut [0]).unwrap();
    assert_eq!(waiting(&proxy), 0);
    assert_eq!(proxy.status().unwrap().proxies[0].refused, 1);
}

#[test]
fn waiting_ends_in_time_or_when_the_limit_is_raised() {
    let ip = own_ip();
    let address = echo(ip);
    let config = |limit: u32, time: &str| {
        let keys = format!("max_connections = {limit}");
        let more = format!("queue_timeout = \"{time}\"\n{ONCE}");
        full_table(listen_at(ip), &[(address, &keys)], &more)
    };
    let proxy = Proxy::ready(&config(1, "100ms"), &["up"]);
    let mut first = connect(listen_at(ip));
    ping(&mut first);
    assert_reset(&mut connect(listen_at(ip)));
    proxy.line("end=queue_timeout");
    proxy.reload(&config(1, "1m"));
    proxy.log("reloaded");
    let mut second = connect(listen_at(ip));
    second.write_all(b"2").unwrap();
    eventually("one waits", || waiting(&proxy) == 1);
    proxy.reload(&config(2, "1m"));
    second.read_exact(&mut [0]).unwrap();
    ping(&mut first);
}

#[test]
fn a_server_that_comes_back_is_not_given_everything_at_once() {
    let ip = own_ip();
    let (one, other) = (echo(ip), echo(ip));
    let more = format!("balance = \"least_conn\"\nslow_start = \"1h\"\n{QUICK}");
    let config = full_table(listen_at(ip), &[(one, ""), (other, "")], &more);
    let proxy = Proxy::ready(&config, &["up", "up"]);
    let order = |order: &str| {
        let server = "\"proxy\":\"p\",\"server\":\"s1\"";
        proxy.ask(&format!("{{\"type\":\"server\",{server},\"order\":\"{order}\"}}"));
    };
    let open = |count: usize| -> Vec<TcpStream> {
        let opened = (0..count).map(|_| {
            let mut stream = connect(listen_at(ip));
            ping(&mut stream);
            stream
        });
        opened.collect()
    };
    let sessions = || {
        let servers = proxy.status().unwrap().proxies[0].servers.clone();
        [servers[0].sessions, servers[1].sessions]
    };
    // At the start both have their share at once.
    let first = open(8);
    assert_eq!(sessions(), [4, 4]);
    order("maint");
    proxy.wait_for(&["up", "maint"]);
    order("ready");
    proxy.wait_for(&["up", "up"]);
    let second = open(8);
    assert_eq!(sessions(), [12, 4]);
    assert_eq!(proxy.status().unwrap().proxies[0].servers[1].slow_start, Some(0));
    // While nobody else is up, it gets them all.
    proxy.ask("{\"type\":\"server\",\"proxy\":\"p\",\"server\":\"s0\",\"order\":\"drain\"}");
    let third = open(4);
    assert_eq!(sessions(), [12, 8]);
    drop((first, second, third));
}

/// A proxy whose lists are these, with one server that is up.
fn with_lists(ip: Ipv4Addr, lists: &str) -> Proxy {
    Proxy::ready(&table(listen_at(ip), &[echo(ip)], &format!("{lists}\n{QUICK}")), &["up"])
}

#[test]
fn a_client_that_is_denied_or_not_allowed_is_reset_and_counted_by_the_reason() {
    let refused = |lists: &str, end: &str| {
        let reason = end.trim_start_matches("end=");
        let ip = own_ip();
        let proxy = with_lists(ip, lists);
        assert_reset(&mut connect(listen_at(ip)));
        let line = proxy.line(end);
        assert!(line.contains(" server=- ") && line.contains(" attempts=0 "), "{line}");
        let status = proxy.status().unwrap().proxies.remove(0);
        assert_eq!((status.ended.get(reason), status.refused), (Some(&1), 0), "{lists}");
    };
    refused("deny = [\"127.0.0.0/8\"]", "end=denied");
    refused("allow = [\"127.0.0.0/8\"]\ndeny = [\"127.0.0.0/8\"]", "end=denied");
    refused("allow = [\"192.0.2.0/24\"]", "end=not_allowed");
    let ip = own_ip();
    let proxy = with_lists(ip, "allow = [\"127.0.0.0/8\"]\ndeny = [\"192.0.2.0/24\"]");
    ping(&mut connect(listen_at(ip)));
    drop(proxy);
}

#[test]
fn a_client_has_no_more_connections_than_it_may_over_all_workers() {
    let ip = own_ip();
    let more = format!("max_connections_per_source = 4\n{QUICK}");
    let proxy = Proxy::ready(&table(listen_at(ip), &[echo(ip)], &more), &["up"]);
    let opened: Vec<TcpStream> = (0..24).map(|_| connect(listen_at(ip))).collect();
    // A reset may come before or after the first byte.
    let serves = |mut stream: &TcpStream| {
        let mut byte = [0];
        let read = stream.write_all(b"!").and_then(|()| stream.read(&mut byte));
        read.is_ok_and(|count| count == 1)
    };
    assert_eq!(opened.iter().filter(|stream| serves(stream)).count(), 4);
    let line = proxy.line("end=source_limit");
    assert!(line.contains(" server=- ") && line.contains(" attempts=0 "), "{line}");
    let status = proxy.status().unwrap().proxies.remove(0);
    assert_eq!((status.ended.get("source_limit"), status.refused), (Some(&20), 0));
    drop(opened);
    eventually("they may come again", || {
        let mut stream = connect(listen_at(ip));
        let mut byte = [0];
        stream.write_all(b"!").and_then(|()| stream.read(&mut byte)).is_ok_and(|count| count == 1)
    });
}

#[test]
fn a_proxy_has_no_more_clients_than_it_may_and_the_others_wait_in_the_kernel() {
    let ip = own_ip();
    let more = |most: u32| format!("max_connections = {most}\n{QUICK}");
    let server = echo(ip);
    let proxy = Proxy::ready(&table(listen_at(ip), &[server], &more(3)), &["up"]);
    let clients: Vec<TcpStream> = (0..12).map(|_| connect(listen_at(ip))).collect();
    let status = || proxy.status().unwrap().proxies.remove(0);
    eventually("three are served", || status().sessions == 3);
    let words = "as many connections as max_connections allows";
    assert_eq!(status().full.map(|full| full.to_string()).as_deref(), Some(words));
    proxy.log(words);
    assert_eq!(status().accepted, 3, "nobody else is accepted");
    proxy.reload(&table(listen_at(ip), &[server], &more(5)));
    eventually("two more", || status().sessions == 5);
    // Who leaves makes room, and everybody is served in the end.
    ping_all(clients);
    eventually("all have gone", || (status().sessions, status().full) == (0, None));
    assert_eq!((status().accepted, status().refused), (12, 0));
}

#[test]
fn a_client_opens_no_more_connections_in_a_second_than_it_may() {
    let ip = own_ip();
    let more = format!("max_rate_per_source = 5\n{QUICK}");
    let proxy = Proxy::ready(&table(listen_at(ip), &[echo(ip)], &more), &["up"]);
    let began = now();
    let tries: Vec<bool> = (0..40).map(|_| fetch(listen_at(ip)).is_ok()).collect();
    let took = began.elapsed();
    let served = tries.iter().filter(|served| **served).count();
    assert!(tries[..5].iter().all(|served| *served), "{tries:?}");
    let most = 6.0 + 5.0 * took.as_secs_f64();
    assert!(served < 40 && served as f64 <= most, "{served} in {took:?}");
    let line = proxy.line("end=source_rate");
    assert!(line.contains(" server=- ") && line.contains(" attempts=0 "), "{line}");
    let ended = proxy.status().unwrap().proxies.remove(0).ended;
    assert_eq!(ended.get("source_rate").copied(), u64::try_from(40 - served).ok());
    eventually("it may come again", || fetch(listen_at(ip)).is_ok());
}

#[test]
fn idle_connections_move_to_a_server_that_came_back() {
    let ip = own_ip();
    let servers = [(echo(ip), ""), (echo(ip), "")];
    let more = format!("balance = \"least_conn\"\nrebalance = \"1s\"\n{QUICK}");
    let proxy = Proxy::ready(&full_table(listen_at(ip), &servers, &more), &["up", "up"]);
    let order = |order: &str| {
        let server = "\"proxy\":\"p\",\"server\":\"s1\"";
        proxy.ask(&format!("{{\"type\":\"server\",{server},\"order\":\"{order}\"}}"));
    };
    order("drain");
    let mut clients: Vec<TcpStream> = (0..9).map(|_| connect(listen_at(ip))).collect();
    clients.iter_mut().for_each(ping);
    let sessions = || {
        let servers = proxy.status().unwrap().proxies.remove(0).servers;
        servers.iter().map(|server| server.sessions).collect::<Vec<_>>()
    };
    assert_eq!(sessions(), [9, 0]);
    assert_eq!(proxy.status().unwrap().proxies[0].beyond_share, 0, "the other takes no part");
    order("ready");
    proxy.wait_for(&["up", "up"]);
    assert_eq!(proxy.status().unwrap().proxies[0].beyond_share, 4);
    // Of those beyond its share, in order: their clients read the end, and connect anew.
    let line = proxy.line("end=rebalanced");
    assert!(line.contains("server=s0"), "{line}");
    let mut moved = 0;
    for client in &mut clients {
        client.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
        if client.read(&mut [0]).is_ok_and(|count| count == 0) {
            *client = connect(listen_at(ip));
            ping(client);
            moved += 1;
        }
    }
    assert!((1..=4).contains(&moved), "{moved}");
    eventually("what is left is not worth it", || {
        proxy.status().unwrap().proxies[0].beyond_share <= 2
    });
}
