//! One client connection, from its accept to its access line.

use std::cell::RefCell;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use tokio::net::TcpStream;

use crate::clock;
use crate::data::access_line::AccessRecord;
use crate::data::reach::{Call, Reached, reach};
use crate::data::relay::{Relay, reset};
use crate::data::route::{Asked, afresh, follow};
use crate::data::sessions::{ControlBlock, Guard};
use crate::data::worker::Worker;
use crate::net::proxy_header::{Ends, receive};
use crate::pick::Turns;
use crate::plan::backend::Live;
use crate::plan::end::End;
use crate::plan::sources::Counted;
use crate::plan::{LiveClient, ProxyPlan};

/// An accepted client.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    pub(crate) address: SocketAddr,
    /// The address it connected to.
    pub(crate) local: SocketAddr,
    pub(crate) accepted: Instant,
}

/// Serves a client. Stops by itself, or when its control block is cancelled.
pub(crate) async fn run(
    worker: Rc<Worker>,
    proxy: Arc<ProxyPlan>,
    client: Client,
    guard: Guard,
    turns: Rc<RefCell<Turns>>,
) {
    let live = LiveClient::count(&proxy.counters);
    let log_empty = proxy.log_empty;
    let mut record = AccessRecord {
        proxy: proxy.name.clone(),
        client: client.address,
        listen: client.local,
        routed: (!proxy.routes.is_empty()).then(Box::default),
        server: None,
        connect: None,
        duration: std::time::Duration::ZERO,
        up: 0,
        down: 0,
        attempts: 0,
        open: 0,
        end: None,
    };
    let mut counted = None;
    let reached = {
        // In a box: it is large, and gone long before the connection is.
        let opening =
            open(&worker, &proxy, &client, &turns, guard.block(), &mut counted, &mut record);
        let reaching = Box::pin(opening);
        tokio::select! {
            biased;
            end = poll_fn(|cx| guard.block().poll_cancelled(cx)) => Err(end),
            reached = reaching => reached,
        }
    };
    if reached.as_ref().is_err_and(|end| end.is_refusal()) {
        proxy.counters.refused.fetch_add(1, Ordering::Relaxed);
    }
    live.tried(record.attempts);
    // The plan of that moment holds listening sockets: a long connection must not keep them open.
    drop(proxy);
    let accepted = client.accepted;
    let begun = match reached {
        Ok(reached) => begin(client, reached, guard.block(), &mut record),
        Err(end) => {
            reset(&client.stream);
            drop(client);
            Err(end)
        }
    };
    let end = match begun {
        Ok((mut relay, _live)) => {
            let end = serve(&worker, &guard, &live, accepted, &mut relay, &mut record).await;
            relay.close(end, &worker.pool);
            end
        }
        Err(end) => end,
    };
    record.end = Some(end);
    record.duration = clock::now().saturating_duration_since(accepted);
    record.open = live.open();
    live.ended(end);
    if log_empty || !end.is_ordinary() || record.up + record.down > 0 {
        worker.log(&record);
    }
}

/// Finds out who the client is, and a server for it.
async fn open(
    worker: &Worker,
    proxy: &ProxyPlan,
    client: &Client,
    turns: &Rc<RefCell<Turns>>,
    block: &ControlBlock,
    counted: &mut Option<Counted>,
    record: &mut AccessRecord,
) -> Result<Reached, End> {
    let mut ends = Ends { source: client.address, destination: client.local };
    if proxy.expects_header(client.address.ip())
        && let Some(told) = Box::pin(receive(&client.stream)).await?
    {
        ends = told;
        record.client = told.source;
    }
    proxy.admit(ends.source.ip())?;
    *counted = proxy.count(ends.source.ip(), client.accepted)?;
    let Some(routed) = &mut record.routed else {
        let call = Call { proxy, client: ends, turns };
        return reach(&call, || worker.latest(&proxy.name), &mut record.attempts).await;
    };
    let (from, port) = (ends.source.ip(), ends.destination.port());
    let target = follow(proxy, &client.stream, (from, port), &worker.pool, routed).await?;
    let turns =
        if routed.proxy.is_some() { worker.turns_of(&target.name) } else { Rc::clone(turns) };
    block.limit(target.limits);
    let call = Call { proxy: target, client: ends, turns: &turns };
    reach(&call, || worker.latest(&target.name), &mut record.attempts).await
}

/// Puts both sides together. No async function: its arguments would take room for as long as the
/// connection lasts.
fn begin(
    client: Client,
    reached: Reached,
    block: &ControlBlock,
    record: &mut AccessRecord,
) -> Result<(Relay, Live), End> {
    let now = clock::now();
    record.connect = Some(now.saturating_duration_since(client.accepted));
    block.connected(Arc::clone(&reached.server.counters), reached.epoch, now);
    record.server = Some(reached.server);
    let late = record.routed.as_ref().is_some_and(|routed| routed.asked == Asked::Late);
    let stream = if late { afresh(client.stream) } else { Ok(client.stream) };
    let stream = stream.map_err(|_| End::ClientLost)?;
    Ok((Relay::new(stream, reached.stream), reached.live))
}

/// Moves bytes until the connection ends; tells how it did.
async fn serve(
    worker: &Worker,
    guard: &Guard,
    live: &LiveClient,
    accepted: Instant,
    relay: &mut Relay,
    record: &mut AccessRecord,
) -> End {
    let end = poll_fn(|cx| {
        let now = clock::now();
        worker.stirred(now);
        if guard.block().take_early_line() {
            record.duration = now.saturating_duration_since(accepted);
            (record.up, record.down) = relay.bytes();
            record.open = live.open();
            worker.log(record);
        }
        relay.poll(&worker.pool, guard.block(), now, cx)
    })
    .await;
    (record.up, record.down) = relay.bytes();
    guard.block().moved(clock::now(), relay.bytes());
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room<A, B, C, D, E, F>(_: impl Fn(A, B, C, D, E) -> F) -> usize {
        size_of::<F>()
    }

    /// Most connections wait most of the time: what each takes then is what ten thousand take. It is what
    /// it was started with and what it needs until its end; the compiler keeps some of that twice, nothing
    /// thrice.
    #[test]
    fn a_connection_that_waits_takes_little_room() {
        let given = size_of::<(Rc<Worker>, Arc<ProxyPlan>, Client, Guard, Rc<RefCell<Turns>>)>();
        let needed = given + size_of::<(LiveClient, AccessRecord, Relay, Live, Option<Counted>)>();
        let bytes = room(run);
        assert!(bytes < needed * 3, "{bytes} for {needed}");
    }
}
