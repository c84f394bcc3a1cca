//! Adverts as a neighbour hears them: how much later than their interval each came after the last.
//!
//! The kernel stamps each packet on arrival, so that a busy listener does not count as a late sender.

use std::collections::HashMap;
use std::io::IoSliceMut;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, bail};
use lab::Host;
use lab::realtime::try_realtime;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use vrrp::wire::GROUP_V4;
use vrrp::wire::ipv4;

/// Bytes that may wait for the listener.
const BACKLOG: usize = 16 * 1024 * 1024;

/// A running listener on a host that has nothing else to do.
#[derive(Debug)]
pub struct Listener {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<anyhow::Result<Heard>>,
}

/// What was heard.
#[derive(Debug, Default)]
pub struct Heard {
    last: HashMap<(Ipv4Addr, u8), Duration>,
    gaps: Vec<Gap>,
}

#[derive(Debug)]
struct Gap {
    source: Ipv4Addr,
    length: Duration,
}

impl Listener {
    /// Starts to listen.
    ///
    /// # Errors
    /// Its namespace cannot be entered.
    pub fn start(host: &Host) -> anyhow::Result<Self> {
        let index = host.interface_index();
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let thread = host.namespace().thread("adverts", move || listen(index, &asked))?;
        Ok(Self { stop, thread })
    }

    /// Ends; returns what was heard.
    ///
    /// # Errors
    /// No raw socket was to be had, or it does not stamp.
    pub fn stop(self) -> anyhow::Result<Heard> {
        self.stop.store(true, Ordering::Relaxed);
        let Ok(heard) = self.thread.join() else { bail!("the listener panicked") };
        heard
    }
}

impl Heard {
    /// How many adverts came from `source`.
    #[must_use]
    pub fn count(&self, source: Ipv4Addr) -> usize {
        self.gaps.iter().filter(|gap| gap.source == source).count()
    }

    /// The lateness that `permille` of the adverts from `source` did not exceed, in milliseconds.
    #[must_use]
    pub fn lateness(&self, source: Ipv4Addr, interval: Duration, permille: usize) -> f64 {
        let from = self.gaps.iter().filter(|gap| gap.source == source);
        let mut late: Vec<Duration> = from.map(|gap| gap.length.saturating_sub(interval)).collect();
        late.sort();
        let position = (late.len() * permille / 1000).min(late.len().saturating_sub(1));
        late.get(position).map_or(f64::NAN, |late| late.as_secs_f64() * 1000.0)
    }
}

fn listen(index: u32, stop: &AtomicBool) -> anyhow::Result<Heard> {
    // Where it is not permitted the kernel's stamps are right all the same.
    try_realtime();
    let protocol = Protocol::from(i32::from(vrrp::wire::PROTOCOL));
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(protocol)).context("a raw socket")?;
    socket.join_multicast_v4_n(&GROUP_V4, &InterfaceIndexOrAddress::Index(index))?;
    socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0).into())?;
    socket.set_read_timeout(Some(Duration::from_millis(50)))?;
    setsockopt(&socket, sockopt::RcvBufForce, &BACKLOG)?;
    setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
    let mut heard = Heard::default();
    let mut buffer = [0; 2048];
    let mut control = nix::cmsg_space!(TimeSpec);
    while !stop.load(Ordering::Relaxed) {
        let mut parts = [IoSliceMut::new(&mut buffer)];
        let fd = socket.as_raw_fd();
        let received = recvmsg::<()>(fd, &mut parts, Some(&mut control), MsgFlags::empty());
        let Ok(received) = received else { continue };
        let stamp = received.cmsgs()?.find_map(|control| {
            let ControlMessageOwned::ScmTimestampns(stamp) = control else { return None };
            Some(Duration::from(stamp))
        });
        let length = received.bytes;
        heard.note(&buffer[..length], stamp.context("the kernel did not stamp a packet")?);
    }
    Ok(heard)
}

impl Heard {
    fn note(&mut self, packet: &[u8], at: Duration) {
        let Ok(datagram) = ipv4::datagram(packet) else { return };
        let IpAddr::V4(source) = datagram.source else { return };
        let Some(vrid) = datagram.message.get(1) else { return };
        if let Some(last) = self.last.insert((source, *vrid), at) {
            self.gaps.push(Gap { source, length: at.saturating_sub(last) });
        }
    }
}
