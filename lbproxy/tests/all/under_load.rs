//! Many connections at once, whatever they do, and too many.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::fs::Permissions;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::common::*;
use socket2::SockRef;

fn listen_at(ip: Ipv4Addr) -> SocketAddr {
    SocketAddr::from((ip, 7000))
}

/// A small generator, so that a failure can be repeated.
fn random(state: &mut u64) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*state >> 33).unwrap()
}

/// Sends in pieces of random size, and finishes early or leaves that to the other side of the test.
fn sending(
    client: &TcpStream,
    bytes: Vec<u8>,
    mut state: u64,
    early: bool,
) -> thread::JoinHandle<()> {
    let mut writer = client.try_clone().unwrap();
    thread::spawn(move || {
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(1 + random(&mut state) % 50_000));
            // The reader may have had enough, and reset the connection.
            if writer.write_all(now).is_err() {
                return;
            }
            rest = later;
        }
        if early {
            writer.shutdown(Shutdown::Write).ok();
        }
    })
}

/// One transfer there and back; returns whether it went to its end.
fn transfer(listen: SocketAddr, seed: u64) -> bool {
    let mut state = seed;
    let byte = |at: usize| at.to_le_bytes()[0] ^ at.to_le_bytes()[1];
    let sent: Vec<u8> = (0..1 + random(&mut state) % 600_000).map(byte).collect();
    let resets = random(&mut state).is_multiple_of(4);
    let pause = random(&mut state).is_multiple_of(4).then_some(Duration::from_millis(2));
    let enough = if resets { random(&mut state) % sent.len() } else { sent.len() };
    let mut client = connect(listen);
    let early = random(&mut state).is_multiple_of(2);
    let writing = sending(&client, sent.clone(), state, early);
    let mut got = Vec::new();
    let mut chunk = vec![0; 8192];
    while got.len() < enough {
        let wanted = chunk.len().min(enough - got.len());
        match client.read(&mut chunk[..wanted]).unwrap() {
            0 => panic!("seed {seed} ended after {} of {}", got.len(), sent.len()),
            count => got.extend_from_slice(&chunk[..count]),
        }
        pause.into_iter().for_each(thread::sleep);
    }
    assert!(got == sent[..enough], "seed {seed}");
    if resets {
        SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
        client.shutdown(Shutdown::Both).ok();
    } else {
        client.shutdown(Shutdown::Write).ok();
        assert_eq!(client.read(&mut chunk).unwrap(), 0, "seed {seed}");
    }
    drop(client);
    writing.join().unwrap();
    !resets
}

#[test]
fn parallel_transfers_arrive_byte_for_byte_beside_resets_and_slow_readers() {
    let ip = own_ip();
    let config = table(listen_at(ip), &[echo(ip), echo(ip)], ONCE);
    let proxy = Proxy::ready(&config, &["up", "up"]);
    let transfers: Vec<_> =
        (0..64).map(|seed| thread::spawn(move || transfer(listen_at(ip), seed))).collect();
    let whole = transfers.into_iter().map(|one| one.join().unwrap());
    let whole = whole.filter(|whole| *whole).count();
    assert!((32..64).contains(&whole), "{whole} went to their end");
    // Nothing of them is left.
    eventually("all have ended", || {
        let status = proxy.status().unwrap();
        let used = status.usage.buffers + status.usage.pipes;
        (status.proxies[0].sessions, used) == (0, 0)
    });
}

#[test]
fn measures_few_connections_are_dealt_out_evenly_to_the_workers() {
    let ip = own_ip();
    let table = table(listen_at(ip), &[echo(ip)], ONCE);
    let proxy = Proxy::ready(&format!("threads = 4\n{table}"), &["up"]);
    let served = |_| {
        let mut client = connect(listen_at(ip));
        ping(&mut client);
        client
    };
    let clients: Vec<TcpStream> = (0..8).map(served).collect();
    // Chance alone would do it in four of a hundred runs.
    assert_eq!(proxy.status().unwrap().connections_per_worker, [2; 4]);
    drop(clients);
    let idle = || proxy.status().unwrap().connections_per_worker == [0; 4];
    eventually("nobody is counted who has left", idle);
}

