//! Health, balancing, reload, release and the ends of the program.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use crate::common::*;
use process::channels::Channel;
use process::control::{self, Order};
use process::messages::{Lines, Ownership, OwnershipState, ToVrrpd, line};
use rcgen::{CertificateParams, Issuer, KeyPair, SanType};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;
use vocabulary::{Family, Name, RouterId, Usability};

fn listen_at(ip: Ipv4Addr) -> SocketAddr {
    SocketAddr::from((ip, 7000))
}

#[test]
fn each_balance_spreads_as_it_says() {
    let ip = own_ip();
    let servers = [named(ip, "a"), named(ip, "b"), named(ip, "c")];
    let tally = |balance: &str| {
        let more = format!("balance = \"{balance}\"\n{ONCE}");
        let _proxy = Proxy::ready(&table(listen_at(ip), &servers, &more), &["up", "up", "up"]);
        let mut tally: HashMap<String, usize> = HashMap::new();
        for _ in 0..30 {
            *tally.entry(fetch(listen_at(ip)).unwrap()).or_default() += 1;
        }
        let mut counts: Vec<usize> = tally.into_values().collect();
        counts.sort_unstable();
        counts
    };
    // Each worker goes round by itself, so the shares are even but for one round.
    assert!(tally("round_robin").iter().all(|count| (8..=12).contains(count)));
    assert_eq!(tally("first"), [30]);
    assert_eq!(tally("source"), [30]);
}

#[test]
fn least_conn_fills_the_emptiest() {
    let ip = own_ip();
    let servers = [echo(ip), echo(ip), echo(ip)];
    let more = format!("balance = \"least_conn\"\n{ONCE}");
    let proxy = Proxy::ready(&table(listen_at(ip), &servers, &more), &["up", "up", "up"]);
    let mut clients: Vec<TcpStream> = (0..9)
        .map(|_| {
            let mut client = connect(listen_at(ip));
            ping(&mut client);
            client
        })
        .collect();
    let spread = |proxy: &Proxy| {
        let status = proxy.status().unwrap();
        status.proxies[0].servers.iter().map(|server| server.sessions).collect::<Vec<_>>()
    };
    assert_eq!(spread(&proxy), [3, 3, 3]);
    clients.truncate(3);
    eventually("six connections ended", || spread(&proxy).iter().sum::<u32>() == 3);
    for _ in 0..6 {
        let mut client = connect(listen_at(ip));
        ping(&mut client);
        clients.push(client);
    }
    assert_eq!(spread(&proxy), [3, 3, 3]);
}

/// Answers every request with what `status` holds.
fn answer(mut stream: impl Read + Write, status: u16) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(1) => head.extend(byte),
            _ => return,
        }
    }
    let body = "[-]etcd failed";
    let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    drop(stream.write_all(answer.as_bytes()).and_then(|()| stream.flush()));
}

