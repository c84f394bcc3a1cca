//! One direction of a connection.
//!
//! It holds a buffer or a pipe only from a read to the end of its write: an idle connection holds
//! none, and a reader that stands still stops its writer after one of them. Small amounts are
//! copied through a buffer; a direction that fills buffers *streams*, and goes through a pipe until
//! it stops to. Where there is no pipe, buffers go on.

use std::io;
use std::net::Shutdown;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use socket2::SockRef;
use tokio::io::{AsyncRead, Interest, ReadBuf};
use tokio::net::TcpStream;

use crate::data::pipe::Pipe;
use crate::data::pool::{BUFFER_SIZE, Buffer, Pool};

/// Buffers one direction may move before the other, and other connections, have their turn.
const TURN: usize = 16;

/// Buffers filled in a row that make a direction one that streams.
const STREAMS: u8 = 2;

/// One direction.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    held: Option<Held>,
    stage: Stage,
    pace: Pace,
    bytes: u64,
}

#[derive(Debug)]
enum Held {
    Copy { buffer: Buffer, written: usize, filled: usize },
    Pipe(Pipe),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// So many buffers were filled in a row; from [`STREAMS`] on, a pipe is worth it.
    Filled(u8),
    /// The system does not splice these sockets.
    Copies,
}

impl Default for Pace {
    fn default() -> Self {
        Self::Filled(0)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stage {
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
#[derive(Debug)]
pub(crate) enum Failure {
    Reading(io::Error),
    Writing(io::Error),
}

/// What a turn of one direction came to.
pub(crate) enum Turn {
    /// It waits for a socket, or is finished.
    Rests,
    /// There may be more at once.
    More,
}

impl Flow {
    pub(crate) fn stage(&self) -> Stage {
        self.stage
    }

    /// Whether nothing more is moved.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Finished | Stage::Broken)
    }

    /// Bytes delivered.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Nothing more can be written: what still comes is of no use.
    pub(crate) fn give_up(&mut self) {
        self.stage = Stage::Broken;
    }

    /// Gives back what it holds; tells whether there were bytes in it.
    pub(crate) fn empty(&mut self, pool: &Pool) -> bool {
        let held = self.held.take();
        let any = held.is_some();
        match held {
            Some(Held::Copy { buffer, .. }) => pool.give(buffer),
            Some(Held::Pipe(pipe)) => pool.pipes.give(pipe),
            None => {}
        }
        any
    }

    /// Moves what can be moved for now, `from` one side to the other. `last` says that the other
    /// direction is over: both connections are closed right after this one.
    pub(crate) fn turn(
        &mut self,
        (from, to): (&mut TcpStream, &TcpStream),
        last: bool,
        pool: &Pool,
        cx: &mut Context<'_>,
    ) -> Result<Turn, Failure> {
        for _ in 0..TURN {
            let step = match self.stage {
                Stage::Finished | Stage::Broken => return Ok(Turn::Rests),
                Stage::Open | Stage::Flushing if self.held.is_some() => {
                    let written = self.write(from, to, cx);
                    if self.is_done() || matches!(written, Poll::Ready(Err(_))) {
                        self.empty(pool);
                    }
                    written.map_err(Failure::Writing)
                }
                Stage::Open => self.read(from, pool, cx).map_err(Failure::Reading),
                Stage::Flushing => self.finish(to, last).map_err(Failure::Writing),
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
    ) -> Poll<io::Result<()>> {
        // Readiness first: it costs no system call, and while there is none, no buffer either.
        ready!(from.poll_read_ready(cx))?;
        let pipe = match self.pace {
            Pace::Filled(STREAMS..) => pool.pipes.take(),
            Pace::Filled(_) | Pace::Copies => None,
        };
        let outcome = match pipe {
            Some(pipe) => self.fill_pipe(pipe, from, pool),
            None => ready!(self.fill_buffer(from, pool, cx)),
        };
        match outcome {
            Ok(0) => self.stage = Stage::Flushing,
            Ok(count) => self.pace = self.pace.after(count),
            // Asked again, readiness tells when there is something.
            Err(error) if is_for_now(&error) => {}
            Err(error) if self.pace != Pace::Copies && cannot_splice(&error) => {
                self.pace = Pace::Copies;
            }
            Err(error) => return Poll::Ready(Err(error)),
        }
        Poll::Ready(Ok(()))
    }

    /// Unlike `try_read` this takes a read that does not fill the buffer for the last one, without a
    /// system call that would say so.
    fn fill_buffer(
        &mut self,
        from: &mut TcpStream,
        pool: &Pool,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let mut buffer = pool.take();
        let mut read = ReadBuf::new(buffer.as_mut_slice());
        let outcome = Pin::new(from).poll_read(cx, &mut read);
        let filled = read.filled().len();
        if filled > 0 {
            self.held = Some(Held::Copy { buffer, written: 0, filled });
        } else {
            pool.give(buffer);
        }
        outcome.map_ok(|()| filled)
    }

    fn fill_pipe(&mut self, mut pipe: Pipe, from: &TcpStream, pool: &Pool) -> io::Result<usize> {
        let outcome = from.try_io(Interest::READABLE, || pipe.fill(from));
        if pipe.is_empty() {
            pool.pipes.give(pipe);
        } else {
            self.held = Some(Held::Pipe(pipe));
        }
        outcome
    }

    fn write(
        &mut self,
        from: &TcpStream,
        to: &TcpStream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(to.poll_write_ready(cx))?;
        let written = match &mut self.held {
            None => return Poll::Ready(Ok(())),
            Some(Held::Copy { buffer, written, filled }) => {
                let rest = buffer.get(*written..*filled).unwrap_or_default();
                let sent = if self.stage == Stage::Open && has_ended(from, cx) {
                    to.try_io(Interest::WRITABLE, || send_before_the_end(to, rest))
                } else {
                    to.try_write(rest)
                };
                sent.inspect(|count| *written += count)
            }
            Some(Held::Pipe(pipe)) => to.try_io(Interest::WRITABLE, || pipe.drain(to)),
        };
        match written {
            Ok(0) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            Ok(count) => {
                self.bytes += count as u64;
                Poll::Ready(Ok(()))
            }
            Err(error) if is_for_now(&error) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Whether everything that is held has been written.
    fn is_done(&self) -> bool {
        match &self.held {
            None => false,
            Some(Held::Copy { written, filled, .. }) => written == filled,
            Some(Held::Pipe(pipe)) => pipe.is_empty(),
        }
    }

    fn finish(&mut self, to: &TcpStream, last: bool) -> Poll<io::Result<()>> {
        self.stage = Stage::Finished;
        // Closing passes the end on as well.
        Poll::Ready(if last { Ok(()) } else { SockRef::from(to).shutdown(Shutdown::Write) })
    }
}

/// Whether the end of the stream has arrived, behind what may still have to be read.
fn has_ended(from: &TcpStream, cx: &mut Context<'_>) -> bool {
    let ready = pin!(from.ready(Interest::READABLE)).poll(cx);
    matches!(ready, Poll::Ready(Ok(ready)) if ready.is_read_closed())
}

/// Lets the last bytes wait for the end, which follows at once: both go in one packet.
fn send_before_the_end(to: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    Ok(send(to, bytes, SendFlags::MORE | SendFlags::NOSIGNAL)?)
}

impl Pace {
    /// After a read of `count` bytes.
    fn after(self, count: usize) -> Self {
        match self {
            Self::Filled(so_far) if count >= BUFFER_SIZE => {
                Self::Filled(so_far.saturating_add(1).min(STREAMS))
            }
            Self::Filled(_) => Self::Filled(0),
            Self::Copies => Self::Copies,
        }
    }
}

fn is_for_now(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// A kernel, or a sandbox in its place, that has no splice for sockets.
fn cannot_splice(error: &io::Error) -> bool {
    [Errno::INVAL, Errno::NOSYS, Errno::PERM]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_buffers_in_a_row_are_a_stream_and_a_small_read_ends_it() {
        let mut pace = Pace::default();
        let seen = [16_384, 16_384, 262_144, 16_383, 16_384].map(|count| {
            pace = pace.after(count);
            pace
        });
        assert_eq!(seen, [1, 2, 2, 0, 1].map(Pace::Filled));
        assert_eq!(Pace::Copies.after(16_384), Pace::Copies);
    }
}
