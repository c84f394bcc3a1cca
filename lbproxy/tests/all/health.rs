//! How servers are judged beyond their plain checks.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;

use crate::common::*;
use rcgen::{CertificateParams, Issuer, KeyPair, SanType};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

fn listen_at(ip: Ipv4Addr) -> SocketAddr {
    SocketAddr::from((ip, 7000))
}

/// A server whose listener can be shut down: then it refuses.
fn mortal(ip: Ipv4Addr) -> (SocketAddr, TcpListener) {
    let listener = TcpListener::bind((ip, 0)).unwrap();
    let hold = listener.try_clone().unwrap();
    let address = server(listener, |mut stream| {
        let mut reader = stream.try_clone().unwrap();
        drop(std::io::copy(&mut reader, &mut stream));
    });
    (address, hold)
}

fn kill(listener: &TcpListener) {
    socket2::SockRef::from(listener).shutdown(Shutdown::Both).unwrap();
}

#[test]
fn failing_connections_bring_the_check_that_comes_once_an_hour() {
    let ip = own_ip();
    let (address, hold) = mortal(ip);
    let check = "check = { tcp = true, interval = \"1h\", fast_interval = \"20ms\", timeout = \"5s\", fall = 5 }";
    let proxy = Proxy::ready(&table(listen_at(ip), &[address, echo(ip)], check), &["up", "up"]);
    kill(&hold);
    // Each is served by the other server, and three in a row that failed are enough.
    for _ in 0..12 {
        ping(&mut connect(listen_at(ip)));
    }
    proxy.wait_for(&["down", "up"]);
    proxy.log("became down");
}

#[test]
fn failing_connections_do_not_count_without_a_limit() {
    let ip = own_ip();
    let (address, hold) = mortal(ip);
    let check =
        "check = { tcp = true, interval = \"1h\", timeout = \"5s\", fall = 1, error_limit = 0 }";
    let proxy = Proxy::ready(&table(listen_at(ip), &[address, echo(ip)], check), &["up", "up"]);
    kill(&hold);
    for _ in 0..12 {
        ping(&mut connect(listen_at(ip)));
    }
    std::thread::sleep(Duration::from_millis(200));
    let server = &proxy.status().unwrap().proxies[0].servers[0];
    assert_eq!(server.state.to_string(), "up");
    assert!(server.connect_failures >= 3, "{server:?}");
}

