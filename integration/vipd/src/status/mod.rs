//! `vipd status`: what the node's programs tell of themselves; and the orders they take.

mod text;
mod why;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lbproxy::control::status::{Answer, Request};
use process::messages::{LBPROXY_SOCKET, ToVrrpd, VRRPD_SOCKET, line};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::text::render;
pub(crate) use self::why::changed;
pub use self::why::why;

/// How long a program may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// An answer longer than this is none, in bytes.
const ANSWER_LIMIT: u64 = 16 * 1024 * 1024;

/// The status of a node.
#[derive(Debug, Serialize)]
pub struct Status {
    /// What `vrrpd` tells; none if it does not run.
    pub vrrpd: Option<vrrpd::status::Status>,
    /// What `lbproxy` tells; none if it does not run.
    pub lbproxy: Option<lbproxy::control::status::Status>,
}

/// Why a program told nothing.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// Nobody answers.
    #[error("ask {path}: {source}")]
    Ask {
        /// The socket.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The answer is of another release.
    #[error("the answer of {path} is not understood; is it of another release?")]
    Answer {
        /// The socket.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// Asks `vrrpd`.
///
/// # Errors
/// It does not run, or its answer is not understood.
pub fn vrrpd(runtime_dir: &Path) -> Result<vrrpd::status::Status, StatusError> {
    order(runtime_dir, &ToVrrpd::Status)
}

/// Gives `vrrpd` an order; its status once that is under way.
///
/// # Errors
/// It does not run, its answer is not understood, or we may not give orders.
pub fn order(runtime_dir: &Path, order: &ToVrrpd) -> Result<vrrpd::status::Status, StatusError> {
    ask(runtime_dir.join(VRRPD_SOCKET), order)
}

/// Asks `lbproxy`.
///
/// # Errors
/// It does not run, or its answer is not understood.
pub fn lbproxy(runtime_dir: &Path) -> Result<lbproxy::control::status::Status, StatusError> {
    ask(runtime_dir.join(LBPROXY_SOCKET), &Request::Status)
}

/// Gives `lbproxy` an order.
///
/// # Errors
/// It does not run, or its answer is not understood.
pub fn order_lbproxy(runtime_dir: &Path, request: &Request) -> Result<Answer, StatusError> {
    ask(runtime_dir.join(LBPROXY_SOCKET), request)
}

fn ask<T: DeserializeOwned>(path: PathBuf, question: &impl Serialize) -> Result<T, StatusError> {
    match exchange(&path, question) {
        Ok(answer) => {
            serde_json::from_slice(&answer).map_err(|source| StatusError::Answer { path, source })
        }
        Err(source) => Err(StatusError::Ask { path, source }),
    }
}

fn exchange(path: &Path, request: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut socket = UnixStream::connect(path)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.write_all(&line(request))?;
    let mut answer = Vec::new();
    BufReader::new(socket.take(ANSWER_LIMIT)).read_until(b'\n', &mut answer)?;
    if answer.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection"));
    }
    Ok(answer)
}
