//! What a proxy leaves to its successor: the sockets that it listens on, with the clients that wait in
//! them, and what an operator ordered.
//!
//! ```text
//! successor                                    predecessor
//!    TakeOver                          ─►
//!                                      ◄─   Sockets (with files), Order …, End
//!    its first checks are done, it serves
//!    Retire                            ─►   accepts no more; ends with its last connection
//! ```
//! Until then the predecessor serves on as if nothing were, and so it does if the successor dies.

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream as StdStream;
use std::sync::Arc;
use std::time::Duration;

use process::messages::{Lines, line};
use process::passing::{self, MOST_FILES};
use serde::{Deserialize, Serialize};
use tokio::io::Interest;
use tokio::net::UnixStream;
use vocabulary::Name;

use crate::control::status::Order;
use crate::net::listen::Listeners;

/// How long a predecessor may take for each piece.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a successor says; nobody else has a channel to say it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum HandoffRequest {
    /// Give me what you have open, and go on.
    TakeOver,
    /// I serve: accept no more, and end with the last connection.
    Retire,
}

/// One line of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Piece {
    /// So many of the files that come with this line listen on an address.
    Sockets { address: SocketAddr, count: usize },
    /// An operator's word on a server.
    Order(PassedOrder),
    /// That was all.
    End,
}

/// An operator's word on a server that holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PassedOrder {
    pub(crate) proxy: Name,
    pub(crate) server: Name,
    pub(crate) order: Order,
    /// How long it holds, in milliseconds; none: until the next one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) left_ms: Option<u64>,
}

/// What is left to a successor.
#[derive(Debug)]
pub(crate) struct SocketHandoff {
    pub(crate) listeners: Vec<Arc<Listeners>>,
    pub(crate) orders: Vec<PassedOrder>,
}

impl SocketHandoff {
    /// Hands everything over.
    ///
    /// # Errors
    /// The successor is gone.
    pub(crate) async fn hand_to(self, successor: &UnixStream) -> io::Result<()> {
        for listeners in &self.listeners {
            for sockets in listeners.sockets().chunks(MOST_FILES) {
                let piece = Piece::Sockets { address: listeners.address, count: sockets.len() };
                let files: Vec<BorrowedFd<'_>> = sockets.iter().map(AsFd::as_fd).collect();
                pass(successor, &piece, &files).await?;
            }
        }
        for order in self.orders {
            pass(successor, &Piece::Order(order), &[]).await?;
        }
        pass(successor, &Piece::End, &[]).await
    }
}

async fn pass(successor: &UnixStream, piece: &Piece, files: &[BorrowedFd<'_>]) -> io::Result<()> {
    let bytes = line(piece);
    let pass = || passing::send(successor, &bytes, files);
    successor.async_io(Interest::WRITABLE, pass).await
}

/// What a successor got.
#[derive(Debug)]
pub(crate) struct ReceivedSockets {
    sockets: HashMap<SocketAddr, Vec<TcpListener>>,
    /// What an operator ordered.
    pub(crate) orders: Vec<PassedOrder>,
    /// To the predecessor.
    pub(crate) predecessor: StdStream,
}

impl ReceivedSockets {
    /// Asks the proxy at the other end for everything; it goes on serving.
    ///
    /// # Errors
    /// It is gone, or does not answer like one.
    pub(crate) fn claim(mut predecessor: StdStream) -> io::Result<Self> {
        predecessor.set_nonblocking(false)?;
        predecessor.set_read_timeout(Some(PATIENCE))?;
        predecessor.write_all(&line(&HandoffRequest::TakeOver))?;
        let mut left = Self { sockets: HashMap::new(), orders: Vec::new(), predecessor };
        let mut files: Vec<OwnedFd> = Vec::new();
        let mut lines = Lines::default();
        loop {
            let mut buffer = [0; 4096];
            let (length, more) = passing::receive(&left.predecessor, &mut buffer)?;
            if length == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            files.extend(more);
            lines.push(buffer.get(..length).unwrap_or_default()).map_err(io::Error::other)?;
            while let Some(piece) = lines.message().map_err(io::Error::other)? {
                match piece {
                    Piece::Sockets { address, count } => {
                        let theirs = files.drain(..count.min(files.len())).map(TcpListener::from);
                        left.sockets.entry(address).or_default().extend(theirs);
                    }
                    Piece::Order(order) => left.orders.push(order),
                    Piece::End => return Ok(left),
                }
            }
        }
    }

    /// The sockets on an address, once.
    pub(crate) fn take(&mut self, address: SocketAddr) -> Option<Vec<TcpListener>> {
        self.sockets.remove(&address)
    }
}
