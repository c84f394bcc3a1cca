//! A hundred kinds of hostile answers to checks, put together from their parts, all at once.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::common::*;
use crate::hostile::{GAP, longest_gap, well};
use rcgen::{CertificateParams, CustomExtension, KeyPair, SanType};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// How long a proxy has to bear it.
const SIEGE: Duration = Duration::from_secs(5);

/// What it may take for that, in KiB.
const ROOM: u64 = 2048;

/// What answers begin with.
const HEADS: [&[u8]; 10] = [
    b"",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n",
    b"HTTP/1.1 503 No\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    b"HTTP/1.1 999 \xff\xfe\r\nX: ",
    b"HTTP/2.0 200 OK\r\n",
];

/// What they go on with, for ever.
const PARTS: [&[u8]; 8] = [
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n",
    b"X: y\r\n",
    b"x",
    b"\0",
    b"1\r\n!\r\n",
    b"1;this=is;an=\"extension\"\r\n!\r\n",
    b"\x1f\x8b\x08\x00\xff\x78\x9c\x01\r\n",
];

/// Records that come in the place of a handshake: type, version, length, content.
const RECORDS: [&[u8]; 9] = [
    b"\x17\x03\x03\x00\x00",
    b"\x16\x03\x03\x00\x00",
    b"\x16\x03\x01\x00\x01\x00",
    b"\x14\x03\x03\x00\x01\x01",
    b"\x15\x03\x03\x00\x02\x01\x5a",
    b"\x16\x03\x03\xff\xffxxxxxxxx",
    // A server's hello of sixteen million bytes, in the smallest of pieces.
    b"\x16\x03\x03\x00\x04\x02\xff\xff\xff",
    b"\x16\x03\x03\x00\x06\x0b\x00\x00\x02\x00\x00",
    b"\x80\x2e\x01\x00\x02",
];

/// What a hostile server does.
#[derive(Clone)]
enum Kind {
    /// Says a beginning, and then a part for ever, at its own speed or each after a pause.
    Says { head: &'static [u8], part: &'static [u8], pause: Option<Duration> },
    /// Shows these certificates, and then says such a thing within TLS.
    Shows { config: Arc<ServerConfig>, part: &'static [u8] },
}

impl Kind {
    fn serve(&self, mut stream: TcpStream) {
        match self {
            Self::Says { head, part, pause } => {
                drop(stream.read(&mut [0; 1024]));
                let many = part.repeat(if pause.is_some() { 1 } else { 16_384 / part.len() });
                let mut sent = stream.write_all(head);
                while sent.is_ok() {
                    sent = stream.write_all(&many);
                    pause.iter().copied().for_each(thread::sleep);
                }
            }
            Self::Shows { config, part } => {
                let connection = ServerConnection::new(Arc::clone(config)).unwrap();
                let mut stream = StreamOwned::new(connection, stream);
                drop(stream.read(&mut [0; 1024]));
                while stream.write_all(part).is_ok() {}
            }
        }
    }
}

/// Every second one drips.
fn paused(number: usize) -> Option<Duration> {
    number.is_multiple_of(2).then_some(Duration::from_millis(2))
}

fn plain_kinds() -> Vec<Kind> {
    let pairs = HEADS.into_iter().flat_map(|head| PARTS.map(move |part| (head, part)));
    let numbered = pairs.enumerate();
    numbered
        .map(|(number, (head, part))| Kind::Says { head, part, pause: paused(number / 2) })
        .collect()
}

/// Certificates that are more than anybody needs: many, with many names, with a long extension.
fn bombs(ip: Ipv4Addr) -> Vec<Arc<ServerConfig>> {
    let own = |change: &dyn Fn(&mut CertificateParams)| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = vec![SanType::IpAddress(ip.into())];
        change(&mut params);
        (params.self_signed(&key).unwrap().der().clone(), key.serialize_der())
    };
    let simple = || own(&|_| {}).0;
    let names = |count: u32| {
        own(&move |params| {
            let addresses =
                (0..count).map(|number| SanType::IpAddress(number.to_be_bytes().into()));
            params.subject_alt_names.extend(addresses);
        })
    };
    let long = |length: usize| {
        own(&move |params| {
            // Sequences within sequences, as deep as they are long.
            let content = b"\x30\x80".repeat(length / 2);
            let extension = CustomExtension::from_oid_content(&[1, 2, 3, 4], content);
            params.custom_extensions.push(extension);
        })
    };
    let with = |(leaf, key): (CertificateDer<'static>, Vec<u8>), others: usize| {
        let chain = std::iter::once(leaf).chain((0..others).map(|_| simple())).collect();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, PrivateKeyDer::try_from(key).unwrap());
        Arc::new(config.unwrap())
    };
    vec![
        with(own(&|_| {}), 0),
        with(own(&|_| {}), 100),
        with(names(5_000), 0),
        with(long(50_000), 0),
        with(names(1_000), 8),
    ]
}

