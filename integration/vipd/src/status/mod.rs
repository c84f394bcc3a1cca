//! `vipd status`: what the node's programs tell of themselves; and the orders they take.

mod text;
mod why;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lbproxy::control::status::{Answer as LbproxyAnswer, Request as LbproxyRequest};
use process::messages::{VrrpdRequest, line};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::console::request::{Answer, Request, SOCKET};
use crate::supervisor;

pub use self::text::render;
pub(crate) use self::why::changed;
pub use self::why::why;

/// How long the console may take to answer: longer than it waits for a program.
const PATIENCE: Duration = Duration::from_secs(4);

/// An answer longer than this is none, in bytes.
const ANSWER_LIMIT: u64 = 16 * 1024 * 1024;

/// The status of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// What `vrrpd` tells; none if it does not run.
    pub vrrpd: Option<vrrpd::status::Status>,
    /// What `lbproxy` tells; none if it does not run.
    pub lbproxy: Option<lbproxy::control::status::Status>,
    /// Programs that the configuration has work for, and that do not answer.
    pub missing: Vec<String>,
}

/// Why nothing was told.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// Nobody is there to answer.
    #[error("vipd does not run here: systemctl start vipd (nothing answers in {0})")]
    Absent(PathBuf),
    /// The kernel does not let us connect.
    #[error("only root may ask, and members of the group vipd: {0} is closed to others")]
    Closed(PathBuf),
    /// The node runs, and its console does not answer.
    #[error("vipd runs, but its console does not answer on {path}: {source}")]
    Ask {
        /// The socket.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// What we asked is not for us, or not understood.
    #[error("{0}")]
    Refused(String),
    /// The program that was asked is not there.
    #[error("{0}")]
    Silent(String),
    /// The answer is of another release.
    #[error("the answer of {path} is not understood; is it of another release?")]
    Answer {
        /// The socket.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// Exit code of commands when no node runs.
pub const NOT_RUNNING: u8 = 3;

impl StatusError {
    /// The exit code of a command that failed for this: [`NOT_RUNNING`], or 1.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Absent(_) => NOT_RUNNING,
            Self::Closed(_)
            | Self::Ask { .. }
            | Self::Refused(_)
            | Self::Silent(_)
            | Self::Answer { .. } => 1,
        }
    }
}

/// Asks for the whole node.
///
/// # Errors
/// It does not run, or does not let us ask.
pub fn node(runtime_dir: &Path) -> Result<Status, StatusError> {
    ask(runtime_dir, &Request::Status)
}

/// Asks `vrrpd`.
///
/// # Errors
/// It does not run, or its answer is not understood.
pub fn vrrpd(runtime_dir: &Path) -> Result<vrrpd::status::Status, StatusError> {
    order(runtime_dir, VrrpdRequest::Status)
}

/// Gives `vrrpd` an order; its status once that is under way.
///
/// # Errors
/// It does not run, its answer is not understood, or we may not give orders.
pub fn order(
    runtime_dir: &Path,
    request: VrrpdRequest,
) -> Result<vrrpd::status::Status, StatusError> {
    ask(runtime_dir, &Request::Vrrpd { request })
}

/// Asks `lbproxy`.
///
/// # Errors
/// It does not run, or its answer is not understood.
pub fn lbproxy(runtime_dir: &Path) -> Result<lbproxy::control::status::Status, StatusError> {
    ask(runtime_dir, &Request::Lbproxy { request: LbproxyRequest::Status })
}

/// Gives `lbproxy` an order.
///
/// # Errors
/// It does not run, its answer is not understood, or we may not give orders.
pub fn order_lbproxy(
    runtime_dir: &Path,
    request: LbproxyRequest,
) -> Result<LbproxyAnswer, StatusError> {
    ask(runtime_dir, &Request::Lbproxy { request })
}

fn ask<T: DeserializeOwned>(runtime_dir: &Path, request: &Request) -> Result<T, StatusError> {
    let mut reader = connect(runtime_dir, request)?;
    let path = runtime_dir.join(SOCKET);
    let mut answer = Vec::new();
    let read = reader.by_ref().take(ANSWER_LIMIT).read_until(b'\n', &mut answer);
    if let Err(source) = read {
        return Err(StatusError::Ask { path, source });
    }
    if answer.is_empty() {
        let source = io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection");
        return Err(StatusError::Ask { path, source });
    }
    match serde_json::from_slice(&answer) {
        Ok(Answer::Answer(answer)) => Ok(answer),
        Ok(Answer::Refused(words)) => Err(StatusError::Refused(words)),
        Ok(Answer::Silent(words)) => Err(StatusError::Silent(words)),
        Err(source) => Err(StatusError::Answer { path, source }),
    }
}

/// Connects to the console and says what is wanted.
pub(crate) fn connect(
    runtime_dir: &Path,
    request: &Request,
) -> Result<BufReader<UnixStream>, StatusError> {
    let path = runtime_dir.join(SOCKET);
    let said = UnixStream::connect(&path).and_then(|mut socket| {
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        socket.write_all(&line(request))?;
        Ok(BufReader::new(socket))
    });
    said.map_err(|source| {
        let nobody = [io::ErrorKind::NotFound, io::ErrorKind::ConnectionRefused];
        if source.kind() == io::ErrorKind::PermissionDenied {
            StatusError::Closed(path)
        } else if nobody.contains(&source.kind()) && supervisor::running(runtime_dir).is_err() {
            StatusError::Absent(runtime_dir.to_owned())
        } else {
            StatusError::Ask { path, source }
        }
    })
}
