//! Servers that answer their checks with malice: nothing that they send holds the thread that ticks, or keeps
//! others from being checked.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::common::*;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

/// The supervisor kills a proxy whose ticks stay away for 300 ms where an address depends on it. A
/// busy machine shall not fail a test: what hangs, hangs for longer than this.
pub(crate) const GAP: Duration = Duration::from_millis(500);

/// How long a proxy has to bear it.
const SIEGE: Duration = Duration::from_secs(2);

/// Runs a proxy with one server that `serve`s its checks like this, and one that is well; `check`
/// and `more` are of the configuration. Returns the state of the first, and what its last check
/// found.
fn besiege(
    check: &str,
    more: &str,
    serve: impl Fn(TcpStream) + Clone + Send + 'static,
) -> (String, String) {
    besiege_at(own_ip(), check, more, serve)
}

/// The same with servers and proxy at `ip`.
fn besiege_at(
    ip: Ipv4Addr,
    check: &str,
    more: &str,
    serve: impl Fn(TcpStream) + Clone + Send + 'static,
) -> (String, String) {
    let hostile = server(TcpListener::bind((ip, 0)).unwrap(), serve);
    let well = server(TcpListener::bind((ip, 0)).unwrap(), well);
    let times = "interval = \"50ms\", timeout = \"400ms\", rise = 1, fall = 1";
    let config = table(
        SocketAddr::from((ip, 7000)),
        &[hostile, well],
        &format!("check = {{ {check}, {times} }}\n{more}"),
    );
    let proxy = Proxy::start(&config);
    let ours = proxy.supervisor.as_ref().unwrap().try_clone().unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let gaps = thread::spawn({
        let over = Arc::clone(&over);
        move || longest_gap(ours, &over)
    });
    eventually("both are judged", || {
        let servers = proxy.status().map(|status| status.proxies[0].servers.clone());
        servers.is_some_and(|all| all.iter().all(|one| one.state.to_string() != "unknown"))
    });
    let before =
        proxy.status().unwrap().proxies[0].servers[1].check_latency.counts.iter().sum::<u64>();
    thread::sleep(SIEGE);
    let servers = proxy.status().unwrap().proxies.remove(0).servers;
    over.store(true, Ordering::Relaxed);
    let gap = gaps.join().unwrap();
    assert!(gap < GAP, "no tick for {gap:?}");
    let checks = servers[1].check_latency.counts.iter().sum::<u64>() - before;
    assert!(checks >= 5, "the other was checked {checks} times in {SIEGE:?}");
    (servers[0].state.to_string(), servers[0].last_check.clone())
}

/// The longest time between two ticks until it is `over`.
pub(crate) fn longest_gap(mut ticks: UnixStream, over: &AtomicBool) -> Duration {
    ticks.set_read_timeout(Some(GAP)).unwrap();
    // The first one comes when it has started.
    let mut buffer = [0; 4096];
    while ticks.read(&mut buffer).is_err() {}
    let mut longest = Duration::ZERO;
    while !over.load(Ordering::Relaxed) {
        let began = now();
        // Where none comes in time the time itself tells.
        let _outcome = ticks.read(&mut buffer);
        longest = longest.max(began.elapsed());
    }
    longest
}

/// Answers whatever it is asked with 200, if it is asked.
pub(crate) fn well(mut stream: impl Read + Write) {
    if stream.read(&mut [0; 1024]).is_ok_and(|count| count > 0) {
        drop(stream.write_all(b"HTTP/1.1 200 X\r\nContent-Length: 2\r\n\r\nok"));
    }
}

/// Reads what is asked, says `head`, and then `part` for ever, at its own speed or each after a `pause`.
fn forever(
    head: &'static [u8],
    part: &'static [u8],
    pause: Option<Duration>,
) -> impl Fn(TcpStream) + Clone + Send + 'static {
    move |mut stream| {
        let many = part.repeat(if pause.is_some() { 1 } else { 65_536 / part.len() });
        drop(stream.read(&mut [0; 1024]));
        let mut sent = stream.write_all(head);
        while sent.is_ok() {
            sent = stream.write_all(&many);
            pause.into_iter().for_each(thread::sleep);
        }
    }
}

#[test]
fn interim_answers_for_ever() {
    let serve = forever(b"", b"HTTP/1.1 100 Continue\r\n\r\n", None);
    let (state, words) = besiege("http = \"/readyz\"", "", serve);
    assert_eq!(state, "down");
    assert_eq!(words, "GET /readyz: the answer is longer than 32768 bytes");
}

#[test]
fn a_head_without_end() {
    let serve = forever(b"HTTP/1.1 200 OK\r\nX: ", b"x", None);
    let (state, words) = besiege("http = \"/\"", "", serve);
    assert_eq!((state.as_str(), words.as_str()), ("down", "GET /: message head is too large"));
}

