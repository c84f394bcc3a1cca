//! Tells monitoring how the node is, over HTTP (docs/adr/0010-metrics.md).
//!
//! ```text
//! GET /metrics  ─► Sources: asks vrrpd and lbproxy for their status ─► Page
//! GET /healthz     every program that is configured answers
//! GET /readyz      and every proxy has a server and room for a client, and every router takes part
//! ```
//! Owns: the listening socket. Stops: with the console.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use process::throttle::{MINUTE, SharedThrottle, Throttle};
use tokio::net::{TcpListener, TcpStream};
use tracing::{info, warn};

use super::metrics::{self, page};
use super::slots::{Busy, Slots};
use super::sources::Sources;
use crate::clock::now;

/// Connections at once: a few scrapers, and somebody with a browser.
const CONNECTIONS: usize = 16;

/// How long a connection may last. A scraper that keeps it gets another.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a request's header may take.
const HEADER_TIME: Duration = Duration::from_secs(2);

/// Connections that could not be accepted, in the log.
static FAILED: SharedThrottle = SharedThrottle::new(Throttle::new(MINUTE));

/// Time before another attempt where the kernel gives no connection.
const PAUSE: Duration = Duration::from_millis(100);

/// The listener for monitoring, where there is one.
#[derive(Debug)]
pub(super) struct Http {
    sources: Sources,
    address: Option<SocketAddr>,
    listener: Option<TcpListener>,
    slots: Slots,
}

impl Http {
    /// Listens nowhere.
    pub(super) fn new(sources: Sources) -> Self {
        Self { sources, address: None, listener: None, slots: Slots::new(CONNECTIONS) }
    }

    /// Binds an address, unless it is listened on already.
    ///
    /// # Errors
    /// It cannot be bound, in words.
    pub(super) async fn bind(
        &self,
        address: Option<SocketAddr>,
    ) -> Result<Option<TcpListener>, String> {
        let Some(address) = address.filter(|_| address != self.address) else { return Ok(None) };
        let bound = TcpListener::bind(address).await;
        bound.map(Some).map_err(|error| format!("listen on {address}: {error}"))
    }

    /// Listens there from now on, where it was [bound](Self::bind).
    pub(super) fn go_over_to(&mut self, address: Option<SocketAddr>, bound: Option<TcpListener>) {
        if address == self.address {
            return;
        }
        (self.address, self.listener) = (address, bound);
        if let Some(address) = address {
            info!(%address, "serving metrics");
        }
    }

    /// Accepts a connection and serves it; waits for ever where it does not listen. Cancel-safe.
    pub(super) async fn accept(&mut self) {
        let Some(listener) = &self.listener else { return std::future::pending().await };
        match listener.accept().await {
            Ok((stream, _)) => {
                let sources = self.sources.clone();
                self.slots.take(|busy| converse(stream, sources, busy));
            }
            Err(error) => {
                if let Some(times) = FAILED.take(now()) {
                    warn!(%error, times, "cannot accept a connection for metrics");
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// One connection. How it ends is the client's business: there is nobody to tell.
async fn converse(stream: TcpStream, sources: Sources, busy: Busy) {
    let answer = service_fn(|request| {
        let (sources, busy) = (sources.clone(), busy.clone());
        async move {
            busy.set(true);
            let answer = answer(&request, &sources).await;
            busy.set(false);
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .serve_connection(TokioIo::new(stream), answer);
    drop(tokio::time::timeout(PATIENCE, connection).await);
}

async fn answer(request: &Request<Incoming>, sources: &Sources) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    if request.method() != Method::GET || !["/metrics", "/healthz", "/readyz"].contains(&path) {
        let text = "GET /metrics, /healthz or /readyz\n".to_owned();
        return plain(StatusCode::NOT_FOUND, text);
    }
    let status = sources.status().await;
    let wanted = sources.wanted();
    match path {
        "/metrics" => {
            let mut response = plain(StatusCode::OK, metrics::metrics(&status, wanted));
            let format = HeaderValue::from_static(page::CONTENT_TYPE);
            response.headers_mut().insert(CONTENT_TYPE, format);
            response
        }
        "/healthz" => verdict(&metrics::ills(&status, wanted)),
        _ => verdict(&metrics::wants(&status, wanted)),
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::watch;

    use super::super::sources::Wanted;
    use super::*;

    #[tokio::test]
    async fn silent_connections_keep_nobody_out() {
        let mut http = Http::new(Sources::new(watch::channel(Wanted::default()).1));
        http.listener = Some(TcpListener::bind("127.0.0.1:0").await.unwrap());
        let address = http.listener.as_ref().unwrap().local_addr().unwrap();
        let serve = async {
            loop {
                http.accept().await;
            }
        };
        let ask = async {
            let mut silent = Vec::new();
            for _ in 0..2 * CONNECTIONS {
                silent.push(TcpStream::connect(address).await.unwrap());
            }
            let mut scraper = TcpStream::connect(address).await.unwrap();
            scraper
                .write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                .await
                .unwrap();
            let mut answer = String::new();
            scraper.read_to_string(&mut answer).await.unwrap();
            assert!(answer.ends_with("\r\n\r\nok\n"), "{answer}");
            // The others are closed: at once, or when their header has not come.
            for mut stream in silent {
                let mut bytes = [0; 64];
                let closed = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut bytes));
                closed.await.expect("a connection without a header ends").ok();
            }
        };
        tokio::select! {
            () = serve => {}
            () = ask => {}
        }
    }
}
