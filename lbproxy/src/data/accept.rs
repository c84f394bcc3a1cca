//! Accepts clients on one of a worker's listening sockets.
//!
//! Owns: the socket. Stops: when the plan drops the address; waiting connections are then reset by
//! the kernel. tokio's task budget bounds a batch of accepts, after which connections have a turn.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tracing::warn;

use crate::clock;
use crate::data::access_line::AccessRecord;
use crate::data::relay::reset;
use crate::data::session::{self, Client};
use crate::data::sessions::Ticket;
use crate::data::spread::Arrival;
use crate::data::worker::Worker;
use crate::plan::end::End;
use crate::plan::{LiveClient, ProxyPlan};

/// How long to wait when the system has no file or memory for another connection.
const PAUSE: Duration = Duration::from_millis(50);

/// A listening socket and whom it serves.
#[derive(Debug)]
pub(crate) struct Gate {
    listener: TcpListener,
    address: SocketAddr,
    proxy: RefCell<Arc<ProxyPlan>>,
}

impl Gate {
    pub(crate) fn new(listener: TcpListener, address: SocketAddr, proxy: Arc<ProxyPlan>) -> Self {
        Self { listener, address, proxy: RefCell::new(proxy) }
    }

    /// Connections accepted from now on follow this plan.
    pub(crate) fn follow(&self, proxy: Arc<ProxyPlan>) {
        *self.proxy.borrow_mut() = proxy;
    }

    /// Accepts until aborted.
    pub(crate) async fn run(self: Rc<Self>, worker: Rc<Worker>) {
        let mut complaints = Complaints::default();
        loop {
            if worker.sessions.is_full() {
                let limit = worker.sessions.limit();
                complaints.say(clock::now(), |count| {
                    warn!(listen = %self.address, limit, count, "as many connections as files allow: new ones wait");
                });
                worker.sessions.room().await;
            }
            match self.listener.accept().await {
                Ok((stream, address)) => self.admit(&worker, stream, address),
                Err(error) if is_exhaustion(&error) => {
                    complaints.say(clock::now(), |count| {
                        warn!(listen = %self.address, %error, count, "cannot accept; new connections wait");
                    });
                    tokio::time::sleep(PAUSE).await;
                }
                // The client gave up before we came to it.
                Err(_) => {}
            }
        }
    }

    /// Accepts whatever waits now, without waiting itself: before an address is given away none of
    /// its clients may be left in the queue.
    pub(crate) fn sweep(&self, worker: &Rc<Worker>) {
        let listener = socket2::SockRef::from(&self.listener);
        while let Ok((socket, address)) = listener.accept() {
            let stream = std::net::TcpStream::from(socket);
            let tuned = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
            if let (Ok(stream), Some(address)) = (tuned, address.as_socket()) {
                self.admit(worker, stream, address);
            }
        }
    }

    fn admit(&self, worker: &Rc<Worker>, stream: TcpStream, address: SocketAddr) {
        let accepted = clock::now();
        let local = if self.address.ip().is_unspecified() {
            stream.local_addr().unwrap_or(self.address)
        } else {
            self.address
        };
        let proxy = Arc::clone(&self.proxy.borrow());
        let other = worker.spread.better().filter(|_| !worker.is_released(local.ip()));
        let Some(other) = other else {
            return serve(worker, proxy, Client { stream, address, local, accepted });
        };
        // It fails only where the stream is lost.
        if let Ok(stream) = stream.into_std()
            && let Err(arrival) = other.give(Arrival { stream, address, local, accepted, proxy })
        {
            welcome(worker, arrival);
        }
    }
}

/// Serves a client that another worker accepted.
pub(crate) fn welcome(worker: &Rc<Worker>, arrival: Arrival) {
    let Arrival { stream, address, local, accepted, proxy } = arrival;
    match TcpStream::from_std(stream) {
        Ok(stream) => serve(worker, proxy, Client { stream, address, local, accepted }),
        Err(error) => worker.complaints.borrow_mut().say(clock::now(), |count| {
            warn!(listen = %local, %error, count, "cannot watch new connections; closed them");
        }),
    }
}

fn serve(worker: &Rc<Worker>, proxy: Arc<ProxyPlan>, client: Client) {
    if worker.is_released(client.local.ip()) {
        return turn_away(worker, &proxy, &client);
    }
    let turns = worker.turns_of(&proxy.name);
    // At once, not when it first runs: a batch of accepts must not run over the limit.
    let ticket = Ticket::new(client.local.ip(), proxy.limits, client.accepted);
    let seat = worker.sessions.enter(ticket);
    tokio::task::spawn_local(session::run(Rc::clone(worker), proxy, client, seat, turns));
}

fn turn_away(worker: &Worker, proxy: &ProxyPlan, client: &Client) {
    LiveClient::count(&proxy.counters).ended(End::AddressReleased);
    reset(&client.stream);
    worker.log.write(&AccessRecord {
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

/// No file, no memory: worth a pause. Everything else concerns the one connection only.
fn is_exhaustion(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let code = error.raw_os_error();
    [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM]
        .iter()
        .any(|errno| code == Some(errno.raw_os_error()))
}

/// Says a thing at most once a second, and how often it was not said.
#[derive(Debug, Default)]
pub(crate) struct Complaints {
    said: Option<Instant>,
    count: u64,
}

impl Complaints {
    fn say(&mut self, now: Instant, say: impl FnOnce(u64)) {
        self.count += 1;
        let recent = self
            .said
            .is_some_and(|said| now.saturating_duration_since(said) < Duration::from_secs(1));
        if !recent {
            say(self.count);
            self.said = Some(now);
            self.count = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complains_once_a_second_and_counts() {
        let start = clock::now();
        let mut complaints = Complaints::default();
        let mut said = Vec::new();
        for millis in [0, 10, 999, 1_000, 1_500, 3_000] {
            complaints.say(start + Duration::from_millis(millis), |count| said.push(count));
        }
        assert_eq!(said, [1, 3, 2]);
    }

    #[test]
    fn only_exhaustion_deserves_a_pause() {
        assert!(is_exhaustion(&io::Error::from_raw_os_error(24)), "EMFILE");
        assert!(!is_exhaustion(&io::Error::from_raw_os_error(103)), "ECONNABORTED");
    }
}