#[test]
fn with_few_files_the_rest_waits_and_a_line_says_so() {
    let ip = own_ip();
    let proxy = Proxy::start_with_files(&table(listen_at(ip), &[echo(ip)], ONCE), 200);
    proxy.wait_for(&["up"]);
    // (200 - 128 - 2 * (2 * 1 + 1 + 2 * 1)) / 2, over two workers.
    let clients: Vec<TcpStream> = (0..80).map(|_| connect(listen_at(ip))).collect();
    let line = proxy.log("as many connections as files allow: new ones wait");
    assert!(line.contains("limit=30"), "{line}");
    let full = || proxy.status().unwrap().proxies[0].full.map(|full| full.to_string());
    eventually("the status says so", || {
        full().as_deref() == Some("as many connections as files allow")
    });
    eventually("it has as many as it may", || proxy.status().unwrap().proxies[0].sessions == 30);
    // It goes on: who leaves makes room, and everybody is served in the end, in whatever order.
    ping_all(clients);
    assert_eq!(proxy.status().unwrap().proxies[0].servers[0].state.to_string(), "up");
    eventually("there is room", || full().is_none());
}

#[test]
fn silent_clients_of_one_address_shut_nobody_out_of_another() {
    let ip = own_ip();
    let other = SocketAddr::from((ip, 7001));
    let config = format!(
        "{}[[proxy]]\nname = \"other\"\nlisten = [\"{other}\"]\nservers = [\"{}\"]\n{ONCE}\n",
        table(listen_at(ip), &[echo(ip)], ONCE),
        echo(ip)
    );
    let proxy = Proxy::start_with_files(&config, 256);
    proxy.wait_for(&["up"]);
    // (256 - 128 - 2 * (2 * 2 + 2 + 2 * 2)) / 2 = 54, of which 54 / 2 / 2 = 13 are the other's own.
    let silent: Vec<TcpStream> = (0..80).map(|_| connect(listen_at(ip))).collect();
    let of = |place: usize| proxy.status().unwrap().proxies.remove(place);
    eventually("it has its share", || of(0).sessions == 41);
    assert!(of(0).full.is_some() && of(1).full.is_none());
    let mut clients: Vec<TcpStream> = (0..13).map(|_| connect(other)).collect();
    clients.iter_mut().for_each(ping);
    eventually("both are full", || of(1).full.is_some());
    drop((silent, clients));
    eventually("both have room", || of(0).full.is_none() && of(1).full.is_none());
    ping(&mut connect(listen_at(ip)));
}

/// Threads are not to be had: that is said once, and is no panic.
#[test]
fn a_task_limit_is_an_error() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).unwrap();
    // The other user may not come to where it was built.
    let program = dir.path().join("lbproxy");
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_lbproxy")).arg(&program).status();
    assert!(copied.unwrap().success());
    // A user that has nothing else running; for root there is no such limit.
    let mut setpriv = Command::new("setpriv");
    setpriv.args(["--reuid=64321", "--regid=64321", "--clear-groups", "prlimit", "--nproc=1"]);
    setpriv.arg(&program);
    let config = table(listen_at(own_ip()), &[echo(own_ip())], ONCE);
    let mut proxy = Proxy::spawn(setpriv, dir, &[], &config);
    let status = proxy.wait();
    let log = proxy.log_to_its_end();
    assert_eq!(status.code(), Some(1), "{log}");
    assert_eq!(log.matches("cannot start the thread that writes the log").count(), 1, "{log}");
    assert!(log.contains("msg=stopped") && !log.contains("panicked"), "{log}");
}
