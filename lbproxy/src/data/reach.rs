//! Reaches a server for a client: the next candidate when one fails, all within one deadline.

use std::cell::RefCell;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tracing::debug;

use crate::clock;
use crate::net::dial::dial;
use crate::net::proxy_header::{Ends, send};
use crate::pick::{Turns, candidates};
use crate::plan::ProxyPlan;
use crate::plan::backend::{BackendSet, Live, Server};
use crate::plan::end::End;

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

/// Whom to reach a server for.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) proxy: &'a ProxyPlan,
    pub(crate) client: Ends,
    pub(crate) turns: &'a RefCell<Turns>,
}

/// Connects to the first candidate that accepts; waits in the queue while all of them have as many
/// connections as they may. `latest` tells the servers as they are now, `attempts` counts the tried.
///
/// # Errors
/// Why none was reached: [`End::NoBackend`], [`End::ConnectFailed`], [`End::ConnectTimeout`],
/// [`End::QueueFull`] or [`End::QueueTimeout`].
pub(crate) async fn reach(
    call: &Call<'_>,
    latest: impl Fn() -> Option<Arc<BackendSet>>,
    attempts: &mut u32,
) -> Result<Reached, End> {
    let proxy = call.proxy;
    // Nobody overtakes those who wait already.
    if proxy.queue.waiting() == 0
        && let Some(outcome) = try_all(call, &proxy.set, attempts).await
    {
        return outcome;
    }
    let place = proxy.queue.enter(proxy.waiting.length).ok_or(End::QueueFull)?;
    let deadline = clock::deadline_in(proxy.waiting.timeout);
    loop {
        let mut called = pin!(place.called());
        called.as_mut().enable();
        let set = latest().unwrap_or_else(|| Arc::clone(&proxy.set));
        if let Some(outcome) = try_all(call, &set, attempts).await {
            return outcome;
        }
        timeout_at(deadline, called).await.map_err(|_| End::QueueTimeout)?;
    }
}

