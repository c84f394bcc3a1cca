//! ICMP echo at 1 kHz: how long nobody answers for an address.
//!
//! Two threads share one raw socket of the client's namespace: the sender keeps absolute deadlines,
//! the receiver notes what comes back. They meet only when the probe stops.

use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use vocabulary::Family;
use vocabulary::address::is_link_local;

use crate::clock::Moment;
use crate::host::Host;
use crate::probe::silence::{Sample, Silence, silence};
use crate::probe::{ProbeError, icmp, join};
use crate::realtime::try_realtime;

/// Time between two echoes.
const INTERVAL: Duration = Duration::from_millis(1);

/// A later answer is none.
const PATIENCE: Duration = Duration::from_millis(100);

/// How long the receiver may take to notice that it shall stop.
const NOTICE: Duration = Duration::from_millis(20);

/// More than any answer to our echoes with its IP header.
const PACKET: usize = 256;

/// Keeps several pings of one namespace apart.
static IDENTIFIER: AtomicU16 = AtomicU16::new(1);

/// A running ping. Dropping it stops it.
#[derive(Debug)]
pub struct Ping {
    stop: Arc<Stop>,
    sender: Option<JoinHandle<Vec<Moment>>>,
    receiver: Option<JoinHandle<Vec<Answer>>>,
}

#[derive(Debug, Default)]
struct Stop {
    sending: AtomicBool,
    receiving: AtomicBool,
}

struct Answer {
    number: u64,
    at: Moment,
}

/// One echo request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echo {
    /// When it was sent.
    pub sent: Moment,
    /// When its answer came, if one did.
    pub answered: Option<Moment>,
}

/// What a ping saw.
#[derive(Clone, Debug)]
pub struct PingRecord {
    /// All requests in the order they were sent.
    pub echoes: Vec<Echo>,
    /// When the last could have been sent.
    pub end: Moment,
}

impl Ping {
    /// Starts to send echo requests from `client` to `address`, one every millisecond.
    ///
    /// # Errors
    /// No raw socket or no thread.
    pub fn start(client: &Host, address: IpAddr) -> Result<Self, ProbeError> {
        let family = Family::of(address);
        let opened = client.run(|| open(family))?;
        let socket = opened.map_err(ProbeError::open("a raw ICMP socket", client))?;
        let target = SockAddr::from(target(address, client.interface_index()));
        let identifier = IDENTIFIER.fetch_add(1, Ordering::Relaxed);
        let socket = Arc::new(socket);
        let stop = Arc::new(Stop::default());
        let receiver = {
            let (socket, stop) = (Arc::clone(&socket), Arc::clone(&stop));
            client.namespace().thread("pong", move || {
                try_realtime();
                receive(&socket, family, identifier, &stop.receiving)
            })?
        };
        let mut ping = Self { stop: Arc::clone(&stop), sender: None, receiver: Some(receiver) };
        ping.sender = Some(client.namespace().thread("ping", move || {
            try_realtime();
            let echo = |number| icmp::request(family, identifier, number);
            send(&socket, &target, echo, &stop.sending)
        })?);
        Ok(ping)
    }

    /// Stops sending, waits for the last answers (100 ms), and tells what was seen.
    #[must_use]
    pub fn stop(mut self) -> PingRecord {
        self.stop.sending.store(true, Ordering::Relaxed);
        let sent = self.sender.take().map(join).unwrap_or_default();
        let end = Moment::now();
        thread::sleep(PATIENCE);
        self.stop.receiving.store(true, Ordering::Relaxed);
        let answers = self.receiver.take().map(join).unwrap_or_default();
        PingRecord { echoes: match_up(&sent, &answers), end }
    }
}

impl Drop for Ping {
    fn drop(&mut self) {
        self.stop.sending.store(true, Ordering::Relaxed);
        self.stop.receiving.store(true, Ordering::Relaxed);
    }
}

impl Echo {
    /// Whether it was answered within 100 ms.
    #[must_use]
    pub fn good(&self) -> bool {
        self.answered.is_some_and(|at| at.since(self.sent) <= PATIENCE)
    }
}

impl PingRecord {
    /// The silence of the whole measurement.
    #[must_use]
    pub fn silence(&self) -> Silence {
        match self.echoes.first() {
            Some(first) => self.silence_between(first.sent, self.end),
            None => Silence::default(),
        }
    }

    /// The silence among the requests sent at `from` or later and before `to`.
    #[must_use]
    pub fn silence_between(&self, from: Moment, to: Moment) -> Silence {
        silence(&self.samples(), from, to)
    }

    /// Each request as a sample.
    #[must_use]
    pub fn samples(&self) -> Vec<Sample> {
        self.echoes.iter().map(|echo| Sample { start: echo.sent, good: echo.good() }).collect()
    }

    /// The longest time between two requests: what the probe itself slept through on a busy machine.
    /// A silence is known no better than this.
    #[must_use]
    pub fn blind(&self) -> Duration {
        let gaps = self.echoes.windows(2).map(|pair| pair[1].sent.since(pair[0].sent));
        gaps.max().unwrap_or_default()
    }
}

