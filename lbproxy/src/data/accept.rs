//! Accepts clients on one of a worker's listening sockets.
//!
//! Owns: the socket. Stops: when the plan drops the address; waiting connections are then reset by
//! the kernel. tokio's task budget bounds a batch of accepts, after which connections have a turn.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use process::throttle::{MINUTE, SharedThrottle, Throttle};
use rustix::io::Errno;
use tokio::net::{TcpListener, TcpStream};
use tracing::warn;

use crate::clock;
use crate::data::access_line::AccessRecord;
use crate::data::relay::reset;
use crate::data::session::{self, Client};
use crate::data::sessions::ControlBlock;
use crate::data::spread::Handoff;
use crate::data::worker::Worker;
use crate::plan::capacity::{Full, Seat, Share};
use crate::plan::end::End;
use crate::plan::{LiveClient, ProxyPlan};

/// How long to wait when the system has no file or memory for another connection.
const PAUSE: Duration = Duration::from_millis(50);

/// What the log takes, of all workers and listeners together: each once a minute.
static FULL: SharedThrottle = SharedThrottle::new(Throttle::new(MINUTE));
static LIMITED: SharedThrottle = SharedThrottle::new(Throttle::new(MINUTE));
static FAILED: SharedThrottle = SharedThrottle::new(Throttle::new(MINUTE));
static LOST: SharedThrottle = SharedThrottle::new(Throttle::new(MINUTE));

/// A listening socket and whom it serves.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    share: Arc<Share>,
    proxy: RefCell<Arc<ProxyPlan>>,
}

impl Listener {
    pub(crate) fn new(
        socket: TcpListener,
        address: SocketAddr,
        share: Arc<Share>,
        proxy: Arc<ProxyPlan>,
    ) -> Self {
        Self { socket, address, share, proxy: RefCell::new(proxy) }
    }

    /// Connections accepted from now on follow this plan.
    pub(crate) fn follow(&self, proxy: Arc<ProxyPlan>) {
        *self.proxy.borrow_mut() = proxy;
    }

    /// Accepts until aborted.
    pub(crate) async fn run(self: Rc<Self>, worker: Rc<Worker>) {
        loop {
            match self.accept().await {
                Ok((stream, address, seat)) => self.admit(&worker, stream, address, seat),
                Err(error) if remedy(&error) == Remedy::Pause => {
                    if let Some(times) = FAILED.take(clock::now()) {
                        warn!(proxy = %self.proxy.borrow().name, listen = %self.address, %error, times, "cannot accept connections: new ones wait");
                    }
                    tokio::time::sleep(PAUSE).await;
                }
                Err(_) => {}
            }
        }
    }

    /// The next client, once there is a seat for it; until then it waits in the kernel.
    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr, Seat)> {
        loop {
            let mut freed = pin!(self.share.capacity().freed());
            freed.as_mut().enable();
            // A seat is taken for no longer than a look at the socket.
            let accepted = poll_fn(|cx| match self.share.seat(&self.proxy.borrow().clients) {
                Ok(seat) => {
                    let accepted = self.socket.poll_accept(cx);
                    accepted.map_ok(|(stream, address)| (stream, address, seat))
                }
                Err(full) => {
                    self.log(full);
                    Poll::Pending
                }
            });
            tokio::select! {
                biased;
                accepted = accepted => return accepted,
                () = freed => {}
            }
        }
    }

    fn log(&self, full: Full) {
        let throttle = match full {
            Full::MaxConnections => &LIMITED,
            Full::Files => &FULL,
        };
        let Some(times) = throttle.take(clock::now()) else { return };
        let (listen, proxy) = (self.address, &self.proxy.borrow().name);
        match full {
            Full::MaxConnections => {
                warn!(%proxy, %listen, times, "as many connections as max_connections allows: new ones wait");
            }
            Full::Files => {
                let limit = self.share.capacity().most();
                warn!(%proxy, %listen, limit, times, "as many connections as files allow: new ones wait");
            }
        }
    }

    /// Accepts whatever waits now at an address that leaves, without waiting itself: before an address is
    /// given away none of its clients may be left in the queue.
    pub(crate) fn sweep(&self, worker: &Rc<Worker>) {
        if !self.address.ip().is_unspecified() && !worker.is_released(self.address.ip()) {
            return;
        }
        let listening = socket2::SockRef::from(&self.socket);
        while let Ok((socket, address)) = listening.accept() {
            let stream = std::net::TcpStream::from(socket);
            let tuned = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
            if let (Ok(stream), Some(address)) = (tuned, address.as_socket()) {
                let seat = self.share.seat_in_any_case(&self.proxy.borrow().clients);
                self.admit(worker, stream, address, seat);
            }
        }
    }

    fn admit(&self, worker: &Rc<Worker>, stream: TcpStream, address: SocketAddr, seat: Seat) {
        let accepted = clock::now();
        let local = if self.address.ip().is_unspecified() {
            stream.local_addr().unwrap_or(self.address)
        } else {
            self.address
        };
        let proxy = Arc::clone(&self.proxy.borrow());
        let other = worker.spread.better().filter(|_| !worker.is_released(local.ip()));
        let Some(other) = other else {
            return serve(worker, proxy, Client { stream, address, local, accepted }, seat);
        };
        // It fails only where the stream is lost.
        if let Ok(stream) = stream.into_std()
            && let Err(handoff) =
                other.hand_over(Handoff { stream, address, local, accepted, proxy, seat })
        {
            accept_handoff(worker, handoff);
        }
    }
}