#[test]
fn headers_without_end() {
    let serve = forever(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", None);
    let (state, words) = besiege("http = \"/\"", "", serve);
    assert_eq!((state.as_str(), words.as_str()), ("down", "GET /: message head is too large"));
}

#[test]
fn a_body_without_end_is_read_as_far_as_it_matters() {
    let serve = forever(b"HTTP/1.1 500 X\r\n\r\n", b"[-]etcd failed ", None);
    let (state, words) = besiege("http = \"/\"", "", serve);
    assert_eq!(state, "draining");
    assert!(words.starts_with("GET / answered 500 \"[-]etcd failed [-]etcd"), "{words}");
    let serve = forever(b"HTTP/1.1 200 X\r\n\r\n", b"[-]etcd failed ", None);
    let (state, words) = besiege("http = \"/\", expect_body = \"ok\"", "", serve);
    assert_eq!(state, "draining");
    assert!(words.ends_with(" without \"ok\""), "{words}");
}

#[test]
fn a_body_in_the_smallest_of_chunks() {
    let serve = forever(
        b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"1;this=is;an=extension\r\n!\r\n",
        None,
    );
    let (state, words) = besiege("http = \"/\"", "", serve);
    assert_eq!((state.as_str(), words.as_str()), ("up", "GET / answered 200"));
}

#[test]
fn an_answer_that_drips() {
    let serve = forever(b"HTTP/1.1 200 OK\r\nX: ", b"x", Some(Duration::from_millis(1)));
    let (state, words) = besiege("http = \"/\"", "", serve);
    assert_eq!((state.as_str(), words.as_str()), ("down", "no answer within 400ms to GET /"));
}

#[test]
fn noise() {
    let (state, words) = besiege("http = \"/\"", "", forever(b"", b"\x00\xff\x1b[31m", None));
    assert_eq!((state.as_str(), words.as_str()), ("down", "GET /: invalid HTTP version parsed"));
    let check = "https = \"/\", verify = false";
    let (state, words) = besiege(check, "", forever(b"", b"\x00\xff\x1b[31m", None));
    assert_eq!(state, "down");
    assert!(words.starts_with("TLS handshake: "), "{words}");
    // Records that hold nothing.
    let (state, words) = besiege(check, "", forever(b"", b"\x17\x03\x03\x00\x00", None));
    assert_eq!(state, "down");
    assert!(words.starts_with("TLS handshake: "), "{words}");
}

#[test]
fn one_that_takes_nothing() {
    let hold = |stream: TcpStream| {
        thread::sleep(Duration::from_secs(10));
        drop(stream);
    };
    let (state, words) = besiege("http = \"/\"", "send_proxy = \"v1\"", hold);
    assert_eq!((state.as_str(), words.as_str()), ("down", "no answer within 400ms to GET /"));
}

#[test]
fn agents_without_end() {
    let agents = [
        forever(b"", b"up 75% ", None),
        forever(b"", b"maxconn:30 ", Some(Duration::from_millis(1))),
    ];
    for agent in agents {
        let ip = own_ip();
        let listener = TcpListener::bind((ip, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        // It wants to be asked for nothing.
        server(listener, move |stream| {
            stream.shutdown(std::net::Shutdown::Read).unwrap();
            agent(stream);
        });
        let more = format!("agent = {{ port = {port}, interval = \"50ms\", timeout = \"400ms\" }}");
        let (state, words) = besiege_at(ip, "http = \"/\"", &more, well);
        assert_eq!((state.as_str(), words.as_str()), ("up", "GET / answered 200"));
    }
}

/// An authority, and `count` certificates beside the server's own that have all signed each other,
/// as the names in them say: a maze.
fn maze(ip: Ipv4Addr, count: usize, dir: &TempDir) -> Arc<ServerConfig> {
    let named = |name: &str| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        params
    };
    let trusted = named("trusted").self_signed(&KeyPair::generate().unwrap()).unwrap();
    std::fs::write(dir.path().join("ca"), trusted.pem()).unwrap();
    let others: Vec<CertificateDer<'static>> = (0..count)
        .map(|_| named("maze").self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone())
        .collect();
    let (key, params) = (KeyPair::generate().unwrap(), named("maze"));
    let issuer = Issuer::from_params(&params, &key);
    let leaf_key = KeyPair::generate().unwrap();
    let mut leaf = CertificateParams::new(Vec::new()).unwrap();
    leaf.subject_alt_names = vec![SanType::IpAddress(ip.into())];
    let leaf = leaf.signed_by(&leaf_key, &issuer).unwrap();
    let chain = std::iter::once(leaf.der().clone()).chain(others).collect();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::try_from(leaf_key.serialize_der()).unwrap());
    Arc::new(config.unwrap())
}

fn besiege_with_a_maze(count: usize) -> (String, String) {
    let dir = TempDir::new().unwrap();
    let config = maze(Ipv4Addr::LOCALHOST, count, &dir);
    let check = format!("https = \"/\", ca = \"{}\"", dir.path().join("ca").display());
    besiege(&check, "", move |stream| {
        let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
        drop(StreamOwned::new(connection, stream).read(&mut [0; 1024]));
    })
}

#[test]
fn certificates_without_end() {
    let (state, words) = besiege_with_a_maze(100);
    assert_eq!(state, "down");
    let many = "the server shows 100 certificates beside its own, more than 8";
    assert_eq!(words, format!("TLS handshake: other error: {many}"));
}

#[test]
fn a_maze_of_certificates() {
    let (state, words) = besiege_with_a_maze(8);
    assert_eq!(state, "down");
    assert!(words.starts_with("TLS handshake: invalid peer certificate: "), "{words}");
}