#[test]
fn a_server_that_is_down_is_checked_at_its_own_pace() {
    let ip = own_ip();
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    // It closes without an answer: dead to an HTTP check.
    let address = server(TcpListener::bind((ip, 0)).unwrap(), move |_| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    let times = "interval = \"20ms\", down_interval = \"1h\", timeout = \"5s\"";
    let check = format!("check = {{ http = \"/\", {times} }}");
    let proxy = Proxy::ready(&table(listen_at(ip), &[address], &check), &["down"]);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(seen.load(Ordering::Relaxed), 1);
    drop(proxy);
}

#[test]
fn connections_may_outlive_their_server() {
    let ip = own_ip();
    let (address, hold) = mortal(ip);
    let more = format!("on_down = \"keep\"\n{QUICK}");
    let proxy = Proxy::ready(&table(listen_at(ip), &[address], &more), &["up"]);
    let mut client = connect(listen_at(ip));
    ping(&mut client);
    kill(&hold);
    proxy.wait_for(&["down"]);
    ping(&mut client);
    eventually("new clients are reset", || fetch(listen_at(ip)).is_err());
}

/// A server that says its name, and answers checks with what `status` holds.
fn checked(ip: Ipv4Addr, name: &'static str) -> (SocketAddr, Arc<AtomicU16>) {
    let status = Arc::new(AtomicU16::new(200));
    let told = Arc::clone(&status);
    let address = server(TcpListener::bind((ip, 0)).unwrap(), move |mut stream| {
        let mut request = [0; 512];
        let count = stream.read(&mut request).unwrap_or(0);
        let status = told.load(Ordering::Relaxed);
        let answer = match &request[..count] {
            [] => name.to_owned(),
            _ => format!("HTTP/1.1 {status} X\r\nContent-Length: 4\r\n\r\nbody"),
        };
        drop(stream.write_all(answer.as_bytes()));
    });
    (address, status)
}

#[test]
fn in_a_panic_servers_that_are_not_ready_are_used() {
    let ip = own_ip();
    let (address, status) = checked(ip, "a");
    let times = "interval = \"50ms\", timeout = \"5s\", rise = 1, fall = 1";
    let more = format!("panic = true\ncheck = {{ http = \"/readyz\", {times} }}");
    let proxy = Proxy::ready(&table(listen_at(ip), &[address], &more), &["up"]);
    assert!(!proxy.status().unwrap().proxies[0].panics);
    status.store(500, Ordering::Relaxed);
    proxy.log("panic began: no server is up, those that accept connections are used");
    proxy.wait_for(&["draining"]);
    assert!(proxy.status().unwrap().proxies[0].panics);
    assert_eq!(fetch(listen_at(ip)).unwrap(), "a");
    status.store(200, Ordering::Relaxed);
    proxy.log("panic ended: a server is up");
    assert_eq!(fetch(listen_at(ip)).unwrap(), "a");
}

/// Reads a request, and answers 200 if it has a line that begins like this, else 403.
fn demand(mut stream: impl Read + Write, line: &str) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(1) => request.extend(byte),
            _ => return,
        }
    }
    let request = String::from_utf8_lossy(&request);
    let status = if request.lines().any(|given| given.starts_with(line)) { 200 } else { 403 };
    let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 2\r\n\r\nok");
    drop(stream.write_all(answer.as_bytes()).and_then(|()| stream.flush()));
}

