//! One thorough look at a server, for `vipd doctor`: the check itself, and what the server shows to whoever
//! takes any certificate.

use std::net::SocketAddr;
use std::time::SystemTime;

use config::{CheckKind, Files, ProxyConfig, ServerConfig, Verify};
use rustls::pki_types::{CertificateDer, UnixTime};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{timeout, timeout_at};
use vocabulary::Endpoint;

use super::bounded::Bounded;
use super::check::{Check, CheckError, place};
use super::look_up::look_up;
use super::outcome::{Outcome, Verdict};
use super::tls::{Distrust, Tls, chain, vouched};
use crate::clock;
use crate::net::certificate::Certificate;
use crate::net::dial::dial;
use crate::net::proxy_header::send;
use crate::plan::located::Located;

/// What one look found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examination {
    /// Whether the configured check passed.
    pub passed: bool,
    /// It passed only for being alive: the answer was 401 or 403.
    pub denied: bool,
    /// What the check found, in words.
    pub words: String,
    /// The server's certificate, whether or not anybody vouches for it; none without TLS.
    pub certificate: Option<Certificate>,
    /// Whether the check's authorities vouch for it; none where the check has none.
    pub vouched: Option<Result<(), Distrust>>,
    /// The status that the path of the check, or `/readyz`, was answered with.
    pub status: Option<u16>,
    /// The server's clock: its `Date`.
    pub date: Option<String>,
}

/// Looks at one server; takes the time of two checks at most. `now` is the time of day, which
/// certificates are judged by.
///
/// # Errors
/// The check cannot be made, for a file of it cannot be read.
pub async fn examine(
    proxy: &ProxyConfig,
    server: &ServerConfig,
    now: SystemTime,
) -> Result<Examination, CheckError> {
    // A resolver may take longer than anybody waits.
    let located = timeout(proxy.check.timeout, located(server)).await;
    let located = located.unwrap_or_else(|_| Located::new(server.address.clone()));
    let files = Files::of_checks([&proxy.check].into_iter());
    let check = Check::new(proxy, &files)?;
    let outcome = check.run(&located, server.source, false).await;
    let Outcome { verdict, words, denied, .. } = outcome;
    let look = look(proxy, server, &located, &files).await;
    let Look { chain, status, date } = look.unwrap_or_default();
    let vouched = authority(&proxy.check.kind).filter(|_| !chain.is_empty()).map(|ca| {
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        vouched(ca, &files, &chain, UnixTime::since_unix_epoch(since))
    });
    let certificate = chain.first().and_then(|leaf| Certificate::read(leaf));
    let passed = verdict == Verdict::Pass;
    Ok(Examination { passed, denied, words, certificate, vouched, status, date })
}

/// Where it is: of a name's addresses the one that the system prefers.
async fn located(server: &ServerConfig) -> Located {
    let Endpoint::Name { host, port } = &server.address else {
        return Located::new(server.address.clone());
    };
    let fits = |address: &SocketAddr| {
        server.source.is_none_or(|source| source.is_ipv4() == address.is_ipv4())
    };
    let all = look_up(host, *port).await.unwrap_or_default();
    match all.into_iter().map(|found| found.address).find(fits) {
        Some(address) => Located::found(server.address.clone(), address),
        None => Located::new(server.address.clone()),
    }
}

fn authority(kind: &CheckKind) -> Option<&std::path::Path> {
    match kind {
        CheckKind::Tls(Verify::Authority { ca, .. })
        | CheckKind::Https(_, Verify::Authority { ca, .. }) => Some(ca),
        CheckKind::Tcp | CheckKind::Http(_) | CheckKind::Tls(_) | CheckKind::Https(..) => None,
    }
}

#[derive(Default)]
struct Look {
    chain: Vec<CertificateDer<'static>>,
    status: Option<u16>,
    date: Option<String>,
}

/// Connects once more, takes any certificate, and asks for a page; none where it cannot connect, or the
/// server speaks no TLS where none is configured.
async fn look(
    proxy: &ProxyConfig,
    server: &ServerConfig,
    located: &Located,
    files: &Files,
) -> Option<Look> {
    let check = &proxy.check;
    let deadline = clock::deadline_in(check.timeout);
    let (http, plain) = match &check.kind {
        CheckKind::Http(http) => (Some(http), true),
        CheckKind::Https(http, _) => (Some(http), false),
        CheckKind::Tcp | CheckKind::Tls(_) => (None, false),
    };
    let path = http.map_or("/readyz", |http| http.path.as_str());
    let token = http.and_then(|http| super::check::token(http, files).ok()?);
    let (address, host) = place(located, check.port).ok()?;
    let stream = dial(address, server.source, check.timeout);
    let mut stream = timeout_at(deadline, stream).await.ok()?.ok()?;
    if let Some(version) = proxy.send_proxy {
        send(&mut stream, version, None).await.ok()?;
    }
    let stream = Bounded::new(stream, super::check::TLS_LIMIT);
    let mut seen = Look::default();
    if plain {
        ask(stream, path, token, &host, &mut seen, deadline).await;
        return Some(seen);
    }
    let tls = Tls::lax(check.certificate.as_ref(), files).ok()?;
    let stream =
        timeout_at(deadline, tls.connect(located.endpoint(), address, stream)).await.ok()?.ok()?;
    seen.chain = chain(&stream).to_vec();
    ask(stream, path, token, &host, &mut seen, deadline).await;
    Some(seen)
}

async fn ask<S>(
    stream: S,
    path: &str,
    token: Option<hyper::header::HeaderValue>,
    host: &str,
    seen: &mut Look,
    deadline: tokio::time::Instant,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    if let Ok(Ok(reply)) = timeout_at(deadline, super::check::get(stream, path, token, host)).await
    {
        (seen.status, seen.date) = (Some(reply.status), reply.date);
    }
}
