//! A worker's buffers and pipes. A connection holds one only while bytes are on their way through it.

use std::cell::RefCell;

use crate::pipe::Pipes;

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
    pub(crate) pipes: Pipes,
}

impl Pool {
    /// An empty pool; at most so many pipes.
    pub(crate) fn new(pipes: usize) -> Self {
        Self { buffers: RefCell::default(), pipes: Pipes::new(pipes) }
    }

    /// A buffer; what it holds is undefined.
    pub(crate) fn take(&self) -> Buffer {
        self.buffers.borrow_mut().pop().unwrap_or_else(|| Box::new([0; BUFFER_SIZE]))
    }

    /// Gives a buffer back.
    pub(crate) fn give(&self, buffer: Buffer) {
        let mut unused = self.buffers.borrow_mut();
        if unused.len() < KEPT {
            unused.push(buffer);
        }
    }
}
