//! Connections that stream: large amounts go through pipes, and nothing else may differ.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle, sleep};
use std::time::Duration;

use crate::common::*;
use socket2::SockRef;

/// Bytes that no buffer on the way can hold.
const LARGE: usize = 24 << 20;

fn listen_at(ip: Ipv4Addr) -> SocketAddr {
    SocketAddr::from((ip, 7000))
}

/// A server that hands its connections to the test.
fn handing_server(ip: Ipv4Addr) -> (SocketAddr, Receiver<TcpStream>) {
    let (sender, accepted) = channel();
    let listener = TcpListener::bind((ip, 0)).unwrap();
    (server(listener, move |stream| drop(sender.send(stream))), accepted)
}

/// A proxy, and both ends of a connection through it.
fn pair() -> (Proxy, TcpStream, TcpStream) {
    let ip = own_ip();
    let (address, accepted) = handing_server(ip);
    let proxy = Proxy::ready(&table(listen_at(ip), &[address], ONCE), &["up"]);
    // The check's connection came first.
    accepted.recv_timeout(PATIENCE).unwrap();
    let client = connect(listen_at(ip));
    let server = accepted.recv_timeout(PATIENCE).unwrap();
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    server.set_write_timeout(Some(PATIENCE)).unwrap();
    (proxy, client, server)
}

/// The byte at a place of a stream: neighbours and pages differ, and so do streams.
fn byte_at(place: usize, stream: u8) -> u8 {
    let [low, middle, high, ..] = place.to_le_bytes();
    low ^ middle.wrapping_mul(31) ^ high.wrapping_mul(101) ^ stream
}

fn write_stream(mut to: &TcpStream, stream: u8, length: usize) -> std::io::Result<()> {
    let mut place = 0;
    while place < length {
        let end = (place + 100_000).min(length);
        let chunk: Vec<u8> = (place..end).map(|place| byte_at(place, stream)).collect();
        to.write_all(&chunk)?;
        place = end;
    }
    Ok(())
}

/// Reads to the end; returns how many bytes came, all of them right.
fn read_stream(mut from: &TcpStream, stream: u8, pause: Duration) -> usize {
    let mut place = 0;
    let mut chunk = vec![0; 70_000];
    loop {
        match from.read(&mut chunk).unwrap() {
            0 => return place,
            count => {
                let wrong = (0..count).find(|at| chunk[*at] != byte_at(place + at, stream));
                assert_eq!(wrong.map(|at| place + at), None, "stream {stream}");
                place += count;
            }
        }
        sleep(pause);
    }
}

fn writing(to: &TcpStream, stream: u8, length: usize) -> JoinHandle<()> {
    let to = to.try_clone().unwrap();
    thread::spawn(move || {
        write_stream(&to, stream, length).unwrap();
        to.shutdown(Shutdown::Write).unwrap();
    })
}

#[test]
fn large_amounts_both_ways_at_once_arrive_and_are_counted() {
    let (proxy, client, server) = pair();
    let writers = [writing(&client, 1, LARGE), writing(&server, 2, LARGE + 1)];
    let reader = {
        let server = server.try_clone().unwrap();
        thread::spawn(move || read_stream(&server, 1, Duration::ZERO))
    };
    assert_eq!(read_stream(&client, 2, Duration::ZERO), LARGE + 1);
    assert_eq!(reader.join().unwrap(), LARGE);
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    let line = proxy.line("end=");
    // 24 MiB, and a byte more.
    assert!(line.contains(" bytes_up=25165824 bytes_down=25165825 "), "{line}");
    assert!(proxy.pipes() >= 1, "nothing went through a pipe");
}

#[test]
fn the_end_behind_a_stream_is_passed_on_and_the_other_side_goes_on() {
    let (proxy, client, server) = pair();
    let writer = writing(&client, 3, LARGE);
    assert_eq!(read_stream(&server, 3, Duration::ZERO), LARGE);
    writer.join().unwrap();
    let writer = writing(&server, 4, LARGE);
    assert_eq!(read_stream(&client, 4, Duration::ZERO), LARGE);
    writer.join().unwrap();
    let line = proxy.line("end=client_closed");
    assert!(line.contains(" bytes_up=25165824 bytes_down=25165824 "), "{line}");
}

