//! The PROXY protocol both ways, and the source address of connections to servers.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use crate::common::*;

fn listen_at(ip: Ipv4Addr) -> SocketAddr {
    SocketAddr::from((ip, 7000))
}

/// A server, and what every connection to it sent until its end, with where it came from.
fn hearing(ip: Ipv4Addr) -> (SocketAddr, Receiver<(IpAddr, Vec<u8>)>) {
    let (sender, heard) = channel();
    let address = server(TcpListener::bind((ip, 0)).unwrap(), move |mut stream| {
        let from = stream.peer_addr().unwrap().ip();
        let mut bytes = Vec::new();
        drop(stream.read_to_end(&mut bytes));
        drop(sender.send((from, bytes)));
    });
    (address, heard)
}

fn hear(heard: &Receiver<(IpAddr, Vec<u8>)>) -> Vec<u8> {
    heard.recv_timeout(PATIENCE).unwrap().1
}

#[test]
fn servers_and_their_checks_get_a_header_in_front() {
    let ip = own_ip();
    let (address, heard) = hearing(ip);
    let config = |version| format!("send_proxy = \"{version}\"\n{ONCE}");
    let proxy = Proxy::ready(&table(listen_at(ip), &[address], &config("v1")), &["up"]);
    assert_eq!(hear(&heard), b"PROXY UNKNOWN\r\n");
    let mut client = connect(listen_at(ip));
    let from = client.local_addr().unwrap();
    client.write_all(b"hello").unwrap();
    drop(client);
    let (to, port) = (from.ip(), from.port());
    let expected = format!("PROXY TCP4 {to} {ip} {port} 7000\r\nhello");
    assert_eq!(String::from_utf8(hear(&heard)).unwrap(), expected);
    // The header is not the client's: it does not count.
    let line = proxy.line("proxy=p");
    assert!(line.contains(" bytes_up=5 "), "{line}");
    drop(proxy);

    let proxy = Proxy::ready(&table(listen_at(ip), &[address], &config("v2")), &["up"]);
    assert_eq!(hear(&heard), b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0");
    drop(connect(listen_at(ip)));
    let bytes = hear(&heard);
    assert_eq!((&bytes[..16], bytes.len()), (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".as_slice(), 28));
    drop(proxy);
}

/// A proxy that trusts this network, and passes on as text what it was told.
fn trusting(ip: Ipv4Addr, network: &str) -> (Proxy, Receiver<(IpAddr, Vec<u8>)>) {
    let (address, heard) = hearing(ip);
    let config = format!("accept_proxy = [\"{network}\"]\nsend_proxy = \"v1\"\n{ONCE}");
    let proxy = Proxy::ready(&table(listen_at(ip), &[address], &config), &["up"]);
    hear(&heard);
    (proxy, heard)
}

#[test]
fn a_trusted_sender_says_who_the_client_is() {
    let ip = own_ip();
    let (proxy, heard) = trusting(ip, "127.0.0.0/8");
    let header = b"PROXY TCP4 192.0.2.1 192.0.2.100 50000 443\r\n";

    let mut whole = connect(listen_at(ip));
    whole.write_all(&[header.as_slice(), b"GET /"].concat()).unwrap();
    drop(whole);
    assert_eq!(hear(&heard), [header.as_slice(), b"GET /"].concat());
    let line = proxy.line("end=");
    assert!(line.contains(" client=192.0.2.1:50000 listen=127."), "{line}");
    assert!(line.contains(" bytes_up=5 "), "{line}");

    let mut in_pieces = connect(listen_at(ip));
    for piece in header.chunks(7) {
        in_pieces.write_all(piece).unwrap();
        thread::sleep(Duration::from_millis(5));
    }
    in_pieces.write_all(b"x").unwrap();
    drop(in_pieces);
    assert_eq!(hear(&heard), [header.as_slice(), b"x"].concat());

    // A sender that speaks for itself.
    let mut own = connect(listen_at(ip));
    let from = own.local_addr().unwrap();
    own.write_all(b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0").unwrap();
    drop(own);
    let expected = format!("PROXY TCP4 {} {ip} {} 7000\r\n", from.ip(), from.port());
    assert_eq!(String::from_utf8(hear(&heard)).unwrap(), expected);
}

#[test]
fn a_trusted_sender_without_a_header_is_turned_away() {
    let ip = own_ip();
    let (proxy, heard) = trusting(ip, "127.0.0.0/8");
    let mut wrong = connect(listen_at(ip));
    wrong.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert_reset(&mut wrong);
    proxy.line("end=bad_header");
    let mut endless = connect(listen_at(ip));
    endless.write_all(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff").unwrap();
    endless.write_all(&[0; 2048]).unwrap();
    assert_reset(&mut endless);
    proxy.line("end=bad_header");
    let mut mute = connect(listen_at(ip));
    let start = now();
    assert_reset(&mut mute);
    assert!(start.elapsed() >= Duration::from_millis(2_500), "{:?}", start.elapsed());
    let line = proxy.line("end=header_timeout");
    assert!(line.contains(" attempts=0 "), "{line}");
    assert!(heard.try_recv().is_err(), "no server was asked");
}

#[test]
fn others_cannot_say_who_they_are() {
    let ip = own_ip();
    let (_proxy, heard) = trusting(ip, "192.0.2.0/24");
    let mut liar: TcpStream = connect(listen_at(ip));
    let from = liar.local_addr().unwrap();
    let lie = "PROXY TCP4 192.0.2.1 192.0.2.100 50000 443\r\n";
    liar.write_all(lie.as_bytes()).unwrap();
    drop(liar);
    let truth = format!("PROXY TCP4 {} {ip} {} 7000\r\n", from.ip(), from.port());
    assert_eq!(String::from_utf8(hear(&heard)).unwrap(), truth + lie);
}

#[test]
fn connections_and_checks_come_from_the_source_address() {
    let (ip, source) = (own_ip(), own_ip());
    let (address, heard) = hearing(ip);
    let keys = format!("source = \"{source}\"");
    let config = full_table(listen_at(ip), &[(address, &keys)], ONCE);
    let _proxy = Proxy::ready(&config, &["up"]);
    drop(connect(listen_at(ip)));
    for _ in 0..2 {
        assert_eq!(heard.recv_timeout(PATIENCE).unwrap().0, IpAddr::V4(source));
    }
}
