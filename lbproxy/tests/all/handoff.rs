//! A new program in the place of a running one, and no client that notices.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;

use crate::common::*;
use lbproxy::control::status::Mode;
use process::channels::Channel;

/// Clients that come one after the other, on some threads.
struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU32>,
    threads: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    fn start(address: SocketAddr) -> Self {
        let (stop, answered) = (Arc::<AtomicBool>::default(), Arc::<AtomicU32>::default());
        let threads = (0..4).map(|_| {
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            std::thread::spawn(move || {
                let mut failures = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    match fetch(address) {
                        Ok(text) if text == "here" => {
                            answered.fetch_add(1, Ordering::Relaxed);
                        }

                        other => failures.push(format!("{other:?}")),
                    }
                }
                failures
            })
        });
        Self { threads: threads.collect(), stop, answered }
    }

    /// Waits for `count` more answers.
    fn more(&self, count: u32) {
        let before = self.answered.load(Ordering::Relaxed);
        eventually("clients are answered", || {
            self.answered.load(Ordering::Relaxed) >= before + count
        });
    }

    fn failures(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    }
}

#[test]
fn successors_take_over_without_a_lost_connection() {
    let ip = own_ip();
    let listen = SocketAddr::from((ip, 7000));
    let config = table(listen, &[named(ip, "here"), named(ip, "here")], QUICK);
    let mut proxy = Proxy::ready(&config, &["up", "up"]);
    let load = Load::start(listen);
    load.more(100);
    // With more workers, with fewer, with as many.
    for threads in [3, 1, 2] {
        let next = proxy.successor(&format!("threads = {threads}\n{config}"));
        next.log("serving in the predecessor's place");
        assert!(proxy.wait().success());
        load.more(100);
        assert_eq!(next.status().unwrap().pid, next.child.id());
        assert_eq!(next.status().unwrap().workers, threads);
        proxy = next;
    }
    assert_eq!(load.failures(), Vec::<String>::new());
}

#[test]
fn what_is_connected_lasts_until_it_ends_and_orders_hold() {
    let ip = own_ip();
    let listen = SocketAddr::from((ip, 7000));
    let config = full_table(listen, &[(echo(ip), ""), (echo(ip), "")], QUICK);
    let mut proxy = Proxy::ready(&config, &["up", "up"]);
    let order = "{\"type\":\"server\",\"proxy\":\"p\",\"server\":\"s1\",\"order\":\"drain\"}";
    assert!(proxy.ask(order).contains("done"));
    let mut before = connect(listen);
    ping(&mut before);
    let next = proxy.successor(&config);
    proxy.log("draining: a successor serves");
    ping(&mut before);
    let mut after = connect(listen);
    ping(&mut after);
    let status = next.status().unwrap();
    assert_eq!(status.pid, next.child.id());
    let [first, second] = &status.proxies[0].servers[..] else { panic!("{status:?}") };
    assert_eq!((first.mode, first.sessions), (Mode::Ready, 1));
    assert_eq!((second.mode, second.sessions), (Mode::Drain, 0));
    assert!(proxy.child.try_wait().unwrap().is_none());
    drop(before);
    assert!(proxy.wait().success());
    assert!(next.status().is_some());
    ping(&mut after);
}

/// `vrrpd` hears that no news will come before it sees the end of them, which would be the proxy's death.
#[test]
fn vrrpd_is_told_of_the_retirement() {
    let ip = own_ip();
    let config = table(SocketAddr::from((ip, 7000)), &[named(ip, "here")], QUICK)
        + "[[vrrp]]\nname = \"vip\"\ninterface = \"eth0\"\nvrid = 51\naddresses = [\"192.0.2.1\"]\n";
    let mut proxy = Proxy::start(&config);
    let ours = proxy.channel(Channel::Health);
    proxy.wait_for(&["up"]);
    let next = proxy.successor(&config);
    let successor = next.channel(Channel::Health);
    let mut said = String::new();
    BufReader::new(&successor).read_line(&mut said).unwrap();
    assert_eq!(said, "{\"type\":\"hello\",\"version\":1}\n");
    assert!(proxy.wait().success());
    let said: Vec<String> = BufReader::new(ours).lines().map_while(Result::ok).collect();
    assert_eq!(said.last().map(String::as_str), Some("{\"type\":\"retire\"}"));
}

#[test]
fn after_drain_timeout_connections_end() {
    let ip = own_ip();
    let listen = SocketAddr::from((ip, 7000));
    let config = format!("drain_timeout = \"300ms\"\n{}", table(listen, &[echo(ip)], QUICK));
    let mut proxy = Proxy::ready(&config, &["up"]);
    let mut client = connect(listen);
    ping(&mut client);
    let _next = proxy.successor(&config);
    assert_reset(&mut client);
    assert!(proxy.wait().success());
}

/// It claims everything, and dies before it serves.
#[test]
fn a_successor_that_dies_changes_nothing() {
    let ip = own_ip();
    let listen = SocketAddr::from((ip, 7000));
    let config = table(listen, &[named(ip, "here")], QUICK);
    let mut proxy = Proxy::ready(&config, &["up"]);
    let mut successor = proxy.channel(Channel::Handoff);
    successor.write_all(b"{\"type\":\"retire\"}\n").unwrap();
    proxy.log("retirement refused");
    successor.write_all(b"{\"type\":\"take_over\"}\n").unwrap();
    let mut answer = String::new();
    BufReader::new(successor).read_line(&mut answer).unwrap();
    assert!(answer.starts_with("{\"type\":\"sockets\","), "{answer}");
    assert_eq!(fetch(listen).unwrap(), "here");
    assert_eq!(proxy.status().unwrap().pid, proxy.child.id());
    let next = proxy.successor(&config);
    next.log("serving in the predecessor's place");
    assert!(proxy.wait().success());
    assert_eq!(fetch(listen).unwrap(), "here");
}

/// A listener that the predecessor did not have is bound; one that is gone from the file is closed.
#[test]
fn a_successor_listens_as_its_own_file_says() {
    let ip = own_ip();
    let [old, new] = [7000, 7001].map(|port| SocketAddr::from((ip, port)));
    let server = [named(ip, "here")];
    let mut proxy = Proxy::ready(&table(old, &server, QUICK), &["up"]);
    let next = proxy.successor(&table(new, &server, QUICK));
    next.log("serving in the predecessor's place");
    assert!(proxy.wait().success());
    assert_eq!(fetch(new).unwrap(), "here");
    assert!(std::net::TcpStream::connect(old).is_err());
}

#[test]
fn without_a_predecessor_there_is_nothing_to_take_over() {
    let ip = own_ip();
    let config = table(SocketAddr::from((ip, 7000)), &[named(ip, "here")], QUICK);
    let mut proxy = Proxy::ready(&config, &["up"]);
    proxy.signal("TERM");
    assert!(proxy.wait().success());
    let mut next = proxy.successor(&config);
    next.log("take over from the lbproxy that runs");
    assert_eq!(next.wait().code(), Some(1));
}
