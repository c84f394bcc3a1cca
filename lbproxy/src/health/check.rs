//! One check of one server.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use config::{CheckKind, Files, HeaderVersion, HttpCheck, ProxyConfig};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::header::{DATE, HeaderValue};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use vocabulary::Endpoint;

use super::answer::judge;
use super::bounded::{Bounded, TooLong};
use super::outcome::Outcome;
use super::tls::{Tls, TlsError, chain, handshake};
use crate::clock;
use crate::net::dial::dial;
use crate::net::proxy_header::send;
use crate::plan::located::Located;

/// Of an answer's body so much is read, in bytes: its beginning says what is wrong.
const BODY_LIMIT: usize = 4096;

/// An HTTP answer's head may be so long, in bytes.
const HEAD_LIMIT: usize = 16 * 1024;

/// Of a server so much is read, in bytes: interim answers (1xx), the head, what of the body comes along.
const ANSWER_LIMIT: usize = 32 * 1024;

/// Over TLS so much more: the handshake, of which certificates take 64 KiB at most, and what it is
/// wrapped in.
pub(super) const TLS_LIMIT: usize = 80 * 1024;

/// A check cannot be made: a file of it cannot be read or used.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct CheckError(#[from] FileError);

/// Which file it is.
#[derive(Debug, thiserror::Error)]
enum FileError {
    /// Authorities, certificate or key.
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Token(#[from] TokenError),
}

/// A token cannot be shown.
#[derive(Debug, thiserror::Error)]
pub(super) enum TokenError {
    #[error("read the token {}: {words}", path.display())]
    Read { path: PathBuf, words: String },
    /// It cannot be sent.
    #[error("{} holds no token", path.display())]
    Unfit { path: PathBuf },
}

/// At which step a check failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    NoAddress(io::Error),
    #[error("no answer within {0:?} {1}")]
    Late(Duration, &'static str),
    #[error("connect: {0}")]
    Connect(io::Error),
    #[error("send the PROXY header: {0}")]
    Header(io::Error),
    #[error("TLS handshake: {}", handshake(.0))]
    Handshake(io::Error),
    #[error("no answer within {limit:?} to GET {path}")]
    NoReply { limit: Duration, path: String },
    #[error("GET {path}: {source}")]
    Get { path: String, source: GetError },
}

/// Where a server is at this moment, at another port if the check has one, and the host to ask for.
///
/// # Errors
/// Its name has no address.
pub(super) fn place(
    located: &Located,
    port: Option<NonZeroU16>,
) -> io::Result<(SocketAddr, String)> {
    let mut address = located.address()?;
    address.set_port(port.map_or(address.port(), NonZeroU16::get));
    let host = match located.endpoint() {
        Endpoint::Address(_) => address.to_string(),
        Endpoint::Name { host, .. } => format!("{host}:{}", address.port()),
    };
    Ok((address, host))
}

/// A check made ready: its files are read.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    kind: CheckKind,
    /// The port, where it is not the one that serves.
    port: Option<NonZeroU16>,
    timeout: Duration,
    /// For connecting, of that.
    connect_timeout: Duration,
    header: Option<HeaderVersion>,
    tls: Option<Tls>,
    /// What to show as authorization.
    token: Option<HeaderValue>,
}

impl Check {
    /// Reads the files that the check names.
    ///
    /// # Errors
    /// One cannot be read or used.
    pub(crate) fn new(proxy: &ProxyConfig, files: &Files) -> Result<Self, CheckError> {
        let config = &proxy.check;
        let tls = match &config.kind {
            CheckKind::Tcp | CheckKind::Http(_) => None,
            CheckKind::Tls(verify) | CheckKind::Https(_, verify) => {
                let tls = Tls::new(verify, config.certificate.as_ref(), files);
                Some(tls.map_err(FileError::from)?)
            }
        };
        let token = match &config.kind {
            CheckKind::Http(http) | CheckKind::Https(http, _) => {
                token(http, files).map_err(FileError::from)?
            }
            CheckKind::Tcp | CheckKind::Tls(_) => None,
        };
        let (kind, port, header) = (config.kind.clone(), config.port, proxy.send_proxy);
        let (timeout, connect_timeout) = (config.timeout, config.connect_timeout);
        Ok(Self { kind, port, timeout, connect_timeout, header, tls, token })
    }

    /// Does one check. `thorough` demands a sign of life where accepting would do otherwise: the
    /// kernel accepts for a program that stands still.
    pub(crate) async fn run(
        &self,
        located: &Located,
        source: Option<IpAddr>,
        thorough: bool,
    ) -> Outcome {
        let deadline = clock::deadline_in(self.timeout);
        let steps = self.steps(located, source, thorough, deadline).await;
        steps.unwrap_or_else(|failure| Outcome::dead(failure.to_string()))
    }