#[test]
fn a_check_shows_its_token_as_the_file_had_it_at_the_last_reload() {
    let ip = own_ip();
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("token");
    let address = server(TcpListener::bind((ip, 0)).unwrap(), |stream| {
        demand(stream, "authorization: Bearer right");
    });
    let check = |body: &str| {
        let times = "interval = \"50ms\", timeout = \"5s\", rise = 1, fall = 1";
        let file = path.display();
        let check = format!("http = \"/\", token_file = \"{file}\", expect_body = \"{body}\"");
        table(listen_at(ip), &[address], &format!("check = {{ {check}, {times} }}"))
    };
    let mut proxy = Proxy::start(&check("ok"));
    assert!(proxy.log("read the token").contains(path.to_str().unwrap()));
    assert_eq!(proxy.wait().code(), Some(2));
    std::fs::write(&path, "wrong\n").unwrap();
    let proxy = Proxy::ready(&check("ok"), &["up"]);
    let line = proxy.log("the check was denied");
    assert!(line.contains(r#"GET / answered 403 \"ok\""#), "{line}");
    std::fs::write(&path, "right\n").unwrap();
    proxy.reload(&check("ok"));
    let last = |proxy: &Proxy| proxy.status().unwrap().proxies[0].servers[0].last_check.clone();
    eventually("the token is taken", || last(&proxy) == "GET / answered 200");
    proxy.reload(&check("fine"));
    let line = proxy.log("became draining");
    assert!(line.contains(r#"GET / answered 200 \"ok\" without \"fine\""#), "{line}");
}

#[test]
fn a_check_shows_its_certificate_to_a_server_that_asks() {
    let ip = own_ip();
    let dir = TempDir::new().unwrap();
    let file = |name: &str| dir.path().join(name).display().to_string();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = params.self_signed(&key).unwrap();
    let issuer = Issuer::from_params(&params, &key);
    let leaf_key = KeyPair::generate().unwrap();
    let mut leaf = CertificateParams::new(Vec::new()).unwrap();
    leaf.subject_alt_names = vec![SanType::IpAddress(ip.into())];
    let leaf = leaf.signed_by(&leaf_key, &issuer).unwrap();
    std::fs::write(file("ca"), ca.pem()).unwrap();
    std::fs::write(file("cert"), leaf.pem()).unwrap();
    std::fs::write(file("key"), leaf_key.serialize_pem()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(ca.der().clone()).unwrap();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivateKeyDer::try_from(leaf_key.serialize_der()).unwrap(),
        )
        .unwrap();
    let config = Arc::new(config);
    let address = server(TcpListener::bind((ip, 0)).unwrap(), move |stream| {
        let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
        demand(StreamOwned::new(connection, stream), "GET /");
    });
    let check = |own: &str| {
        let ca = file("ca");
        let check =
            format!("https = \"/\", ca = \"{ca}\"{own}, interval = \"100ms\", timeout = \"5s\"");
        table(listen_at(ip), &[address], &format!("check = {{ {check} }}"))
    };
    drop(Proxy::ready(&check(""), &["down"]));
    let own = format!(", cert = \"{}\", key = \"{}\"", file("cert"), file("key"));
    let proxy = Proxy::ready(&check(&own), &["up"]);
    let server = proxy.status().unwrap().proxies.remove(0).servers.remove(0);
    assert_eq!(server.certificate.unwrap().names, [ip.to_string()]);
    drop(proxy);
    std::fs::write(file("key"), "nothing").unwrap();
    let mut proxy = Proxy::start(&check(&own));
    assert!(proxy.log("the check's own").contains(&file("key")));
    assert_eq!(proxy.wait().code(), Some(2));
}

#[test]
fn a_server_that_stands_still_is_found_by_its_clients_and_comes_back() {
    let ip = own_ip();
    // The kernel accepts for a program that does nothing: so does that of one that is stopped.
    let listener = TcpListener::bind((ip, 0)).unwrap();
    let still = listener.local_addr().unwrap();
    let times = "interval = \"1h\", down_interval = \"20ms\", timeout = \"200ms\", fall = 5";
    let check = format!("check = {{ tcp = true, {times} }}");
    let proxy = Proxy::ready(&table(listen_at(ip), &[still, echo(ip)], &check), &["up", "up"]);
    let mut clients = [connect(listen_at(ip)), connect(listen_at(ip))];
    for client in &mut clients {
        client.write_all(b"anybody there?").unwrap();
    }
    let began = now();
    proxy.log("clients hear nothing from it, and checks neither");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    let ends = clients.map(|mut client| client.read(&mut [0; 14]).ok());
    assert!(ends.contains(&None) && ends.contains(&Some(14)), "{ends:?}");
    // Its port accepts all the time, and that is not enough any more.
    std::thread::sleep(Duration::from_millis(500));
    proxy.wait_for(&["down", "up"]);
    for _ in 0..4 {
        ping(&mut connect(listen_at(ip)));
    }
    server(listener, |mut stream| {
        let mut reader = stream.try_clone().unwrap();
        drop(std::io::copy(&mut reader, &mut stream));
    });
    proxy.wait_for(&["up", "up"]);
}

#[test]
fn a_server_that_takes_its_time_is_left_alone() {
    let ip = own_ip();
    let address = server(TcpListener::bind((ip, 0)).unwrap(), |mut stream| {
        let mut question = [0; 8];
        if stream.read_exact(&mut question).is_ok() {
            std::thread::sleep(Duration::from_secs(2));
            drop(stream.write_all(b"answer"));
        }
    });
    let check = "check = { tcp = true, interval = \"1h\", timeout = \"1s\", fall = 5 }";
    let proxy = Proxy::ready(&table(listen_at(ip), &[address], check), &["up"]);
    let mut client = connect(listen_at(ip));
    client.write_all(b"question").unwrap();
    let mut answer = [0; 6];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"answer");
    let server = &proxy.status().unwrap().proxies[0].servers[0];
    assert_eq!(
        (server.state.to_string().as_str(), server.last_check.as_str()),
        ("up", "the port accepts connections")
    );
}

#[test]
fn a_name_is_looked_up_and_one_without_an_address_is_down() {
    let ip = own_ip();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = server(listener, |mut stream| drop(stream.write_all(b"by name"))).port();
    // The source makes it look for an IPv4 address.
    let table = format!(
        "[[proxy]]\nname = \"p\"\nlisten = [\"{}\"]\n{QUICK}\n\
         [[proxy.server]]\nname = \"known\"\naddress = \"localhost:{port}\"\nsource = \"127.0.0.1\"\n\
         [[proxy.server]]\nname = \"unknown\"\naddress = \"nowhere.invalid:1\"\n",
        listen_at(ip)
    );
    let proxy = Proxy::start(&table);
    let servers = || proxy.status().map(|status| status.proxies[0].servers.clone());
    eventually("it is up", || servers().is_some_and(|all| all[0].state.to_string() == "up"));
    assert_eq!(fetch(listen_at(ip)).unwrap(), "by name");
    assert_eq!(servers().unwrap()[0].address.to_string(), format!("localhost:{port}"));
    let line = proxy.line("server=known");
    assert!(line.contains(&format!("server_addr=127.0.0.1:{port}")), "{line}");
    assert_ne!(servers().unwrap()[1].state.to_string(), "up");
}

#[test]
fn health_may_be_asked_at_another_port() {
    let ip = own_ip();
    let told = Arc::new(AtomicU16::new(200));
    let status = Arc::clone(&told);
    let health = server(TcpListener::bind((ip, 0)).unwrap(), move |mut stream| {
        drop(stream.read(&mut [0; 1024]));
        let code = status.load(Ordering::Relaxed);
        drop(write!(stream, "HTTP/1.1 {code} X\r\nContent-Length: 0\r\n\r\n"));
    });
    let check = format!(
        "check = {{ http = \"/\", port = {}, interval = \"50ms\", timeout = \"5s\", rise = 1, fall = 1 }}",
        health.port()
    );
    let proxy = Proxy::ready(&table(listen_at(ip), &[named(ip, "served")], &check), &["up"]);
    assert_eq!(fetch(listen_at(ip)).unwrap(), "served");
    told.store(503, Ordering::Relaxed);
    proxy.wait_for(&["draining"]);
}

#[test]
fn a_proxy_follows_the_servers_of_another() {
    let ip = own_ip();
    let (api, status) = checked(ip, "api");
    let joins = named(ip, "join");
    let times = "interval = \"50ms\", timeout = \"5s\", rise = 1, fall = 1";
    let config = format!(
        "[[proxy]]\nname = \"join\"\nlisten = [\"{ip}:7001\"]\nservers = [\"{joins}\"]\n\
         check = {{ track = \"p\" }}\n{}",
        table(listen_at(ip), &[api], &format!("check = {{ http = \"/readyz\", {times} }}"))
    );
    let join = SocketAddr::from((ip, 7001));
    let proxy = Proxy::ready(&config, &["up"]);
    let mut open = connect(join);
    eventually("it is served", || fetch(join).is_ok_and(|text| text == "join"));
    // Not ready: no new connections, old ones stay.
    status.store(500, Ordering::Relaxed);
    proxy.wait_for(&["draining"]);
    let line = proxy.log("from=up reason=\"as p/");
    assert!(line.contains(&format!("as p/{api}: GET /readyz answered 500 \\\"body\\\"")), "{line}");
    assert!(fetch(join).is_err());
    let mut name = [0; 4];
    open.read_exact(&mut name).unwrap();
    assert_eq!(&name, b"join");
    let follower = proxy.status().unwrap().proxies[0].servers[0].clone();
    assert_eq!(follower.state.to_string(), "draining");
    assert_eq!(follower.check_latency.counts.iter().sum::<u64>(), 0, "it is not checked itself");
    // What an operator does to the one that decides, counts for both.
    status.store(200, Ordering::Relaxed);
    proxy.wait_for(&["up"]);
    proxy.ask(&format!(
        "{{\"type\":\"server\",\"proxy\":\"p\",\"server\":\"{api}\",\"order\":\"maint\"}}"
    ));
    eventually("it is in maintenance too", || {
        proxy.status().unwrap().proxies[0].servers[0].state.to_string() == "maint"
    });
}

#[test]
fn connections_end_with_the_server_that_decides() {
    let ip = own_ip();
    let (api, hold) = mortal(ip);
    let joins = echo(ip);
    let config = format!(
        "{}\n[[proxy]]\nname = \"join\"\nlisten = [\"{ip}:7001\"]\nservers = [\"{joins}\"]\n\
         check = {{ track = \"p\" }}\n",
        table(listen_at(ip), &[api], QUICK)
    );
    let proxy = Proxy::ready(&config, &["up"]);
    let mut client = connect(SocketAddr::from((ip, 7001)));
    ping(&mut client);
    kill(&hold);
    proxy.wait_for(&["down"]);
    assert_reset(&mut client);
    proxy.line("proxy=join");
}

#[test]
fn an_agent_says_what_its_server_wants() {
    let ip = own_ip();
    let said = Arc::new(std::sync::Mutex::new("ready up 50% maxconn:9\n"));
    let told = Arc::clone(&said);
    let agent = TcpListener::bind((ip, 0)).unwrap();
    let port = agent.local_addr().unwrap().port();
    server(agent, move |mut stream| drop(stream.write_all(told.lock().unwrap().as_bytes())));
    let more = format!(
        "agent = {{ port = {port}, interval = \"20ms\", timeout = \"5s\" }}\n\
         [[proxy.server]]\nname = \"s\"\naddress = \"{}\"\nweight = 100\n",
        echo(ip)
    );
    let config =
        format!("[[proxy]]\nname = \"p\"\nlisten = [\"{}\"]\n{QUICK}\n{more}", listen_at(ip));
    let proxy = Proxy::ready(&config, &["up"]);
    let server = || proxy.status().unwrap().proxies[0].servers[0].clone();
    eventually("it is heard", || {
        (server().wanted, server().max_connections) == (Some(50), Some(9))
    });
    let mut client = connect(listen_at(ip));
    ping(&mut client);
    *said.lock().unwrap() = "drain\n";
    proxy.wait_for(&["draining"]);
    assert!(fetch(listen_at(ip)).is_err());
    ping(&mut client);
    // What is not spoken of stays: it is still to be drained when it is up again.
    *said.lock().unwrap() = "fail # no disk\n";
    proxy.wait_for(&["down"]);
    assert_eq!(server().reason, "its agent says fail: no disk");
    assert_reset(&mut client);
    *said.lock().unwrap() = "up\n";
    proxy.wait_for(&["draining"]);
    *said.lock().unwrap() = "ready\n";
    proxy.wait_for(&["up"]);
    ping(&mut connect(listen_at(ip)));
}

#[test]
fn connections_may_have_a_grace() {
    let ip = own_ip();
    let (address, hold) = mortal(ip);
    let more = format!("on_down_grace = \"600ms\"\n{QUICK}");
    let proxy = Proxy::ready(&table(listen_at(ip), &[address], &more), &["up"]);
    let mut client = connect(listen_at(ip));
    ping(&mut client);
    kill(&hold);
    proxy.wait_for(&["down"]);
    let start = now();
    ping(&mut client);
    assert_reset(&mut client);
    assert!(start.elapsed() >= Duration::from_millis(400), "{:?}", start.elapsed());
    proxy.line("end=server_down");
}