/// Tries one candidate after the other; none where some could serve had they room.
async fn try_all(
    call: &Call<'_>,
    set: &BackendSet,
    attempts: &mut u32,
) -> Option<Result<Reached, End>> {
    let source = call.client.source.ip();
    let order = candidates(set, source, &mut call.turns.borrow_mut(), clock::now());
    let limits = call.proxy.limits;
    let deadline = clock::deadline_in(limits.connect);
    let mut why = End::NoBackend;
    let mut full = false;
    for (position, index) in order.iter().enumerate() {
        let Some(backend) = set.backends.get(*index) else { continue };
        let server = &backend.server;
        // A backup is for those that cannot be served, not for those that would have to wait.
        if full && server.backup {
            break;
        }
        let epoch = server.counters.epoch();
        let Some(live) = Live::count(server) else {
            full = true;
            continue;
        };
        *attempts += 1;
        let left = order.len() - position;
        let now = clock::deadline_in(Duration::ZERO);
        let open = open(server, call);
        let began = clock::now();
        why = match timeout_at(attempt_deadline(now, deadline, left), open).await {
            // It may have gone down while it was connected to: the next is better.
            Ok(Ok(stream)) if server.counters.epoch() == epoch => {
                server.counters.opened(clock::now().saturating_duration_since(began));
                return Some(Ok(Reached { stream, server: Arc::clone(server), epoch, live }));
            }
            Ok(Ok(_)) => End::ServerDown,
            Ok(Err(error)) => {
                debug!(server = %server.name, %error, "connect failed");
                End::ConnectFailed
            }
            Err(_) => End::ConnectTimeout,
        };
        server.counters.failed(server.error_limit);
    }
    if full { None } else { Some(Err(why)) }
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

async fn open(server: &Server, call: &Call<'_>) -> io::Result<TcpStream> {
    let address = server.located.address()?;
    let mut stream = dial(address, server.source, call.proxy.limits.user).await?;
    if let Some(version) = call.proxy.send_proxy {
        send(&mut stream, version, Some(call.client)).await?;
    }
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener};
    use std::sync::atomic::Ordering;
    use std::task::Poll;

    use config::{Balance, Limits, QueueConfig};
    use vocabulary::Name;

    use super::*;
    use crate::plan::backend::Backend;
    use crate::plan::located::Located;
    use crate::plan::state::State;

    /// A proxy with these servers, the first of which is chosen while it can serve.
    fn plan(servers: &[SocketAddr]) -> ProxyPlan {
        let backend = |address: &SocketAddr| Backend {
            server: Arc::new(Server {
                name: Name::try_from("s").unwrap(),
                located: Located::new((*address).into()),
                key: *address,
                backup: false,
                source: None,
                error_limit: None,
                max_connections: None,
                counters: Arc::default(),
                queue: Arc::default(),
            }),
            state: State::Up,
            weight: 1,
            returned: None,
        };
        let backends = servers.iter().map(backend).collect();
        let second = Duration::from_secs(1);
        ProxyPlan {
            name: Name::try_from("p").unwrap(),
            limits: Limits {
                connect: 3 * second,
                idle: 60 * second,
                half_closed: second,
                user: 30 * second,
                silent: None,
                rebalance: None,
            },
            binds: Vec::new(),
            clients: Arc::default(),
            waiting: QueueConfig { length: 0, timeout: second },
            send_proxy: None,
            access: Arc::default(),
            accept_proxy: Arc::default(),
            routes: Vec::new(),
            hello_timeout: second,
            set: Arc::new(BackendSet {
                balance: Balance::First,
                slow_start: None,
                backups: config::Backups::All,
                panic: false,
                backends,
            }),
            counters: Arc::default(),
            queue: Arc::default(),
            sources: None,
            rates: None,
            log_empty: true,
        }
    }

    /// Reaches a server; `meanwhile` happens while the first one is connected to.
    async fn reached(proxy: &ProxyPlan, meanwhile: impl Fn()) -> (Result<Reached, End>, u32) {
        let somebody = SocketAddr::from(([192, 0, 2, 1], 50_000));
        let client = Ends { source: somebody, destination: somebody };
        let turns = RefCell::new(Turns::starting_at(0));
        let call = Call { proxy, client, turns: &turns };
        let mut attempts = 0;
        let outcome = {
            let mut reaching = pin!(reach(&call, || None, &mut attempts));
            // Whether a connection stands is learnt from the runtime, which has not had its turn by then.
            let waits =
                std::future::poll_fn(|cx| Poll::Ready(reaching.as_mut().poll(cx).is_pending()));
            assert!(waits.await, "connecting takes a turn of the runtime");
            meanwhile();
            reaching.await
        };
        (outcome, attempts)
    }

    #[tokio::test]
    async fn a_server_that_goes_down_while_it_is_connected_to_is_not_used() {
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let addresses = listeners.each_ref().map(|listener| listener.local_addr().unwrap());

        let proxy = plan(&addresses);
        let first = &proxy.set.backends[0].server.counters;
        let (outcome, attempts) = reached(&proxy, || {}).await;
        assert_eq!((outcome.unwrap().server.key, attempts), (addresses[0], 1));

        let (outcome, attempts) = reached(&proxy, || first.end_all(false)).await;
        assert_eq!(
            (outcome.unwrap().server.key, attempts),
            (addresses[1], 2),
            "the next is better"
        );
        assert_eq!(first.failures.load(Ordering::Relaxed), 1);

        let alone = plan(&addresses[..1]);
        let only = &alone.set.backends[0].server.counters;
        let (outcome, attempts) = reached(&alone, || only.end_all(false)).await;
        assert_eq!((outcome.unwrap_err(), attempts), (End::ServerDown, 1));
    }

    #[test]
    fn an_attempt_leaves_time_for_the_others() {
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