    async fn steps(
        &self,
        located: &Located,
        source: Option<IpAddr>,
        thorough: bool,
        deadline: Instant,
    ) -> Result<Outcome, Failure> {
        let (address, host) = place(located, self.port).map_err(Failure::NoAddress)?;
        let late = |step| Failure::Late(self.timeout, step);
        let connected_at = clock::deadline_in(self.connect_timeout);
        let mut stream = timeout_at(connected_at, dial(address, source, self.timeout))
            .await
            .map_err(|_| Failure::Late(self.connect_timeout, "while connecting"))?
            .map_err(Failure::Connect)?;
        if let Some(version) = self.header {
            timeout_at(deadline, send(&mut stream, version, None))
                .await
                .map_err(|_| late("while sending the PROXY header"))?
                .map_err(Failure::Header)?;
        }
        if thorough && self.kind == CheckKind::Tcp {
            return match timeout_at(deadline, answers_the_end(stream)).await {
                Ok(()) => Ok(Outcome::pass("it answers the end of a connection")),
                Err(_) => Err(late("to a connection's end, though the port accepts")),
            };
        }
        let Some(tls) = &self.tls else {
            return self.ask(Bounded::new(stream, ANSWER_LIMIT), &host, deadline).await;
        };
        let stream = Bounded::new(stream, TLS_LIMIT);
        let connecting = tls.connect(located.endpoint(), address, stream);
        let stream = timeout_at(deadline, connecting)
            .await
            .map_err(|_| late("in the TLS handshake"))?
            .map_err(Failure::Handshake)?;
        let certificate = chain(&stream).first().cloned();
        let outcome = self.ask(stream, &host, deadline).await;
        let outcome = outcome.unwrap_or_else(|failure| Outcome::dead(failure.to_string()));
        Ok(Outcome { certificate, ..outcome })
    }

    async fn ask<S>(&self, stream: S, host: &str, deadline: Instant) -> Result<Outcome, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let http = match &self.kind {
            CheckKind::Tcp => return Ok(Outcome::pass("the port accepts connections")),
            CheckKind::Tls(_) => return Ok(Outcome::pass("the TLS handshake succeeded")),
            CheckKind::Http(http) | CheckKind::Https(http, _) => http,
        };
        let token = self.token.clone();
        let answer = timeout_at(deadline, get(stream, &http.path, token, host))
            .await
            .map_err(|_| Failure::NoReply { limit: self.timeout, path: http.path.clone() })?
            .map_err(|source| Failure::Get { path: http.path.clone(), source })?;
        Ok(judge(http, answer.status, &answer.body))
    }
}

/// Ends our side, and waits for any byte, or the end or reset, of the other: a program at work has
/// one of them, whatever it speaks.
async fn answers_the_end(mut stream: TcpStream) {
    // What fails here is an answer, too.
    stream.shutdown().await.ok();
    stream.read_u8().await.ok();
}

/// What to show as authorization.
///
/// # Errors
/// The file cannot be read, or holds what cannot be sent.
pub(super) fn token(http: &HttpCheck, files: &Files) -> Result<Option<HeaderValue>, TokenError> {
    let Some(path) = &http.token_file else { return Ok(None) };
    let path = || path.clone();
    let token = files.get(&path()).map_err(|words| TokenError::Read { path: path(), words })?;
    let value = HeaderValue::from_str(&format!("Bearer {}", token.trim()));
    let mut value = value.map_err(|_| TokenError::Unfit { path: path() })?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum GetError {
    /// It does not end.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// The connection broke, or what came is no HTTP.
    #[error("{0}")]
    Http(hyper::Error),
}

impl From<hyper::Error> for GetError {
    fn from(error: hyper::Error) -> Self {
        TooLong::behind(&error).map_or(Self::Http(error), Self::TooLong)
    }
}

/// What was answered.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    /// The server's clock, as it says.
    pub(super) date: Option<String>,
    body: Vec<u8>,
}

/// Asks for a path.
///
/// # Errors
/// What became of the connection, or that no HTTP was answered, or no end of it.
pub(super) async fn get<S>(
    stream: S,
    path: &str,
    token: Option<HeaderValue>,
    host: &str,
) -> Result<Reply, GetError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = hyper::client::conn::http1::Builder::new();
    builder.max_buf_size(HEAD_LIMIT);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
    let mut request = Request::new(Empty::<Bytes>::new());
    // The configuration admits printable paths that begin with a slash.
    *request.uri_mut() = path.parse().unwrap_or_default();
    let headers = request.headers_mut();
    let agent = concat!("lbproxy-check/", env!("CARGO_PKG_VERSION"));
    headers.insert("user-agent", HeaderValue::from_static(agent));
    headers.insert("connection", HeaderValue::from_static("close"));
    if let Some(token) = token {
        headers.insert("authorization", token);
    }
    if let Ok(host) = host.parse() {
        headers.insert("host", host);
    }
    let exchange = async move {
        let answer = sender.send_request(request).await?;
        let status = answer.status().as_u16();
        let date = answer.headers().get(DATE).and_then(|date| date.to_str().ok());
        let date = date.map(str::to_owned);
        Ok::<_, GetError>(Reply { status, date, body: beginning(answer).await })
    };
    tokio::pin!(exchange, connection);
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        // It may have ended within the body, of which there is enough.
        ended = &mut connection => match (exchange.await, ended) {
            (Err(_), Err(why)) => Err(why.into()),
            (answer, _) => answer,
        },
    }
}

/// As much of the body as is wanted; one that breaks off is as good.
async fn beginning(answer: Response<Incoming>) -> Vec<u8> {
    let mut body = answer.into_body();
    let mut read = Vec::new();
    while read.len() < BODY_LIMIT
        && let Some(Ok(frame)) = body.frame().await
    {
        if let Some(data) = frame.data_ref() {
            read.extend(data.iter().take(BODY_LIMIT - read.len()));
        }
    }
    read
}
