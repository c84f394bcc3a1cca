//! Pipes through which splice(2) moves a stream without copying it. A direction has one only while
//! bytes are on their way through it.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use process::throttle::{MINUTE, SharedThrottle, Throttle};
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use tracing::warn;

use crate::clock;

/// Bytes that fit into a pipe. The larger it is, the fewer acknowledgements a stream costs, and the
/// longer it makes others wait: see docs/benchmarks-proxy.md.
const SIZE: usize = 256 * 1024;

/// After the system had no pipe for us, so many streams do without before it is asked again.
const PAUSE: u32 = 1_024;

/// Pipes that could not be made, in the log of all workers.
static FAILED: SharedThrottle = SharedThrottle::new(Throttle::new(MINUTE));

/// A pipe, and how many bytes are in it.
#[derive(Debug)]
pub(crate) struct Pipe {
    exit: OwnedFd,
    entry: OwnedFd,
    held: usize,
}

impl Pipe {
    fn new() -> io::Result<Self> {
        let (exit, entry) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        fcntl_setpipe_size(&entry, SIZE)?;
        Ok(Self { exit, entry, held: 0 })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Takes what the socket has; 0 is the end of its stream. Only for an empty pipe: otherwise
    /// `WouldBlock` could be the pipe's.
    ///
    /// # Errors
    /// The socket's, or that it cannot be spliced.
    pub(crate) fn fill(&mut self, from: impl AsFd) -> io::Result<usize> {
        let count = splice(from, None, &self.entry, None, SIZE, flags())?;
        self.held += count;
        Ok(count)
    }

    /// Gives the socket what it takes.
    ///
    /// # Errors
    /// The socket's.
    pub(crate) fn drain(&mut self, to: impl AsFd) -> io::Result<usize> {
        let count = splice(&self.exit, None, to, None, self.held, flags())?;
        self.held = self.held.saturating_sub(count);
        Ok(count)
    }
}

fn flags() -> SpliceFlags {
    SpliceFlags::MOVE | SpliceFlags::NONBLOCK
}

/// The pipes of one worker, made when they are first needed.
#[derive(Debug)]
pub(crate) struct Pipes {
    unused: RefCell<Vec<Pipe>>,
    made: Cell<usize>,
    limit: usize,
    pause: Cell<u32>,
}

impl Pipes {
    /// At most so many.
    pub(crate) fn new(limit: usize) -> Self {
        Self { unused: RefCell::default(), made: Cell::new(0), limit, pause: Cell::new(0) }
    }

    /// An empty pipe, unless they have run out.
    pub(crate) fn take(&self) -> Option<Pipe> {
        let unused = self.unused.borrow_mut().pop();
        if unused.is_some() || self.made.get() >= self.limit {
            return unused;
        }
        if self.pause.get() > 0 {
            self.pause.set(self.pause.get() - 1);
            return None;
        }
        match Pipe::new() {
            Ok(pipe) => {
                self.made.set(self.made.get() + 1);
                Some(pipe)
            }
            Err(error) => {
                self.pause.set(PAUSE);
                if let Some(times) = FAILED.take(clock::now()) {
                    let have = self.made.get();
                    warn!(%error, have, times, "cannot make a pipe: streams go through buffers");
                }
                None
            }
        }
    }

    /// How many are in use, and how many there are.
    pub(crate) fn in_use(&self) -> (u64, u64) {
        let made = self.made.get();
        (made.saturating_sub(self.unused.borrow().len()) as u64, made as u64)
    }

    /// Gives a pipe back. One that still holds something is closed.
    pub(crate) fn give(&self, pipe: Pipe) {
        if pipe.is_empty() {
            self.unused.borrow_mut().push(pipe);
        } else {
            self.made.set(self.made.get().saturating_sub(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn no_more_are_made_than_allowed() {
        let pipes = Pipes::new(2);
        let (first, second) = (pipes.take().unwrap(), pipes.take().unwrap());
        assert!(pipes.take().is_none());
        pipes.give(first);
        assert!(pipes.take().is_some());
        pipes.give(second);
    }

    #[test]
    fn what_goes_in_comes_out_and_a_full_one_is_not_kept() {
        let pipes = Pipes::new(1);
        let mut pipe = pipes.take().unwrap();
        let (mut sender, from) = UnixStream::pair().unwrap();
        let (to, mut receiver) = UnixStream::pair().unwrap();
        sender.write_all(b"hello").unwrap();
        assert_eq!(pipe.fill(&from).unwrap(), 5);
        assert_eq!(pipe.drain(&to).unwrap(), 5);
        let mut text = [0; 5];
        receiver.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"hello");

        sender.write_all(b"lost").unwrap();
        assert_eq!(pipe.fill(&from).unwrap(), 4);
        pipes.give(pipe);
        drop(sender);
        // A new one: nothing of another connection is in it.
        let mut pipe = pipes.take().unwrap();
        assert!(pipe.is_empty());
        assert_eq!(pipe.fill(&from).unwrap(), 0, "the end of the stream");
    }
}
