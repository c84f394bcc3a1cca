//! Routes: connections that another proxy's servers get, by the name that a TLS client asks for and
//! by the client's address.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::thread;
use std::time::Duration;

use crate::common::*;

/// A ClientHello that asks for `name`, in records of 20 bytes.
fn hello(name: &str) -> Vec<u8> {
    let length = u8::try_from(name.len()).unwrap();
    let mut message = vec![1, 0, 0, 2 + 32 + 1 + 4 + 2 + 2 + 9 + length, 3, 3];
    message.extend([7; 32]);
    message.extend([0, 0, 2, 0x13, 1, 1, 0, 0, length + 9]);
    message.extend([0, 0, 0, length + 5, 0, length + 3, 0, 0, length]);
    message.extend(name.as_bytes());
    let record =
        |piece: &[u8]| [&[22, 3, 1, 0, u8::try_from(piece.len()).unwrap()], piece].concat();
    message.chunks(20).flat_map(record).collect()
}

/// A proxy in front of `default`, whose routes lead to `api` and `apps`.
struct Routed {
    proxy: Proxy,
    listen: SocketAddr,
    config: String,
}

fn pool(name: &str, server: SocketAddr) -> String {
    format!("[[proxy]]\nname = \"{name}\"\nservers = [\"{server}\"]\n{ONCE}\n")
}

fn routed(default: &str, more: &str) -> Routed {
    let ip = own_ip();
    let listen = SocketAddr::from((ip, 7000));
    let servers = match default {
        "" => String::new(),
        _ => format!("servers = [\"{}\"]\n{ONCE}", saying(ip, "default")),
    };
    let config = format!(
        "[[proxy]]\nname = \"https\"\nlisten = [\"{listen}\"]\n{servers}\nhello_timeout = \"700ms\"\n{more}\n\
         [[proxy.route]]\nserver_name = [\"api.example.com\"]\nproxy = \"api\"\n\
         [[proxy.route]]\nserver_name = [\"*.apps.example.com\"]\nproxy = \"apps\"\n\
         [[proxy.route]]\nfrom = [\"192.0.2.0/24\"]\nproxy = \"api\"\n{}{}",
        pool("api", saying(ip, "api")),
        pool("apps", saying(ip, "apps")),
    );
    let proxy = Proxy::start(&config);
    eventually("every server is up", || {
        let up = |server: &lbproxy::control::status::ServerStatus| server.state.to_string() == "up";
        let all = |status: lbproxy::control::status::Status| {
            status.proxies.iter().flat_map(|proxy| &proxy.servers).all(up)
        };
        proxy.status().is_some_and(all)
    });
    Routed { proxy, listen, config }
}

/// A server that says its name, and then what it has heard until the end.
fn saying(ip: Ipv4Addr, name: &'static str) -> SocketAddr {
    server(std::net::TcpListener::bind((ip, 0)).unwrap(), move |mut stream| {
        let mut heard = Vec::new();
        drop(stream.read_to_end(&mut heard));
        drop(stream.write_all(format!("{name}:").as_bytes()));
        drop(stream.write_all(&heard));
    })
}

/// Sends `bytes` in pieces of `piece`, and returns whose answer came with them.
fn send(listen: SocketAddr, bytes: &[u8], piece: usize) -> String {
    let mut stream = connect(listen);
    for part in bytes.chunks(piece) {
        stream.write_all(part).unwrap();
        if piece < bytes.len() {
            thread::sleep(Duration::from_millis(3));
        }
    }
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let colon = answer.iter().position(|byte| *byte == b':').unwrap();
    assert_eq!(&answer[colon + 1..], bytes, "every byte arrives");
    String::from_utf8(answer[..colon].to_vec()).unwrap()
}

#[test]
fn a_route_by_port_takes_the_clients_of_that_port() {
    let ip = own_ip();
    let [one, other] = [7000, 7001].map(|port| SocketAddr::from((ip, port)));
    let config = format!(
        "[[proxy]]\nname = \"p\"\nlisten = [\"{one}\", \"{other}\"]\nservers = [\"{}\"]\n{ONCE}\n\
         [[proxy.route]]\nport = [7001]\nproxy = \"api\"\n{}",
        saying(ip, "default"),
        pool("api", saying(ip, "api")),
    );
    let proxy = Proxy::start(&config);
    eventually("both servers are up", || {
        let up = |server: &lbproxy::control::status::ServerStatus| server.state.to_string() == "up";
        let all = |status: lbproxy::control::status::Status| {
            status.proxies.iter().flat_map(|proxy| &proxy.servers).all(up)
        };
        proxy.status().is_some_and(all)
    });
    for (listen, said) in [(one, "default"), (other, "api")] {
        assert_eq!(send(listen, b"x", 1), said);
    }
}

