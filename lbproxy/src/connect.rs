//! Reaches a server for a client: the next candidate when one fails, all within one deadline.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use shared::config::Limits;
use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout_at};
use tracing::debug;

use crate::backend::{BackendSet, Live, Server};
use crate::clock;
use crate::listen::tune;
use crate::pick::candidates;
use crate::report::End;

/// What one server may take at most while others are left: half a second is much more than any
/// network behind a load balancer needs, and less than the second after which a lost SYN is
/// repeated and an impatient client gives up.
const ATTEMPT: Duration = Duration::from_millis(500);

/// A server that was reached.
#[derive(Debug)]
pub(crate) struct Reached {
    pub(crate) stream: TcpStream,
    pub(crate) server: Arc<Server>,
    /// The server's epoch when the attempt began.
    pub(crate) epoch: u64,
    pub(crate) live: Live,
}

/// Connects to the first candidate that accepts. `attempts` counts the servers tried.
///
/// # Errors
/// Why none was reached: [`End::NoBackend`], [`End::ConnectFailed`] or [`End::ConnectTimeout`].
pub(crate) async fn reach(
    set: &BackendSet,
    client: IpAddr,
    turn: usize,
    limits: Limits,
    attempts: &mut u32,
) -> Result<Reached, End> {
    let order = candidates(set, client, turn);
    let deadline = clock::deadline_in(limits.connect);
    let mut why = End::NoBackend;
    for (position, index) in order.iter().enumerate() {
        let Some(backend) = set.backends.get(*index) else { continue };
        let server = &backend.server;
        let epoch = server.counters.epoch();
        let live = Live::count(&server.counters);
        *attempts += 1;
        let left = order.len() - position;
        let outcome = timeout_at(
            attempt_deadline(clock::deadline_in(Duration::ZERO), deadline, left),
            open(server.address, limits.user),
        );
        why = match outcome.await {
            // It may have gone down while it was connected to: the next is better.
            Ok(Ok(stream)) if server.counters.epoch() == epoch => {
                server.counters.total.fetch_add(1, Ordering::Relaxed);
                return Ok(Reached { stream, server: Arc::clone(server), epoch, live });
            }
            Ok(Ok(_)) => End::ServerDown,
            Ok(Err(error)) => {
                debug!(server = %server.name, %error, "connect failed");
                End::ConnectFailed
            }
            Err(_) => End::ConnectTimeout,
        };
        server.counters.failures.fetch_add(1, Ordering::Relaxed);
    }
    Err(why)
}

/// When an attempt gives up: the last candidate may use all that remains, one before it an equal
/// share of it and at most [`ATTEMPT`].
fn attempt_deadline(now: Instant, deadline: Instant, left: usize) -> Instant {
    if left <= 1 {
        return deadline;
    }
    let remaining = deadline.saturating_duration_since(now);
    let share = remaining / u32::try_from(left).unwrap_or(u32::MAX);
    now + share.min(ATTEMPT)
}

async fn open(address: SocketAddr, user_timeout: Duration) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    tune(&SockRef::from(&socket), user_timeout)?;
    socket.connect(address).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_attempt_leaves_time_for_the_others() {
        let now = clock::deadline_in(Duration::ZERO);
        let share = |millis: u64, left| {
            attempt_deadline(now, now + Duration::from_millis(millis), left) - now
        };
        assert_eq!(share(3_000, 3), Duration::from_millis(500));
        assert_eq!(share(2_000, 1), Duration::from_millis(2_000));
        assert_eq!(share(600, 3), Duration::from_millis(200));
        assert_eq!(share(0, 2), Duration::ZERO);
    }
}