#[test]
fn an_http_check_tells_ready_from_draining_from_down() {
    let ip = own_ip();
    let status = Arc::new(AtomicU16::new(200));
    let told = Arc::clone(&status);
    let address = server(TcpListener::bind((ip, 0)).unwrap(), move |stream| {
        // 0: alive, but it does not speak HTTP any more.
        match told.load(Ordering::Relaxed) {
            0 => {}
            status => answer(stream, status),
        }
    });
    let check =
        "check = { http = \"/readyz\", interval = \"50ms\", timeout = \"5s\", rise = 2, fall = 2 }";
    let proxy = Proxy::ready(&table(listen_at(ip), &[address], check), &["up"]);
    status.store(500, Ordering::Relaxed);
    let line = proxy.log("became draining");
    assert!(line.contains(r#"GET /readyz answered 500 \"[-]etcd failed\""#), "{line}");
    // The line is written before the workers know.
    eventually("new clients are reset", || fetch(listen_at(ip)).is_err());
    status.store(403, Ordering::Relaxed);
    proxy.log("counts as alive");
    proxy.log("became up");
    status.store(0, Ordering::Relaxed);
    let line = proxy.log("became down");
    assert!(line.contains("GET /readyz: "), "{line}");
    let server = &proxy.status().unwrap().proxies[0].servers[0];
    assert!(server.reason.starts_with("GET /readyz: "), "{server:?}");
}

/// An HTTPS server for its own address, and its authority's PEM.
fn https(ip: Ipv4Addr) -> (SocketAddr, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = params.self_signed(&key).unwrap();
    let issuer = Issuer::from_params(&params, &key);
    let leaf_key = KeyPair::generate().unwrap();
    let mut leaf = CertificateParams::new(Vec::new()).unwrap();
    leaf.subject_alt_names = vec![SanType::IpAddress(ip.into())];
    let leaf = leaf.signed_by(&leaf_key, &issuer).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let private = PrivateKeyDer::try_from(leaf_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], private)
        .unwrap();
    let config = Arc::new(config);
    let address = server(TcpListener::bind((ip, 0)).unwrap(), move |stream| {
        let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
        answer(StreamOwned::new(connection, stream), 200);
    });
    (address, ca.pem())
}

#[test]
fn an_https_check_demands_the_right_authority() {
    let ip = own_ip();
    let dir = TempDir::new().unwrap();
    let (address, right) = https(ip);
    let (_, wrong) = https(ip);
    let path = dir.path().join("ca.crt");
    let check = |demand: &str| {
        let check = format!(
            "check = {{ https = \"/readyz\", {demand}, interval = \"100ms\", timeout = \"5s\" }}"
        );
        table(listen_at(ip), &[address], &check)
    };
    let with_ca = check(&format!("ca = \"{}\"", path.display()));
    std::fs::write(&path, right).unwrap();
    drop(Proxy::ready(&with_ca, &["up"]));
    std::fs::write(&path, wrong).unwrap();
    let proxy = Proxy::ready(&with_ca, &["down"]);
    let line = proxy.log("became down");
    assert!(line.contains("TLS handshake: "), "{line}");
    drop(proxy);
    drop(Proxy::ready(&check("verify = false"), &["up"]));
    std::fs::remove_file(&path).unwrap();
    let mut proxy = Proxy::start(&with_ca);
    let line = proxy.log("level=error");
    assert!(line.contains(path.to_str().unwrap()), "{line}");
    assert_eq!(proxy.wait().code(), Some(2));
}

#[test]
fn connections_of_a_server_that_goes_down_are_reset() {
    let ip = own_ip();
    let listener = TcpListener::bind((ip, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let hold = listener.try_clone().unwrap();
    let proxy = Proxy::start(&table(listen_at(ip), &[address], QUICK));
    // Every connection is held open; the listener is closed when told.
    let (sender, accepted) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            if sender.send(stream).is_err() {
                return;
            }
        }
    });
    proxy.wait_for(&["up"]);
    let mut client = connect(listen_at(ip));
    client.write_all(b"x").unwrap();
    // Checks close without a byte.
    let serves = |stream: &TcpStream| stream.peek(&mut [0]).is_ok_and(|count| count == 1);
    let served = accepted.iter().find(serves);
    // A listening socket that is shut down refuses.
    socket2::SockRef::from(&hold).shutdown(std::net::Shutdown::Both).unwrap();
    assert_reset(&mut client);
    proxy.line("end=server_down");
    drop(served);
}

#[test]
fn a_reload_keeps_connections_and_health_and_a_bad_file_changes_nothing() {
    let ip = own_ip();
    let (a, b) = (echo(ip), echo(ip));
    let first = table(listen_at(ip), &[a], ONCE);
    let proxy = Proxy::ready(&first, &["up"]);
    let mut client = connect(listen_at(ip));
    ping(&mut client);

    let refused = "\"verdict\":{\"refused\":";
    assert!(proxy.reload("[[proxy]]\nname = 7\n").contains(refused));
    ping(&mut client);
    ping(&mut connect(listen_at(ip)));

    // An address that somebody else listens on.
    let taken = TcpListener::bind((ip, 0)).unwrap();
    let verdict = proxy.reload(&table(taken.local_addr().unwrap(), &[a], ONCE));
    assert!(verdict.contains(refused), "{verdict}");
    ping(&mut connect(listen_at(ip)));

    // The listener moves and the server is replaced: the connection stays with the old one.
    let elsewhere = SocketAddr::from((ip, 7001));
    proxy.reload(&table(elsewhere, &[b], ONCE));
    proxy.log("reloaded");
    eventually("the new listener serves", || {
        TcpStream::connect(elsewhere).is_ok() && TcpStream::connect(listen_at(ip)).is_err()
    });
    proxy.wait_for(&["up"]);
    ping(&mut client);
    ping(&mut connect(elsewhere));

    // What is known stays: the check that runs once an hour is not awaited.
    proxy.reload(&table(elsewhere, &[b, a], ONCE));
    proxy.wait_for(&["up", "up"]);
    assert!(proxy.status().unwrap().proxies[0].servers[0].total >= 1);
    ping(&mut client);
}

