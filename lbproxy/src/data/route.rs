//! Whose servers a connection gets: those of the first route that fits, or the proxy's own.
//!
//! What a client says is looked at, not taken: the relay finds it where it was.

use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::net::{RecvFlags, recv};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::timeout;
use vocabulary::Name;

use crate::data::hello::Hello;
use crate::data::pool::Pool;
use crate::plan::ProxyPlan;
use crate::plan::end::End;

/// What is told of how a connection was routed.
#[derive(Debug, Default)]
pub(crate) struct Routed {
    /// The proxy whose servers it got; none: the one that it came to.
    pub(crate) proxy: Option<Name>,
    pub(crate) asked: Asked,
}

/// The name that a client asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Asked {
    /// No route wanted to know.
    #[default]
    NotLooked,
    Name(String),
    /// It is a TLS client that asks for none, or none at all.
    Nothing,
    /// It had not said so in time.
    Late,
}

/// Finds the plan to go on by, and writes into `routed` how.
///
/// # Errors
/// No route fits and there are no servers, or the client left.
pub(crate) async fn follow<'a>(
    proxy: &'a ProxyPlan,
    stream: &TcpStream,
    (client, port): (IpAddr, u16),
    pool: &Pool,
    routed: &mut Routed,
) -> Result<&'a ProxyPlan, End> {
    for route in proxy.routes.iter().filter(|route| route.is_for(client, port)) {
        let names = &route.config.server_names;
        if !names.is_empty() && routed.asked == Asked::NotLooked {
            routed.asked = ask(stream, pool, proxy.hello_timeout).await?;
        }
        let fits = match &routed.asked {
            _ if names.is_empty() => true,
            Asked::Name(name) => names.iter().any(|known| known.fits(name)),
            Asked::NotLooked | Asked::Nothing | Asked::Late => false,
        };
        if fits {
            route.taken.fetch_add(1, Ordering::Relaxed);
            routed.proxy = Some(route.config.proxy.clone());
            return Ok(&route.target);
        }
    }
    match routed.asked {
        _ if !proxy.set.backends.is_empty() => Ok(proxy),
        Asked::Late => Err(End::HelloTimeout),
        Asked::NotLooked | Asked::Name(_) | Asked::Nothing => Err(End::NoRoute),
    }
}

async fn ask(stream: &TcpStream, pool: &Pool, limit: Duration) -> Result<Asked, End> {
    match timeout(limit, peek(stream, pool)).await {
        Ok(asked) => asked,
        Err(_) => Ok(Asked::Late),
    }
}

/// Looks at what arrives until it is a whole hello, or cannot become one.
async fn peek(stream: &TcpStream, pool: &Pool) -> Result<Asked, End> {
    let mut seen = 0;
    loop {
        let ready = stream.ready(Interest::READABLE).await.map_err(|_| End::ClientReset)?;
        // None is held while nothing arrives.
        let mut buffer = pool.take();
        let looked = stream.try_io(Interest::READABLE, || {
            let (count, _) = recv(stream, buffer.as_mut_slice(), RecvFlags::PEEK)?;
            // What was seen before is no news: the next packet is waited for.
            if count == seen && !ready.is_read_closed() {
                return Err(std::io::ErrorKind::WouldBlock.into());
            }
            Ok((count, Hello::read(buffer.get(..count).unwrap_or_default())))
        });
        pool.give(buffer);
        match looked {
            Ok((0, _)) => return Err(End::ClientClosed),
            Ok((_, Hello::Whole(Some(name)))) => return Ok(Asked::Name(name)),
            Ok((_, Hello::Whole(None) | Hello::Foreign)) => return Ok(Asked::Nothing),
            // Nothing will follow.
            Ok((count, Hello::Part)) if count == seen => return Ok(Asked::Nothing),
            Ok((count, Hello::Part)) => seen = count,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return Err(End::ClientReset),
        }
    }
}

/// The same connection as if nothing of it had been looked at: the news that bytes wait was used up,
/// and the kernel tells it once.
///
/// # Errors
/// The kernel has no memory to watch it.
pub(crate) fn afresh(stream: TcpStream) -> std::io::Result<TcpStream> {
    TcpStream::from_std(stream.into_std()?)
}
