//! What happens to the bytes and to the ends of connections.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use crate::common::*;
use socket2::{Domain, SockRef, Socket, Type};

fn listen_at(ip: std::net::Ipv4Addr) -> SocketAddr {
    SocketAddr::from((ip, 7000))
}

/// A proxy before one server that hands its connections to the test.
fn pair(more: &str) -> (Proxy, TcpStream, TcpStream) {
    let ip = own_ip();
    let (sender, accepted) = channel();
    let listener = TcpListener::bind((ip, 0)).unwrap();
    let address = server(listener, move |stream| drop(sender.send(stream)));
    let proxy =
        Proxy::ready(&table(listen_at(ip), &[address], &format!("{ONCE}\n{more}")), &["up"]);
    // The check's connection came first.
    accepted.recv_timeout(PATIENCE).unwrap();
    let client = connect(listen_at(ip));
    let server = accepted.recv_timeout(PATIENCE).unwrap();
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    (proxy, client, server)
}

#[test]
fn bytes_come_back_and_are_counted() {
    let ip = own_ip();
    let proxy = Proxy::ready(&table(listen_at(ip), &[echo(ip)], ONCE), &["up"]);
    let mut client = connect(listen_at(ip));
    client.write_all(b"hello").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut text = String::new();
    client.read_to_string(&mut text).unwrap();
    assert_eq!(text, "hello");
    let line = proxy.line("end=client_closed");
    assert!(line.contains(" bytes_up=5 bytes_down=5 attempts=1 "), "{line}");
    let status = proxy.status().unwrap();
    assert_eq!((status.proxies[0].accepted, status.proxies[0].refused), (1, 0));
    assert_eq!(status.proxies[0].ended, [("client_closed".to_owned(), 1)].into());
    let server = &status.proxies[0].servers[0];
    assert_eq!((server.total, server.bytes_up, server.bytes_down), (1, 5, 5));
    assert_eq!(server.connect_latency.counts.iter().sum::<u64>(), 1);
    assert_eq!(server.check_latency.counts.iter().sum::<u64>(), 1);
    assert!(server.connect_latency.sum_micros > 0);
}

#[test]
fn bytes_of_an_open_connection_are_counted() {
    let ip = own_ip();
    let proxy = Proxy::ready(&table(listen_at(ip), &[echo(ip)], ONCE), &["up"]);
    let mut client = connect(listen_at(ip));
    for size in [1, 2] {
        ping(&mut client);
        eventually("they are counted", || {
            let status = proxy.status().unwrap();
            let server = &status.proxies[0].servers[0];
            (server.bytes_up, server.bytes_down) == (size, size)
        });
    }
}

#[test]
fn the_end_of_the_client_is_passed_on_and_the_server_goes_on() {
    let (proxy, mut client, mut server) = pair("");
    client.write_all(b"question").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut question = String::new();
    server.read_to_string(&mut question).unwrap();
    assert_eq!(question, "question");
    server.write_all(b"answer").unwrap();
    drop(server);
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "answer");
    proxy.line("end=client_closed");
}

#[test]
fn the_end_of_the_server_is_passed_on_and_the_client_goes_on() {
    let (proxy, mut client, mut server) = pair("");
    server.write_all(b"bye").unwrap();
    server.shutdown(Shutdown::Write).unwrap();
    let mut text = String::new();
    client.read_to_string(&mut text).unwrap();
    assert_eq!(text, "bye");
    client.write_all(b"late").unwrap();
    drop(client);
    let mut late = String::new();
    server.read_to_string(&mut late).unwrap();
    assert_eq!(late, "late");
    proxy.line("end=server_closed");
}

fn abort(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
}

#[test]
fn a_reset_is_passed_on_as_a_reset_both_ways() {
    let (proxy, client, mut server) = pair("");
    abort(client);
    assert_reset(&mut server);
    proxy.line("end=client_reset");

    let (proxy, mut client, mut server) = pair("");
    // Else the proxy may not know yet that it is connected.
    client.write_all(b"x").unwrap();
    server.read_exact(&mut [0]).unwrap();
    abort(server);
    assert_reset(&mut client);
    proxy.line("end=server_reset");
}

#[test]
fn a_reader_that_stands_still_stops_the_writer() {
    let (_proxy, mut client, mut server) = pair("");
    client.set_nonblocking(true).unwrap();
    let chunk = [7; 65_536];
    let (mut sent, mut quiet) = (0_usize, 0);
    // Until nothing has gone in for a while: then all buffers on the way are full.
    while quiet < 20 {
        match client.write(&chunk) {
            Ok(count) => (sent, quiet) = (sent + count, 0),
            Err(_) => {
                quiet += 1;
                thread::sleep(Duration::from_millis(10));
            }
        }
        assert!(sent < 64 << 20, "nothing stops the writer");
    }
    client.set_nonblocking(false).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut read = Vec::new();
    server.read_to_end(&mut read).unwrap();
    assert_eq!(read.len(), sent);
}

