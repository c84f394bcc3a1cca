//! The loads: streams of bytes, and wrk's requests.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, sleep};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use lab::{Host, Moment};
use netns_tests::{LIMIT, peer, usage};

use crate::contender::{Bench, Contender};

/// Bytes of one read or write of a stream's ends.
const CHUNK: usize = 256 * 1024;

/// Connections that stream at once.
const STREAMS: usize = 4;

/// Connections that wrk has open at once.
const CONNECTIONS: &str = "64";

/// A stream's first moments do not count.
const WARM_UP: Duration = Duration::from_millis(500);

/// What was moved, and what it cost.
pub(crate) struct Moved {
    bytes: f64,
    time: Duration,
    cpu: Duration,
}

impl Moved {
    pub(crate) fn gigabits_per_second(&self) -> f64 {
        self.bytes * 8.0 / 1e9 / self.time.as_secs_f64()
    }

    pub(crate) fn cpu_seconds_per_gigabyte(&self) -> f64 {
        self.cpu.as_secs_f64() / (self.bytes / 1e9)
    }
}

/// Sends without end to whoever has sent a byte; a health check sends none.
pub(crate) fn send_for_ever(listener: TcpListener) {
    for mut stream in listener.incoming().flatten() {
        thread::spawn(move || -> io::Result<()> {
            stream.read_exact(&mut [0])?;
            let chunk = vec![7; CHUNK];
            loop {
                stream.write_all(&chunk)?;
            }
        });
    }
}

/// Four streams to the client.
pub(crate) fn bulk(
    client: &Host,
    address: SocketAddr,
    processes: &[u32],
    time: Duration,
) -> anyhow::Result<Moved> {
    let bytes = Arc::new(AtomicU64::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let mut readers = Vec::new();
    for _ in 0..STREAMS {
        let (bytes, stop) = (Arc::clone(&bytes), Arc::clone(&stop));
        let read = move || read_until(address, &bytes, &stop);
        readers.push(client.namespace().thread("stream", read)?);
    }
    sleep(WARM_UP);
    let (start, cpu, count) = (Moment::now(), usage::cpu(processes)?, counted(&bytes));
    sleep(time);
    let moved = Moved {
        bytes: counted(&bytes) - count,
        time: start.elapsed(),
        cpu: usage::cpu(processes)?.saturating_sub(cpu),
    };
    stop.store(true, Ordering::Relaxed);
    for reader in readers {
        match reader.join() {
            Ok(read) => read.context("read a stream")?,
            Err(_) => bail!("a reader failed"),
        }
    }
    Ok(moved)
}

#[expect(clippy::cast_precision_loss, reason = "a thousandth of a per cent does not matter")]
fn counted(bytes: &AtomicU64) -> f64 {
    bytes.load(Ordering::Relaxed) as f64
}

fn read_until(address: SocketAddr, bytes: &AtomicU64, stop: &AtomicBool) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(&[1])?;
    let mut chunk = vec![0; CHUNK];
    while !stop.load(Ordering::Relaxed) {
        match stream.read(&mut chunk)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => bytes.fetch_add(count as u64, Ordering::Relaxed),
        };
    }
    Ok(())
}

/// What wrk saw, and what that cost the proxy.
pub(crate) struct Told {
    /// Requests a second.
    pub(crate) rate: f64,
    pub(crate) cpu_micros: f64,
    pub(crate) p99_millis: f64,
}

/// Small requests from 64 connections, kept or a new one for each.
pub(crate) fn wrk(
    bench: &Bench<'_>,
    contender: Contender,
    processes: &[u32],
    time: Duration,
    keep: bool,
) -> anyhow::Result<Told> {
    let mut command = Command::new(peer("wrk"));
    command.args(["-t", "1", "-c", CONNECTIONS, "--latency", "-d"]);
    command.arg(format!("{}s", time.as_secs()));
    if !keep {
        command.args(["-H", "Connection: close"]);
    }
    command.arg(format!("http://{}/", bench.web(contender)));
    let cpu = usage::cpu(processes)?;
    let output = bench.client().output(&mut command, time + LIMIT)?;
    let cpu = usage::cpu(processes)?.saturating_sub(cpu);
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "wrk: {text}{}", String::from_utf8_lossy(&output.stderr));
    ensure!(!text.contains("Socket errors"), "requests failed:\n{text}");
    let words = |line: &str| -> Option<String> {
        let line = text.lines().map(str::trim).find(|text| text.contains(line))?;
        Some(line.to_owned())
    };
    let parse = || -> Option<Told> {
        let total: f64 = words("requests in")?.split_whitespace().next()?.parse().ok()?;
        let rate = words("Requests/sec:")?.split_whitespace().nth(1)?.parse().ok()?;
        let p99_millis = millis(words("99%")?.split_whitespace().nth(1)?)?;
        Some(Told { rate, cpu_micros: cpu.as_secs_f64() * 1e6 / total, p99_millis })
    };
    parse().with_context(|| format!("wrk said:\n{text}"))
}

/// wrk writes `831.00us`, `2.13ms` or `1.02s`.
fn millis(text: &str) -> Option<f64> {
    let number = |unit: &str| text.strip_suffix(unit)?.parse::<f64>().ok();
    let micros = number("us").map(|us| us / 1_000.0);
    micros.or_else(|| number("ms")).or_else(|| number("s").map(|s| s * 1_000.0))
}
