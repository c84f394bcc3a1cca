//! Listening sockets: one for each worker on every address, all with `SO_REUSEPORT`.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

/// Connections that may wait for a worker; beyond that the kernel drops the handshake.
const BACKLOG: i32 = 4096;

/// A silent peer is asked whether it lives after this time, and again and again after it.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// Unanswered questions that end the connection.
const KEEPALIVE_PROBES: u32 = 3;

/// Cannot listen on an address.
#[derive(Debug, thiserror::Error)]
#[error("listen on {address}")]
pub(crate) struct ListenError {
    pub(crate) address: SocketAddr,
    #[source]
    pub(crate) source: io::Error,
}

/// The sockets on one address, one for each worker.
#[derive(Debug)]
pub(crate) struct Listeners {
    pub(crate) address: SocketAddr,
    sockets: Vec<TcpListener>,
}

impl Listeners {
    /// Binds one socket for each of `workers`. The address may be absent from this node.
    ///
    /// # Errors
    /// The address is taken, or not ours to take.
    pub(crate) fn bind(
        address: SocketAddr,
        workers: usize,
        user_timeout: Duration,
    ) -> Result<Self, ListenError> {
        let sockets = (0..workers)
            .map(|_| bind(address, user_timeout))
            .collect::<io::Result<_>>()
            .map_err(|source| ListenError { address, source })?;
        Ok(Self { address, sockets })
    }

    /// Takes a predecessor's sockets over, and binds what `workers` need beyond them.
    ///
    /// # Errors
    /// The system has no further socket.
    pub(crate) fn inherit(
        address: SocketAddr,
        mut sockets: Vec<TcpListener>,
        workers: usize,
        user_timeout: Duration,
    ) -> Result<Self, ListenError> {
        while sockets.len() < workers {
            let socket = bind(address, user_timeout);
            sockets.push(socket.map_err(|source| ListenError { address, source })?);
        }
        Ok(Self { address, sockets })
    }

    /// All of them, for a successor.
    pub(crate) fn sockets(&self) -> &[TcpListener] {
        &self.sockets
    }

    /// The places of one worker's sockets: one, or more where a predecessor had more workers, for in
    /// each of them clients may wait.
    pub(crate) fn places(&self, index: usize, workers: usize) -> impl Iterator<Item = usize> {
        (index..self.sockets.len()).step_by(workers)
    }

    /// The socket at a place, for its worker to keep.
    pub(crate) fn at(&self, place: usize) -> io::Result<TcpListener> {
        self.sockets.get(place).ok_or(io::ErrorKind::NotFound)?.try_clone()
    }

    /// Changes the limit that connections accepted from now on inherit.
    pub(crate) fn set_user_timeout(&self, limit: Duration) -> io::Result<()> {
        self.sockets
            .iter()
            .try_for_each(|socket| SockRef::from(socket).set_tcp_user_timeout(Some(limit)))
    }
}

fn bind(address: SocketAddr, user_timeout: Duration) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
        socket.set_freebind_v6(true)?;
    } else {
        socket.set_freebind_v4(true)?;
    }
    // Accepted sockets inherit these from the listener: no system call for each connection.
    tune(&SockRef::from(&socket), user_timeout)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// What holds for every connection: no delay, and the end of peers that vanished.
pub(crate) fn tune(socket: &SockRef<'_>, user_timeout: Duration) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE)
        .with_interval(KEEPALIVE)
        .with_retries(KEEPALIVE_PROBES);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_user_timeout(Some(user_timeout))
}