/// Serves a client that another worker accepted.
pub(crate) fn accept_handoff(worker: &Rc<Worker>, handoff: Handoff) {
    let Handoff { stream, address, local, accepted, proxy, seat } = handoff;
    match TcpStream::from_std(stream) {
        Ok(stream) => serve(worker, proxy, Client { stream, address, local, accepted }, seat),
        Err(error) => {
            if let Some(times) = LOST.take(clock::now()) {
                warn!(proxy = %proxy.name, listen = %local, %error, times, "cannot watch a new connection: closed it");
            }
        }
    }
}

fn serve(worker: &Rc<Worker>, proxy: Arc<ProxyPlan>, client: Client, seat: Seat) {
    if worker.is_released(client.local.ip()) {
        return turn_away(worker, &proxy, &client);
    }
    let turns = worker.turns_of(&proxy.name);
    let block = ControlBlock::new(client.local.ip(), proxy.limits, client.accepted);
    let guard = worker.sessions.enter(block, seat);
    tokio::task::spawn_local(session::run(Rc::clone(worker), proxy, client, guard, turns));
}

fn turn_away(worker: &Worker, proxy: &ProxyPlan, client: &Client) {
    LiveClient::count(&proxy.counters).ended(End::AddressReleased);
    reset(&client.stream);
    worker.log(&AccessRecord {
        proxy: proxy.name.clone(),
        client: client.address,
        listen: client.local,
        routed: None,
        server: None,
        connect: None,
        duration: Duration::ZERO,
        up: 0,
        down: 0,
        attempts: 0,
        open: 1,
        end: Some(End::AddressReleased),
    });
}

/// What an error of accept(2) asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Remedy {
    /// It concerns one connection, which is gone: there may be another.
    NextOne,
    /// The system has no file or memory left, or something is wrong that an attempt at once does not mend.
    Pause,
}

/// Linux hands errors of the network that wait on a new connection to whoever accepts it (accept(2)).
fn remedy(error: &io::Error) -> Remedy {
    let code = error.raw_os_error();
    let concerns_one = [
        Errno::CONNABORTED,
        Errno::PROTO,
        Errno::NOPROTOOPT,
        Errno::PERM,
        Errno::INTR,
        Errno::TIMEDOUT,
        Errno::NETDOWN,
        Errno::NETUNREACH,
        Errno::HOSTDOWN,
        Errno::HOSTUNREACH,
        Errno::NONET,
        Errno::OPNOTSUPP,
    ];
    if concerns_one.iter().any(|errno| code == Some(errno.raw_os_error())) {
        Remedy::NextOne
    } else {
        Remedy::Pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_concerns_one_connection_is_no_reason_to_pause() {
        // By their numbers on Linux.
        for (name, code, expected) in [
            ("EMFILE", 24, Remedy::Pause),
            ("ENFILE", 23, Remedy::Pause),
            ("ENOBUFS", 105, Remedy::Pause),
            ("ENOMEM", 12, Remedy::Pause),
            ("EINVAL: does not listen any more", 22, Remedy::Pause),
            ("ECONNABORTED", 103, Remedy::NextOne),
            ("EPERM: a firewall forbids it", 1, Remedy::NextOne),
            ("EPROTO", 71, Remedy::NextOne),
            ("ETIMEDOUT", 110, Remedy::NextOne),
            ("EHOSTUNREACH", 113, Remedy::NextOne),
            ("ENETDOWN", 100, Remedy::NextOne),
        ] {
            assert_eq!(remedy(&io::Error::from_raw_os_error(code)), expected, "{name}");
        }
        assert_eq!(remedy(&io::Error::other("no number")), Remedy::Pause);
    }
}
