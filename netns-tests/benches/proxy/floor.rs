//! The least that a proxy costs which waits, receives and sends: it has no limits, checks, counters,
//! errors, buffers that wait, or log. What this needs no proxy of its kind can save.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::thread;

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::net::sockopt::{set_socket_reuseport, set_tcp_nodelay};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType, accept_with, bind,
    connect, listen, recv, send, shutdown, socket_with,
};
use slab::Slab;

const CHUNK: usize = 16 * 1024;

/// What the listening socket's events bear.
const LISTENER: u64 = u64::MAX;

/// A client and its server.
struct Pair {
    sides: [OwnedFd; 2],
    /// Whose end was read.
    over: [bool; 2],
    connected: bool,
}

/// Serves until killed.
pub(crate) fn run(port: u16, server: SocketAddr) -> io::Result<()> {
    // As many as the peers have.
    let count = thread::available_parallelism()?.get();
    let workers: Vec<_> = (0..count).map(|_| thread::spawn(move || work(port, server))).collect();
    workers.into_iter().try_for_each(|worker| match worker.join() {
        Ok(ended) => ended,
        Err(_) => Err(io::Error::other("a worker failed")),
    })
}

fn work(port: u16, server: SocketAddr) -> io::Result<()> {
    let listener = socket()?;
    set_socket_reuseport(&listener, true)?;
    bind(&listener, &SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))?;
    listen(&listener, 4096)?;
    let poll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&poll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let mut pairs = Slab::new();
    let mut events = Vec::with_capacity(1_024);
    loop {
        events.clear();
        epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None)?;
        let mut over = Vec::new();
        for event in &events {
            if event.data.u64() == LISTENER {
                while let Ok(client) = accept_with(&listener, flags()) {
                    admit(client, server, &poll, &mut pairs)?;
                }
            } else if let Ok(key) = usize::try_from(event.data.u64())
                && let Some(pair) = pairs.get_mut(key / 2)
                && pair.go_on(key % 2, event.flags)
            {
                over.push(key / 2);
            }
        }
        // Only now: the batch may hold another event of theirs.
        for key in over {
            pairs.try_remove(key);
        }
    }
}

fn flags() -> SocketFlags {
    SocketFlags::NONBLOCK | SocketFlags::CLOEXEC
}

fn socket() -> io::Result<OwnedFd> {
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags(), None)?;
    set_tcp_nodelay(&socket, true)?;
    Ok(socket)
}

fn admit(
    client: OwnedFd,
    server: SocketAddr,
    poll: &OwnedFd,
    pairs: &mut Slab<Pair>,
) -> io::Result<()> {
    let to_server = socket()?;
    // It is on its way.
    connect(&to_server, &server).ok();
    let key = pairs.insert(Pair { sides: [client, to_server], over: [false; 2], connected: false });
    for (side, socket) in pairs[key].sides.iter().enumerate() {
        let data = EventData::new_u64((2 * key + side) as u64);
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(poll, socket, data, flags)?;
    }
    Ok(())
}

impl Pair {
    /// Passes on what has come; tells whether both sides are over.
    fn go_on(&mut self, side: usize, flags: EventFlags) -> bool {
        let ended = flags.contains(EventFlags::RDHUP);
        if side == 1 && !self.connected && flags.contains(EventFlags::OUT) {
            self.connected = true;
            self.pass(0, false);
        }
        if self.connected && flags.contains(EventFlags::IN) {
            self.pass(side, ended);
        }
        self.over == [true; 2]
    }

    /// Moves what one side has sent to the other.
    fn pass(&mut self, side: usize, ended: bool) {
        let (from, to) = (&self.sides[side], &self.sides[1 - side]);
        let mut chunk = [0; CHUNK];
        while !self.over[side] {
            match recv(from, &mut chunk, RecvFlags::empty()) {
                Ok((count @ 1.., _)) => {
                    let flags = if ended { SendFlags::MORE } else { SendFlags::empty() };
                    send(to, &chunk[..count], flags | SendFlags::NOSIGNAL).ok();
                    if count < CHUNK && !ended {
                        return;
                    }
                }
                Err(rustix::io::Errno::AGAIN) => return,
                Ok((0, _)) | Err(_) => {
                    self.over[side] = true;
                    if !self.over[1 - side] {
                        shutdown(to, Shutdown::Write).ok();
                    }
                }
            }
        }
    }
}