#[test]
fn a_slow_reader_gets_everything() {
    let (proxy, client, server) = pair();
    let writer = writing(&server, 5, LARGE / 4);
    assert_eq!(read_stream(&client, 5, Duration::from_millis(2)), LARGE / 4);
    writer.join().unwrap();
    drop(client);
    proxy.line("end=server_closed");
}

#[test]
fn a_stream_that_turns_into_small_exchanges_goes_on() {
    let (proxy, mut client, mut server) = pair();
    let writer = {
        let client = client.try_clone().unwrap();
        thread::spawn(move || write_stream(&client, 6, LARGE).unwrap())
    };
    let mut read = vec![0; LARGE];
    server.read_exact(&mut read).unwrap();
    writer.join().unwrap();
    assert!((0..LARGE).all(|place| read[place] == byte_at(place, 6)));
    for _ in 0..100 {
        client.write_all(b"question").unwrap();
        server.read_exact(&mut [0; 8]).unwrap();
        server.write_all(b"answer").unwrap();
        client.read_exact(&mut [0; 6]).unwrap();
    }
    drop(client);
    assert_eq!(server.read(&mut [0]).unwrap(), 0, "the end, passed on");
    drop(server);
    let line = proxy.line("end=client_closed");
    // 24 MiB + 100 * 8, 100 * 6.
    assert!(line.contains(" bytes_up=25166624 bytes_down=600 "), "{line}");
}

#[test]
fn a_reset_ends_a_stream_both_ways() {
    for by_client in [true, false] {
        let (proxy, client, server) = pair();
        let (writer, mut reader) = if by_client { (server, client) } else { (client, server) };
        let writing = thread::spawn(move || write_stream(&writer, 7, 1 << 30));
        reader.read_exact(&mut vec![0; 1 << 20]).unwrap();
        SockRef::from(&reader).set_linger(Some(Duration::ZERO)).unwrap();
        drop(reader);
        let error = writing.join().unwrap().unwrap_err();
        let told = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
        assert!(told.contains(&error.kind()), "{error}");
        proxy.line(if by_client { "end=client_reset" } else { "end=server_reset" });
    }
}

#[test]
fn where_pipes_run_out_buffers_go_on() {
    let ip = own_ip();
    let (address, accepted) = handing_server(ip);
    // Of 200 files three pipes may be made, one for each of the two workers. The server answers nobody, and
    // is not to be found standing still.
    let check = "check = { tcp = true, interval = \"1h\", timeout = \"1m\" }";
    let proxy = Proxy::start_with_files(&table(listen_at(ip), &[address], check), 200);
    proxy.wait_for(&["up"]);
    accepted.recv_timeout(PATIENCE).unwrap();
    let pairs: Vec<(TcpStream, TcpStream)> = (0..8)
        .map(|_| {
            let client = connect(listen_at(ip));
            (client, accepted.recv_timeout(PATIENCE).unwrap())
        })
        .collect();
    // Nobody reads yet: what streams first keeps the pipe.
    let writers: Vec<_> =
        (0..8).map(|stream| writing(&pairs[usize::from(stream)].0, stream, LARGE / 4)).collect();
    sleep(Duration::from_millis(500));
    assert!(proxy.pipes() <= 2, "{} pipes", proxy.pipes());
    let readers: Vec<_> = pairs
        .iter()
        .enumerate()
        .map(|(at, (_, server))| {
            let (server, stream) = (server.try_clone().unwrap(), u8::try_from(at).unwrap());
            thread::spawn(move || read_stream(&server, stream, Duration::ZERO))
        })
        .collect();
    for reader in readers {
        assert_eq!(reader.join().unwrap(), LARGE / 4);
    }
    writers.into_iter().for_each(|writer| writer.join().unwrap());
}

#[test]
fn what_waits_for_a_slow_reader_is_told() {
    let (proxy, client, server) = pair();
    let writer = writing(&server, 3, LARGE);
    let used = || proxy.status().unwrap().usage;
    eventually("bytes wait", || used().pipes + used().buffers == 1);
    assert!(used().pipes_open >= 1);
    assert_eq!(read_stream(&client, 3, Duration::ZERO), LARGE);
    writer.join().unwrap();
    eventually("it is empty", || (used().pipes, used().buffers) == (0, 0));
}