fn tls_kinds(bombs: &[Arc<ServerConfig>]) -> Vec<Kind> {
    let records = RECORDS.iter().flat_map(|part| [0, 1].map(|number| (*part, paused(number))));
    let says = records.map(|(part, pause)| Kind::Says { head: b"", part, pause });
    let within: [&[u8]; 2] = [PARTS[0], b"HTTP/1.1 200 OK\r\nX: y\r\n"];
    let shows = bombs
        .iter()
        .flat_map(|config| within.map(|part| Kind::Shows { config: Arc::clone(config), part }));
    says.chain(shows).collect()
}

/// A server for each; until they are let loose they answer as they should, over TLS with such a certificate.
fn servers(
    ip: Ipv4Addr,
    kinds: Vec<Kind>,
    loose: &Arc<AtomicBool>,
    tls: Option<&Arc<ServerConfig>>,
) -> Vec<SocketAddr> {
    let serve = |kind: Kind| {
        let (loose, tls) = (Arc::clone(loose), tls.map(Arc::clone));
        server(TcpListener::bind((ip, 0)).unwrap(), move |stream| {
            match (loose.load(Ordering::Relaxed), &tls) {
                (true, _) => kind.serve(stream),
                (false, None) => well(stream),
                (false, Some(config)) => {
                    let connection = ServerConnection::new(Arc::clone(config)).unwrap();
                    well(StreamOwned::new(connection, stream));
                }
            }
        })
    };
    kinds.into_iter().map(serve).collect()
}

/// Memory that is in use, in KiB.
fn resident(proxy: &Proxy) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", proxy.child.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn table_of(name: &str, listen: SocketAddr, servers: &[SocketAddr], check: &str) -> String {
    let times = "interval = \"1s\", timeout = \"700ms\", rise = 1, fall = 1";
    let servers: Vec<String> = servers.iter().map(|server| format!("\"{server}\"")).collect();
    format!(
        "[[proxy]]\nname = \"{name}\"\nlisten = [\"{listen}\"]\nservers = [{}]\ncheck = {{ {check}, {times} }}\n",
        servers.join(", ")
    )
}

/// Checks that have been made of each server of a proxy.
fn checks(proxy: &Proxy, place: usize) -> Vec<u64> {
    let servers = proxy.status().unwrap().proxies.remove(place).servers;
    servers.iter().map(|server| server.check_latency.counts.iter().sum()).collect()
}

#[test]
fn a_hundred_kinds_at_once_cost_neither_time_nor_room() {
    let ip = own_ip();
    let loose = Arc::new(AtomicBool::new(false));
    let bombs = bombs(ip);
    let plain = servers(ip, plain_kinds(), &loose, None);
    let tls = servers(ip, tls_kinds(&bombs), &loose, bombs.first());
    assert!(plain.len() + tls.len() >= 100);
    let good = server(TcpListener::bind((ip, 0)).unwrap(), well);
    let served = SocketAddr::from((ip, 7000));
    let at = |port| SocketAddr::from((ip, port));
    let config = [
        table_of("good", served, &[good], "http = \"/\""),
        table_of("plain", at(7001), &plain, "http = \"/\""),
        table_of("tls", at(7002), &tls, "https = \"/\", verify = false"),
    ];
    let proxy = Proxy::ready(&config.concat(), &["up"]);
    let known = |place| checks(&proxy, place).iter().all(|count| *count >= 3);
    eventually("all have been checked", || known(1) && known(2));
    let before = (resident(&proxy), checks(&proxy, 1), checks(&proxy, 2));
    let ours = proxy.supervisor.as_ref().unwrap().try_clone().unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let gaps = thread::spawn({
        let over = Arc::clone(&over);
        move || longest_gap(ours, &over)
    });
    loose.store(true, Ordering::Relaxed);
    let began = now();
    let mut asked = 0;
    while began.elapsed() < SIEGE {
        let mut client = connect(served);
        client.write_all(b"anybody there?").unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with("ok"), "{answer}");
        asked += 1;
        thread::sleep(Duration::from_millis(10));
    }
    over.store(true, Ordering::Relaxed);
    let after = (resident(&proxy), checks(&proxy, 1), checks(&proxy, 2));
    let gap = gaps.join().unwrap();
    assert!(gap < GAP, "no tick for {gap:?}");
    assert!(asked >= 20, "{asked}");
    let grown = after.0.saturating_sub(before.0);
    assert!(grown <= ROOM, "{grown} KiB more than {}", before.0);
    for (before, after) in [(before.1, after.1), (before.2, after.2)] {
        let made: Vec<u64> =
            after.iter().zip(&before).map(|(after, before)| after - before).collect();
        assert!(made.iter().all(|count| *count >= 2), "checks of each in {SIEGE:?}: {made:?}");
    }
    assert_eq!(proxy.status().unwrap().proxies[0].servers[0].state.to_string(), "up");
}
