//! Tells monitoring how the node is, over HTTP. A program of its own under the supervisor
//! (docs/adr/0010-metrics.md).
//!
//! ```text
//! GET /metrics  ─► Node: asks vrrpd and lbproxy for their status ─► Page
//! GET /healthz     every program that is configured answers
//! GET /readyz      and every proxy has a server, and every router takes part
//! ```
//! Owns: the listening socket. Stops: when told to.

mod node;
mod page;
mod proxies;
mod routers;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use config::{Config, load};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use process::{signals, telemetry};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tracing::{error, info, warn};

use self::node::Wanted;
use crate::watched::{Args, Ticker};

/// Connections at once: a few scrapers, and somebody with a browser. More wait in the backlog.
const CONNECTIONS: usize = 16;

/// How long a connection may last. A scraper that keeps it gets another.
const PATIENCE: Duration = Duration::from_secs(30);

/// Time before another attempt where the kernel gives no connection.
const PAUSE: Duration = Duration::from_millis(100);

/// Runs until told to end.
///
/// Exit codes: 0 ended in order; 1 it cannot listen; 2 the configuration is wrong.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    signals::hold();
    let config = match load(&args.config) {
        Ok(loaded) => loaded.config,
        Err(problems) => {
            let _log = telemetry::init();
            error!("{problems}");
            return ExitCode::from(2);
        }
    };
    // As long as there is one thread. It meets strangers, and needs nothing.
    let mut doubts = lbproxy::control::privilege::drop_all(&config.lbproxy.user);
    doubts.extend(lbproxy::control::privilege::leave_real_time());
    let _log = telemetry::init();
    for doubt in doubts {
        warn!("{doubt}");
    }
    let served = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .and_then(|runtime| runtime.block_on(serve(args, config)));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!(%error, "cannot tell any metrics");
            ExitCode::FAILURE
        }
    }
}

/// Whom to ask, told to every connection.
#[derive(Debug)]
struct Source {
    runtime_dir: PathBuf,
    wanted: Wanted,
}

impl Source {
    fn new(args: &Args, config: &Config) -> Arc<Self> {
        let vrrpd = !config.routers.is_empty();
        let lbproxy = !config.proxies.is_empty();
        let wanted = Wanted { vrrpd, lbproxy };
        Arc::new(Self { runtime_dir: args.runtime_dir.clone(), wanted })
    }
}

async fn serve(args: &Args, config: Config) -> io::Result<()> {
    let mut ticker = Ticker::new(args.watchdog)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    signals::release();
    let mut source = Source::new(args, &config);
    let mut address = config.metrics;
    let mut listener = listen(address).await?;
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        tokio::select! {
            biased;
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            () = ticker.tick() => {}
            _ = hang_up.recv() => {
                // What is wrong with the file, the others say.
                let Ok(loaded) = load(&args.config) else { continue };
                source = Source::new(args, &loaded.config);
                if loaded.config.metrics != address {
                    address = loaded.config.metrics;
                    listener = listen(address).await?;
                }
            }
            stream = accept(&listener, &places) => {
                let Some((stream, place)) = stream else { continue };
                let source = source.clone();
                tokio::spawn(async move {
                    converse(stream, source).await;
                    drop(place);
                });
            }
        }
    }
}

async fn listen(address: Option<SocketAddr>) -> io::Result<Option<TcpListener>> {
    let Some(address) = address else { return Ok(None) };
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| io::Error::new(error.kind(), format!("listen on {address}: {error}")))?;
    info!(%address, "tells metrics");
    Ok(Some(listener))
}

/// A connection, and its place among the few. Cancel-safe.
async fn accept(
    listener: &Option<TcpListener>,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let Some(listener) = listener else { return std::future::pending().await };
    let place = places.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, place)),
        Err(error) => {
            warn!(%error, "cannot accept a connection for metrics");
            tokio::time::sleep(PAUSE).await;
            None
        }
    }
}

/// One connection. How it ends is the client's business: there is nobody to tell.
async fn converse(stream: TcpStream, source: Arc<Source>) {
    let answer = service_fn(|request| {
        let source = source.clone();
        async move { Ok::<_, Infallible>(answer(&request, source).await) }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
    drop(tokio::time::timeout(PATIENCE, connection).await);
}

async fn answer(request: &Request<Incoming>, source: Arc<Source>) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    if request.method() != Method::GET || !["/metrics", "/healthz", "/readyz"].contains(&path) {
        let text = "GET /metrics, /healthz or /readyz\n".to_owned();
        return plain(StatusCode::NOT_FOUND, text);
    }
    let asked = source.clone();
    // The programs are asked over blocking sockets, with a limit of their own.
    let status = tokio::task::spawn_blocking(move || node::ask(&asked.runtime_dir, asked.wanted));
    let Ok(status) = status.await else {
        return plain(StatusCode::INTERNAL_SERVER_ERROR, "cannot ask\n".to_owned());
    };
    match path {
        "/metrics" => {
            let mut response = plain(StatusCode::OK, node::metrics(&status, source.wanted));
            let format = HeaderValue::from_static(page::CONTENT_TYPE);
            response.headers_mut().insert(CONTENT_TYPE, format);
            response
        }
        "/healthz" => verdict(&node::ills(&status, source.wanted)),
        _ => verdict(&node::wants(&status, source.wanted)),
    }
}

fn verdict(wrong: &[String]) -> Response<Full<Bytes>> {
    match wrong {
        [] => plain(StatusCode::OK, "ok\n".to_owned()),
        wrong => plain(StatusCode::SERVICE_UNAVAILABLE, wrong.join("\n") + "\n"),
    }
}

fn plain(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    response
}