#[test]
fn the_name_that_a_client_asks_for_chooses() {
    let Routed { proxy, listen, .. } = routed("default", "");
    for (name, piece, chosen) in [
        ("api.example.com", 500, "api"),
        ("API.example.com", 7, "api"),
        ("a.b.apps.example.com", 1, "apps"),
        ("apps.example.com", 500, "default"),
        ("example.org", 30, "default"),
    ] {
        assert_eq!(send(listen, &hello(name), piece), chosen, "{name}");
        let line = proxy.line("proxy=https");
        let route = if chosen == "default" { "-" } else { chosen };
        let told = format!(" route={route} server_name={} server=", name.to_ascii_lowercase());
        assert!(line.contains(&told), "{line}");
    }
    // What is no hello is known at once, and nothing of it is lost.
    assert_eq!(send(listen, b"GET / HTTP/1.1\r\n\r\n", 500), "default");
    assert!(proxy.line("proxy=https").contains(" route=- server_name=- "));
    // A hello that its client left unfinished.
    assert_eq!(send(listen, &hello("api.example.com")[..40], 500), "default");
    let status = proxy.status().unwrap();
    let https = &status.proxies[0];
    let taken: Vec<_> = https.routes.iter().map(|route| route.connections).collect();
    assert_eq!((taken, https.accepted), (vec![2, 1, 0], 7));
    assert_eq!(status.proxies[1].servers[0].total, 2);
}

#[test]
fn who_says_nothing_in_time_has_no_name() {
    let Routed { proxy, listen, .. } = routed("default", "");
    let start = now();
    let mut stream = connect(listen);
    // What was looked at before the deadline is not forgotten behind it.
    stream.write_all(&[22, 3, 1]).unwrap();
    eventually("it is connected", || proxy.status().unwrap().proxies[0].servers[0].total == 1);
    assert!(start.elapsed() >= Duration::from_millis(650), "{:?}", start.elapsed());
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, [b"default:".as_slice(), &[22, 3, 1]].concat());
    // One that speaks second: the server's words come through, once the client was given up.
    let mut silent = connect(listen);
    eventually("it is connected", || proxy.status().unwrap().proxies[0].servers[0].total == 2);
    silent.write_all(b"later").unwrap();
    silent.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    silent.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "default:later");
}

#[test]
fn what_no_route_fits_is_reset_where_there_are_no_servers() {
    let Routed { proxy, listen, .. } = routed("", "");
    assert_eq!(send(listen, &hello("api.example.com"), 500), "api");
    let mut other = connect(listen);
    other.write_all(&hello("example.org")).unwrap();
    assert_reset(&mut other);
    let line = proxy.line("end=no_route");
    assert!(line.contains(" route=- server_name=example.org server=- "), "{line}");
    let mut mute = connect(listen);
    assert_reset(&mut mute);
    proxy.line("end=hello_timeout");
    drop(connect(listen));
    proxy.line("end=client_closed");
    // It counts as usable for what its routes lead to.
    assert_eq!(proxy.status().unwrap().proxies[0].state.to_string(), "usable");
}

#[test]
fn a_header_is_read_before_the_hello_and_says_where_a_client_is() {
    let Routed { proxy, listen, .. } = routed("default", "accept_proxy = [\"127.0.0.0/8\"]");
    for (from, name, chosen) in [
        ("192.0.2.7", "example.org", "api"),
        ("192.0.2.7", "x.apps.example.com", "apps"),
        ("198.51.100.7", "api.example.com", "api"),
        ("198.51.100.7", "example.org", "default"),
    ] {
        let mut stream = connect(listen);
        let header = format!("PROXY TCP4 {from} 192.0.2.100 50000 443\r\n");
        stream.write_all(&[header.as_bytes(), &hello(name)].concat()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(format!("{chosen}:").as_bytes()), "{from} {name}");
        assert!(answer.ends_with(&hello(name)), "{from} {name}");
        proxy.line(&format!("client={from}:50000"));
    }
}

#[test]
fn a_reload_keeps_what_was_counted_and_changes_where_it_leads() {
    let Routed { proxy, listen, config } = routed("default", "");
    assert_eq!(send(listen, &hello("api.example.com"), 500), "api");
    proxy.reload(&config.replace("*.apps.example.com", "*.example.org"));
    proxy.log("reloaded");
    assert_eq!(send(listen, &hello("www.example.org"), 500), "apps");
    assert_eq!(send(listen, &hello("x.apps.example.com"), 500), "default");
    assert_eq!(send(listen, &hello("api.example.com"), 500), "api");
    let status = proxy.status().unwrap();
    let taken: Vec<_> = status.proxies[0].routes.iter().map(|route| route.connections).collect();
    assert_eq!(taken, [2, 1, 0]);
}