fn router() -> RouterId {
    RouterId { name: Name::try_from("vip").unwrap(), family: Family::Ipv4 }
}

struct Vrrpd {
    stream: UnixStream,
    lines: Lines,
}

impl Vrrpd {
    fn of(proxy: &Proxy) -> Self {
        Self { stream: proxy.channel(Channel::Health), lines: Lines::default() }
    }

    fn hear(&mut self) -> ToVrrpd {
        loop {
            if let Some(message) = self.lines.message().unwrap() {
                return message;
            }
            let mut buffer = [0; 1024];
            let count = self.stream.read(&mut buffer).unwrap();
            assert!(count > 0, "the proxy hung up");
            self.lines.push(&buffer[..count]).unwrap();
        }
    }

    fn hear_usable(&mut self) {
        eventually("usable", || {
            matches!(self.hear(), ToVrrpd::Health(score)
                if (score.usable, score.total, score.state) == (1, 1, Usability::Usable))
        });
    }

    fn say(&mut self, address: Ipv4Addr, state: OwnershipState) {
        let news = Ownership { router: router(), addresses: vec![address.into()], state };
        self.stream.write_all(&line(&news)).unwrap();
    }
}

#[test]
fn a_released_address_loses_its_clients_before_it_is_said_to_be_released() {
    let ip = own_ip();
    let other = own_ip();
    // One listener on the address itself, one on all addresses.
    let wild = SocketAddr::from((ip, 20_000 + u16::from(ip.octets()[3])));
    let listen = format!("listen = [\"{ip}:7000\", \"0.0.0.0:{}\"]", wild.port());
    let config = table(listen_at(ip), &[echo(ip)], ONCE)
        .replace(&format!("listen = [\"{}\"]", listen_at(ip)), &listen)
        + "[[vrrp]]\nname = \"vip\"\ninterface = \"eth0\"\nvrid = 51\naddresses = [\"192.0.2.1\"]\n";
    let proxy = Proxy::start(&config);
    let mut vrrpd = Vrrpd::of(&proxy);
    assert_eq!(vrrpd.hear(), ToVrrpd::Hello { version: 1 });
    vrrpd.say(ip, OwnershipState::Active);
    vrrpd.hear_usable();
    // A heartbeat, though nothing changed.
    vrrpd.hear_usable();
    let [mut direct, mut through_wild] = [connect(listen_at(ip)), connect(wild)];
    let mut bystander = connect(SocketAddr::from((other, wild.port())));
    for client in [&mut direct, &mut through_wild, &mut bystander] {
        ping(client);
    }
    vrrpd.say(ip, OwnershipState::Releasing);
    eventually("released", || vrrpd.hear() == ToVrrpd::Released { router: router() });
    // By now the resets are out: reading them needs no patience.
    for client in [&mut direct, &mut through_wild] {
        client.set_nonblocking(true).unwrap();
        assert_reset(client);
    }
    assert_reset(&mut connect(listen_at(ip)));
    proxy.line("end=address_released");
    ping(&mut bystander);
    vrrpd.say(ip, OwnershipState::Active);
    eventually("clients are served again", || {
        let mut client = connect(listen_at(ip));
        client.write_all(b"x").is_ok() && client.read(&mut [0]).is_ok_and(|count| count == 1)
    });
    // A new vrrpd is talked to when the old one is gone.
    drop(vrrpd);
    let mut vrrpd = Vrrpd::of(&proxy);
    assert_eq!(vrrpd.hear(), ToVrrpd::Hello { version: 1 });
    vrrpd.hear_usable();
}

