//! Moves the bytes between a client and its server, both ways in one task.
//!
//! The end of one side is passed on once everything before it has been written; the other side may
//! go on. Each direction is a [`Flow`].

use std::io;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::net::TcpStream;

use crate::data::flow::{Failure, Flow, Stage, Turn};
use crate::data::pool::Pool;
use crate::data::sessions::ControlBlock;
use crate::plan::end::End;

/// A connected pair.
#[derive(Debug)]
pub(crate) struct Relay {
    client: TcpStream,
    server: TcpStream,
    up: Flow,
    down: Flow,
    /// Who finished first.
    first: Option<End>,
    /// How a connection broke while the other direction went on.
    broken: Option<End>,
}

impl Relay {
    pub(crate) fn new(client: TcpStream, server: TcpStream) -> Self {
        Self {
            client,
            server,
            up: Flow::default(),
            down: Flow::default(),
            first: None,
            broken: None,
        }
    }

    /// Bytes delivered to the server and to the client.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        (self.up.bytes(), self.down.bytes())
    }

    /// Moves what can be moved; ready when the connection has ended.
    pub(crate) fn poll(
        &mut self,
        pool: &Pool,
        block: &ControlBlock,
        now: Instant,
        cx: &mut Context<'_>,
    ) -> Poll<End> {
        if let Poll::Ready(end) = block.poll_cancelled(cx) {
            return Poll::Ready(end);
        }
        let up = self.up.turn((&mut self.client, &self.server), self.down.is_over(), pool, cx);
        let mut more = matches!(up, Ok(Turn::More));
        if let Err(failure) = up
            && let Some(end) = self.failed(failure, true)
        {
            return Poll::Ready(end);
        }
        self.note(self.up.stage(), End::ClientClosed, block);
        let down = self.down.turn((&mut self.server, &self.client), self.up.is_over(), pool, cx);
        more |= matches!(down, Ok(Turn::More));
        if let Err(failure) = down
            && let Some(end) = self.failed(failure, false)
        {
            return Poll::Ready(end);
        }
        self.note(self.down.stage(), End::ServerClosed, block);
        block.moved(now, self.bytes());
        if self.up.is_over() && self.down.is_over() {
            let end = self.broken.or(self.first).unwrap_or(End::ClientClosed);
            return Poll::Ready(end);
        }
        if more {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// The end of the connection, unless the other direction may still go on: a write to a server
    /// that closed or reset is no reason to lose what it sent before.
    fn failed(&mut self, failure: Failure, up: bool) -> Option<End> {
        let (end, writing) = match (failure, up) {
            (Failure::Reading(error), true) => {
                (lost(&error, End::ClientLost, End::ClientReset), false)
            }
            (Failure::Reading(error), false) => {
                (lost(&error, End::ServerLost, End::ServerReset), false)
            }
            (Failure::Writing(error), true) => {
                (lost(&error, End::ServerLost, End::ServerReset), true)
            }
            (Failure::Writing(error), false) => {
                (lost(&error, End::ClientLost, End::ClientReset), true)
            }
        };
        let broken = self.broken.get_or_insert(end);
        if writing && up && self.down.stage() != Stage::Finished {
            self.up.give_up();
            return None;
        }
        Some(*broken)
    }

    fn note(&mut self, stage: Stage, end: End, block: &ControlBlock) {
        if stage != Stage::Open && self.first.is_none() {
            self.first = Some(end);
        }
        if self.first.is_some() {
            block.half_closed();
        }
    }

    /// Ends both connections as `end` asks: with a reset where one side must not take what it got
    /// for a whole.
    pub(crate) fn close(mut self, end: End, pool: &Pool) {
        let undelivered =
            [&mut self.up, &mut self.down].map(|flow| flow.empty(pool)).contains(&true);
        let orderly = match end {
            End::ClientClosed | End::ServerClosed => true,
            // As HAProxy does: an idle client reads the end of the stream.
            End::IdleTimeout | End::Rebalanced => !undelivered,
            End::ClientReset
            | End::ServerReset
            | End::ClientLost
            | End::ServerLost
            | End::HalfClosedTimeout
            | End::NoBackend
            | End::ConnectFailed
            | End::ConnectTimeout
            | End::QueueFull
            | End::QueueTimeout
            | End::SourceLimit
            | End::SourceRate
            | End::Denied
            | End::NotAllowed
            | End::BadHeader
            | End::HeaderTimeout
            | End::NoRoute
            | End::HelloTimeout
            | End::ServerDown
            | End::ByOperator
            | End::AddressReleased
            | End::Shutdown => false,
        };
        if !orderly {
            reset(&self.client);
            reset(&self.server);
        }
    }
}

/// Makes the coming close a reset.
pub(crate) fn reset(stream: &TcpStream) {
    // It fails only on what is no socket.
    drop(stream.set_zero_linger());
}

fn lost(error: &io::Error, lost: End, reset: End) -> End {
    let vanished = matches!(
        error.kind(),
        io::ErrorKind::TimedOut
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
    );
    if vanished { lost } else { reset }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_vanished_is_told_from_who_reset() {
        let of = |kind: io::ErrorKind| lost(&kind.into(), End::ServerLost, End::ServerReset);
        assert_eq!(of(io::ErrorKind::TimedOut), End::ServerLost);
        assert_eq!(of(io::ErrorKind::HostUnreachable), End::ServerLost);
        assert_eq!(of(io::ErrorKind::ConnectionReset), End::ServerReset);
        assert_eq!(of(io::ErrorKind::BrokenPipe), End::ServerReset);
    }
}
