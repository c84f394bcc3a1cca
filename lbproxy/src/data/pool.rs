//! A worker's buffers and pipes. A connection holds one only while bytes are on their way through it.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use crate::data::pipe::Pipes;

/// Bytes in a buffer.
pub(crate) const BUFFER_SIZE: usize = 16 * 1024;

/// Unused buffers kept for the next reader: 4 MiB a worker. More are given back to the allocator.
const KEPT: usize = 256;

/// A buffer for one direction of one connection.
pub(crate) type Buffer = Box<[u8; BUFFER_SIZE]>;

/// Unused buffers of one worker, and its pipes.
#[derive(Debug)]
pub(crate) struct Pool {
    buffers: RefCell<Vec<Buffer>>,
    taken: Cell<u64>,
    pub(crate) pipes: Pipes,
}

impl Pool {
    /// An empty pool; at most so many pipes.
    pub(crate) fn new(pipes: usize) -> Self {
        Self { buffers: RefCell::default(), taken: Cell::new(0), pipes: Pipes::new(pipes) }
    }

    /// A buffer; what it holds is undefined.
    pub(crate) fn take(&self) -> Buffer {
        self.taken.set(self.taken.get() + 1);
        self.buffers.borrow_mut().pop().unwrap_or_else(|| Box::new([0; BUFFER_SIZE]))
    }

    /// Gives a buffer back.
    pub(crate) fn give(&self, buffer: Buffer) {
        self.taken.set(self.taken.get().saturating_sub(1));
        let mut unused = self.buffers.borrow_mut();
        if unused.len() < KEPT {
            unused.push(buffer);
        }
    }
}

/// Buffers and pipes of all workers, as they were a quarter of a second ago at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Buffers that hold bytes which wait for a slow reader.
    pub buffers: u64,
    /// Pipes that do.
    pub pipes: u64,
    /// Pipes there are.
    pub pipes_open: u64,
}

/// What one worker has in use, for others to look at.
#[derive(Debug, Default)]
pub(crate) struct InUse {
    buffers: AtomicU64,
    pipes: AtomicU64,
    pipes_open: AtomicU64,
}

impl InUse {
    /// Told by the worker, now and then.
    pub(crate) fn tell(&self, pool: &Pool) {
        let (pipes, open) = pool.pipes.in_use();
        self.buffers.store(pool.taken.get(), Ordering::Relaxed);
        self.pipes.store(pipes, Ordering::Relaxed);
        self.pipes_open.store(open, Ordering::Relaxed);
    }

    /// Adds it to what others have.
    pub(crate) fn add_to(&self, usage: Usage) -> Usage {
        Usage {
            buffers: usage.buffers + self.buffers.load(Ordering::Relaxed),
            pipes: usage.pipes + self.pipes.load(Ordering::Relaxed),
            pipes_open: usage.pipes_open + self.pipes_open.load(Ordering::Relaxed),
        }
    }
}