/// What a worker has no room for waits in the kernel's queue. Nobody would tell it that the address left.
#[test]
fn a_client_that_waits_to_be_accepted_is_reset_when_its_address_leaves() {
    let (ip, other) = (own_ip(), own_ip());
    let port = 21_000 + u16::from(ip.octets()[3]);
    let config = "threads = 1\n".to_owned()
        + &table(SocketAddr::from(([0, 0, 0, 0], port)), &[echo(ip)], ONCE)
        + "[[vrrp]]\nname = \"vip\"\ninterface = \"eth0\"\nvrid = 51\naddresses = [\"192.0.2.1\"]\n";
    // (142 - 128 - 2 * (1 listener + 1 server + 2 pipes)) / 2 = 3 connections.
    let proxy = Proxy::start_with_files(&config, 142);
    let mut vrrpd = Vrrpd::of(&proxy);
    vrrpd.say(ip, OwnershipState::Active);
    vrrpd.hear_usable();
    let mut held = [(); 3].map(|()| connect(SocketAddr::from((other, port))));
    held.iter_mut().for_each(ping);
    proxy.log("as many connections as files allow");
    let mut waits = connect(SocketAddr::from((ip, port)));
    waits.write_all(b"x").unwrap();
    vrrpd.say(ip, OwnershipState::Releasing);
    eventually("released", || vrrpd.hear() == ToVrrpd::Released { router: router() });
    waits.set_nonblocking(true).unwrap();
    assert_reset(&mut waits);
    held.iter_mut().for_each(ping);
}

#[test]
fn the_supervisor_gives_the_configuration_and_gets_ticks_until_it_leaves() {
    let ip = own_ip();
    let (a, b) = (echo(ip), echo(ip));
    let mut proxy = Proxy::start(&table(listen_at(ip), &[a], ONCE));
    let ours = proxy.supervisor.take().unwrap();
    let give = |order, config: &str| {
        control::order(&ours, order, Some(handed_down(config).as_fd())).unwrap();
    };
    let mut buffer = [0; 4096];
    let length = (&ours).read(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"{\"patience_ms\":2000,\"resumable\":[]}\n");
    proxy.wait_for(&["up"]);

    // Somebody else listens there: nothing changes.
    let taken = TcpListener::bind((ip, 0)).unwrap();
    give(Order::Prepare { generation: 2 }, &table(taken.local_addr().unwrap(), &[a], ONCE));
    let words = said(&ours);
    assert!(words.starts_with("{\"generation\":2,\"verdict\":{\"refused\":\"listen on"), "{words}");
    control::order(&ours, Order::Abort { generation: 2 }, None).unwrap();
    ping(&mut connect(listen_at(ip)));

    // What is prepared lets nobody in before it is committed.
    let elsewhere = SocketAddr::from((ip, 7001));
    give(Order::Prepare { generation: 3 }, &table(elsewhere, &[b], ONCE));
    assert_eq!(said(&ours), "{\"generation\":3,\"verdict\":\"prepared\"}\n");
    assert!(TcpStream::connect(elsewhere).is_err());
    ping(&mut connect(listen_at(ip)));
    control::order(&ours, Order::Commit { generation: 3 }, None).unwrap();
    assert_eq!(said(&ours), "{\"generation\":3,\"verdict\":\"committed\"}\n");
    eventually("the new listener serves", || TcpStream::connect(elsewhere).is_ok());

    drop(ours);
    proxy.log("lost the supervisor");
    proxy.wait_for(&["up"]);
    proxy.signal("TERM");
    assert_eq!(proxy.wait().code(), Some(0));
}

#[test]
fn sigterm_resets_the_rest_and_tells_of_it() {
    let ip = own_ip();
    let mut proxy = Proxy::ready(&table(listen_at(ip), &[echo(ip)], ONCE), &["up"]);
    let mut client = connect(listen_at(ip));
    ping(&mut client);
    proxy.signal("TERM");
    assert_eq!(proxy.wait().code(), Some(0));
    assert_reset(&mut client);
    let line = proxy.line("end=shutdown");
    assert!(line.contains(" bytes_up=1 bytes_down=1 "), "{line}");
}

#[test]
fn a_wrong_configuration_is_shown_and_ends_with_2() {
    let mut proxy = Proxy::start("[[proxy]]\nname = \"p\"\nlisten = [\"nowhere\"]\n");
    assert_eq!(proxy.wait().code(), Some(2));
    proxy.log("`servers` is missing");
}

#[test]
fn nobody_but_a_supervisor_starts_it() {
    let program = env!("CARGO_BIN_EXE_lbproxy");
    let alone = Command::new(program)
        .args(["--runtime-dir", "/nowhere"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(alone.status.code(), Some(2));
    let words = String::from_utf8(alone.stderr).unwrap();
    assert!(words.contains("this program is started by `vipd run` only"), "{words}");
}