#[test]
fn an_idle_connection_ends_and_a_half_closed_one_sooner() {
    let (proxy, mut client, _server) = pair("idle_timeout = \"300ms\"");
    assert_eq!(client.read(&mut [0; 1]).unwrap(), 0, "an orderly end, as HAProxy's");
    proxy.line("end=idle_timeout");

    let (proxy, mut client, _server) = pair("half_closed_timeout = \"200ms\"");
    client.shutdown(Shutdown::Write).unwrap();
    assert_reset(&mut client);
    proxy.line("end=half_closed_timeout");
}

#[test]
fn traffic_keeps_a_connection_from_being_idle() {
    let (_proxy, mut client, mut server) = pair("idle_timeout = \"2s\"");
    for _ in 0..30 {
        client.write_all(b"x").unwrap();
        server.read_exact(&mut [0]).unwrap();
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_server_that_refuses_costs_the_client_nothing() {
    let ip = own_ip();
    let dying = TcpListener::bind((ip, 0)).unwrap();
    let dead = dying.local_addr().unwrap();
    let check = "check = { tcp = true, interval = \"1h\", timeout = \"5s\", error_limit = 0 }";
    let more = format!("balance = \"first\"\n{check}");
    let config = table(listen_at(ip), &[dead, named(ip, "alive")], &more);
    let proxy = Proxy::ready(&config, &["up", "up"]);
    drop(dying);
    for _ in 0..10 {
        assert_eq!(fetch(listen_at(ip)).unwrap(), "alive");
    }
    let line = proxy.line("end=");
    assert!(line.contains(" attempts=2 "), "{line}");
    assert_eq!(proxy.status().unwrap().proxies[0].retries, 10);
    assert_eq!(proxy.status().unwrap().proxies[0].servers[0].connect_failures, 10);
}

#[test]
fn without_a_server_the_client_is_reset_at_once() {
    let ip = own_ip();
    let dead = TcpListener::bind((ip, 0)).unwrap().local_addr().unwrap();
    let proxy = Proxy::ready(&table(listen_at(ip), &[dead], QUICK), &["down"]);
    let start = now();
    assert_reset(&mut connect(listen_at(ip)));
    assert!(start.elapsed() < Duration::from_secs(2));
    proxy.line("end=no_backend");
    assert_eq!(proxy.status().unwrap().proxies[0].refused, 1);
}

/// A server whose kernel drops every further handshake.
fn black_hole(ip: std::net::Ipv4Addr) -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((ip, 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

#[test]
fn a_black_hole_is_passed_over_within_the_deadline() {
    let ip = own_ip();
    let (hole, dark) = black_hole(ip);
    let config =
        table(listen_at(ip), &[dark, named(ip, "alive")], &format!("balance = \"first\"\n{ONCE}"));
    let proxy = Proxy::ready(&config, &["up", "up"]);
    let mut held = Vec::new();
    // Until the queue is full and a further handshake gets no answer.
    while let Ok(stream) = TcpStream::connect_timeout(&dark, Duration::from_millis(300)) {
        held.push(stream);
        assert!(held.len() < 64, "the queue never fills");
    }
    let start = now();
    assert_eq!(fetch(listen_at(ip)).unwrap(), "alive");
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    let line = proxy.line("end=");
    assert!(line.contains(" attempts=2 "), "{line}");
    // Where nobody else is left, the client learns what became of it.
    let alone = format!("connect_timeout = \"300ms\"\n{ONCE}");
    proxy.reload(&table(listen_at(ip), &[dark], &alone));
    proxy.log("reloaded");
    assert_reset(&mut connect(listen_at(ip)));
    proxy.line("end=connect_timeout");
    drop((hole, held));
}

#[test]
fn a_server_that_refuses_alone_costs_the_client_its_connection() {
    let ip = own_ip();
    let dying = TcpListener::bind((ip, 0)).unwrap();
    let check = "check = { tcp = true, interval = \"1h\", timeout = \"5s\", error_limit = 0 }";
    let config = table(listen_at(ip), &[dying.local_addr().unwrap()], check);
    let proxy = Proxy::ready(&config, &["up"]);
    drop(dying);
    assert_reset(&mut connect(listen_at(ip)));
    let line = proxy.line("end=connect_failed");
    assert!(line.contains(" server=- ") && line.contains(" attempts=1 "), "{line}");
}

#[test]
fn an_address_that_is_not_here_is_listened_on() {
    let ip = own_ip();
    let absent = "192.0.2.77:7000".parse().unwrap();
    let proxy = Proxy::ready(&table(absent, &[echo(ip)], ONCE), &["up"]);
    let listening = std::fs::read_to_string("/proc/net/tcp").unwrap();
    // 192.0.2.77:7000, state LISTEN, once for each worker.
    assert_eq!(listening.matches("4D0200C0:1B58 00000000:0000 0A").count(), 2, "{listening}");
    drop(proxy);
}
