//! Moves the bytes between a client and its server, both ways in one task.
//!
//! A direction holds a buffer only from a read to the end of its write: an idle connection holds
//! none, and a reader that stands still stops its writer after one buffer. The end of one side is
//! passed on once everything before it has been written; the other side may go on.

use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::pool::{Buffer, Pool};
use crate::report::End;
use crate::sessions::Ticket;

/// Buffers one direction may move before the other, and other connections, have their turn.
const TURN: usize = 16;

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

/// One direction.
#[derive(Debug, Default)]
struct Flow {
    held: Option<Held>,
    stage: Stage,
    bytes: u64,
}

#[derive(Debug)]
struct Held {
    buffer: Buffer,
    written: usize,
    filled: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Open,
    /// The end was read; what is held must still be written.
    Flushing,
    /// The end was passed on.
    Finished,
    /// The reader's connection broke: what comes is of no use.
    Broken,
}

/// What stopped a direction.
enum Failure {
    Reading(io::Error),
    Writing(io::Error),
}

/// What a turn of one direction came to.
enum Turn {
    /// It waits for a socket, or is finished.
    Rests,
    /// There may be more at once.
    More,
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
        (self.up.bytes, self.down.bytes)
    }

    /// Moves what can be moved; ready when the connection has ended.
    pub(crate) fn poll(
        &mut self,
        pool: &Pool,
        ticket: &Ticket,
        now: Instant,
        cx: &mut Context<'_>,
    ) -> Poll<End> {
        if let Poll::Ready(end) = ticket.poll_told(cx) {
            return Poll::Ready(end);
        }
        let before = self.bytes();
        let up = self.up.turn(&mut self.client, &mut self.server, pool, cx);
        let mut more = matches!(up, Ok(Turn::More));
        if let Err(failure) = up
            && let Some(end) = self.failed(failure, true)
        {
            return Poll::Ready(end);
        }
        self.note(self.up.stage, End::ClientClosed, ticket);
        let down = self.down.turn(&mut self.server, &mut self.client, pool, cx);
        more |= matches!(down, Ok(Turn::More));
        if let Err(failure) = down
            && let Some(end) = self.failed(failure, false)
        {
            return Poll::Ready(end);
        }
        self.note(self.down.stage, End::ServerClosed, ticket);
        if self.bytes() != before {
            ticket.touch(now);
        }
        let over = |stage| matches!(stage, Stage::Finished | Stage::Broken);
        if over(self.up.stage) && over(self.down.stage) {
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
        if writing && up && self.down.stage != Stage::Finished {
            self.up.stage = Stage::Broken;
            return None;
        }
        Some(*broken)
    }

    fn note(&mut self, stage: Stage, end: End, ticket: &Ticket) {
        if stage != Stage::Open && self.first.is_none() {
            self.first = Some(end);
        }
        if self.first.is_some() {
            ticket.half_closed();
        }
    }

    /// Ends both connections as `end` asks: with a reset where one side must not take what it got
    /// for a whole.
    pub(crate) fn close(mut self, end: End, pool: &Pool) {
        let undelivered = [&mut self.up, &mut self.down]
            .into_iter()
            .filter_map(|flow| flow.held.take())
            .map(|held| pool.give(held.buffer))
            .count();
        let orderly = match end {
            End::ClientClosed | End::ServerClosed => true,
            // As HAProxy does: an idle client reads the end of the stream.
            End::IdleTimeout => undelivered == 0,
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
            | End::BadHeader
            | End::HeaderTimeout
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

impl Flow {
    fn turn(
        &mut self,
        from: &mut TcpStream,
        to: &mut TcpStream,
        pool: &Pool,
        cx: &mut Context<'_>,
    ) -> Result<Turn, Failure> {
        for _ in 0..TURN {
            let step = match self.stage {
                Stage::Finished | Stage::Broken => return Ok(Turn::Rests),
                Stage::Open | Stage::Flushing if self.held.is_some() => self.write(to, pool, cx),
                Stage::Open => self.read(from, pool, cx),
                Stage::Flushing => self.finish(to),
            };
            match step {
                Poll::Pending => return Ok(Turn::Rests),
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(failure)) => return Err(failure),
            }
        }
        Ok(Turn::More)
    }

    fn read(
        &mut self,
        from: &mut TcpStream,
        pool: &Pool,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Failure>> {
        // Readiness first: it costs no system call, and while there is none, no buffer either.
        ready!(from.poll_read_ready(cx)).map_err(Failure::Reading)?;
        let mut buffer = pool.take();
        let mut target = ReadBuf::new(buffer.as_mut_slice());
        let outcome = Pin::new(from).poll_read(cx, &mut target);
        let filled = target.filled().len();
        match outcome {
            Poll::Ready(Ok(())) if filled > 0 => {
                self.held = Some(Held { buffer, written: 0, filled });
                return Poll::Ready(Ok(()));
            }
            Poll::Ready(Ok(())) => self.stage = Stage::Flushing,
            Poll::Ready(Err(_)) | Poll::Pending => {}
        }
        pool.give(buffer);
        outcome.map(|read| read.map_err(Failure::Reading))
    }

    fn write(
        &mut self,
        to: &mut TcpStream,
        pool: &Pool,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Failure>> {
        let Some(held) = &mut self.held else {
            return Poll::Ready(Ok(()));
        };
        let rest = held.buffer.get(held.written..held.filled).unwrap_or_default();
        let outcome = ready!(Pin::new(to).poll_write(cx, rest));
        let written = match outcome {
            Ok(0) => Err(io::Error::from(io::ErrorKind::WriteZero)),
            other => other,
        };
        match written {
            Ok(count) => {
                held.written += count;
                self.bytes += count as u64;
                if held.written == held.filled
                    && let Some(held) = self.held.take()
                {
                    pool.give(held.buffer);
                }
                Poll::Ready(Ok(()))
            }
            Err(error) => {
                if let Some(held) = self.held.take() {
                    pool.give(held.buffer);
                }
                Poll::Ready(Err(Failure::Writing(error)))
            }
        }
    }

    fn finish(&mut self, to: &TcpStream) -> Poll<Result<(), Failure>> {
        self.stage = Stage::Finished;
        Poll::Ready(SockRef::from(to).shutdown(Shutdown::Write).map_err(Failure::Writing))
    }
}