/// Sends one echo request from `client` to `address`, and says whether it was answered within 100 ms.
///
/// # Errors
/// No raw socket.
pub fn answers(client: &Host, address: IpAddr) -> Result<bool, ProbeError> {
    let family = Family::of(address);
    let opened = client.run(|| open(family))?;
    let socket = opened.map_err(ProbeError::open("a raw ICMP socket", client))?;
    let target = SockAddr::from(target(address, client.interface_index()));
    let identifier = IDENTIFIER.fetch_add(1, Ordering::Relaxed);
    let sent = Moment::now();
    // What cannot be sent is not answered.
    drop(socket.send_to(&icmp::request(family, identifier, 0), &target));
    let mut packet = [0; PACKET];
    while sent.elapsed() <= PATIENCE {
        let length = (&socket).read(&mut packet).unwrap_or_default();
        if icmp::reply(family, identifier, &packet[..length]).is_some() {
            return Ok(sent.elapsed() <= PATIENCE);
        }
    }
    Ok(false)
}

fn open(family: Family) -> io::Result<Socket> {
    let (domain, protocol) = match family {
        Family::Ipv4 => (Domain::IPV4, Protocol::ICMPV4),
        Family::Ipv6 => (Domain::IPV6, Protocol::ICMPV6),
    };
    let socket = Socket::new(domain, Type::RAW, Some(protocol))?;
    socket.set_read_timeout(Some(NOTICE))?;
    Ok(socket)
}

/// A link-local address is one of an interface.
fn target(address: IpAddr, interface: u32) -> SocketAddr {
    match address {
        IpAddr::V6(ip) if is_link_local(ip) => SocketAddrV6::new(ip, 0, 0, interface).into(),
        IpAddr::V4(_) | IpAddr::V6(_) => SocketAddr::new(address, 0),
    }
}

/// Sends until told to stop, and returns when each request was sent.
fn send(
    socket: &Socket,
    target: &SockAddr,
    request: impl Fn(u64) -> [u8; icmp::ECHO],
    stop: &AtomicBool,
) -> Vec<Moment> {
    let mut sent = Vec::new();
    let mut due = Moment::now();
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let now = Moment::now();
        sent.push(now);
        // A request that the kernel refuses (no route, no neighbour) is one that nobody answers.
        drop(socket.send_to(&request(number), target));
        due = next(due, now);
        thread::sleep(due.since(Moment::now()));
    }
    sent
}

/// The next deadline after the one that was served at `now`. One that has passed meanwhile is left
/// out: a burst of late requests would tell nothing about the time that was slept through.
fn next(due: Moment, now: Moment) -> Moment {
    let next = due + INTERVAL;
    if next > now { next } else { now + INTERVAL }
}

/// Receives until told to stop.
fn receive(socket: &Socket, family: Family, identifier: u16, stop: &AtomicBool) -> Vec<Answer> {
    let mut answers = Vec::new();
    let mut packet = [0; PACKET];
    let mut socket = socket;
    while !stop.load(Ordering::Relaxed) {
        // The read times out now and then, so that the flag is seen.
        let Ok(length) = socket.read(&mut packet) else { continue };
        let at = Moment::now();
        if let Some(number) = icmp::reply(family, identifier, &packet[..length]) {
            answers.push(Answer { number, at });
        }
    }
    answers
}

/// Brings requests and answers together. Of several answers (two owners give two) the first counts.
fn match_up(sent: &[Moment], answers: &[Answer]) -> Vec<Echo> {
    let mut echoes: Vec<Echo> = sent.iter().map(|at| Echo { sent: *at, answered: None }).collect();
    for answer in answers {
        let echo = usize::try_from(answer.number).ok().and_then(|number| echoes.get_mut(number));
        if let Some(echo) = echo {
            echo.answered.get_or_insert(answer.at);
        }
    }
    echoes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::from_millis(millis)
    }

    #[test]
    fn deadlines_do_not_drift_and_do_not_pile_up() {
        assert_eq!(next(at(10), at(10)), at(11));
        assert_eq!(next(at(10), at(10) + Duration::from_micros(900)), at(11));
        assert_eq!(next(at(10), at(25)), at(26));
    }

    #[test]
    fn an_answer_counts_once_and_in_time() {
        let sent = [at(0), at(1), at(2), at(3)];
        let answers = [(0, 1), (2, 103), (0, 90), (1, 101), (9, 4)]
            .map(|(number, millis)| Answer { number, at: at(millis) });
        let echoes = match_up(&sent, &answers);
        assert_eq!(echoes.iter().map(Echo::good).collect::<Vec<_>>(), [true, true, false, false]);
        assert_eq!(echoes[0].answered, Some(at(1)));
        let record = PingRecord { echoes, end: at(4) };
        let expected = Silence { longest: Duration::from_millis(2), since: Some(at(2)), bad: 2 };
        assert_eq!(record.silence(), expected);
        assert_eq!(record.blind(), Duration::from_millis(1));
    }
}
