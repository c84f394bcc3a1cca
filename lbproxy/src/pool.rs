//! A worker's buffers. A connection holds one only while bytes are on their way through it.

use std::cell::RefCell;

/// Bytes in a buffer.
pub(crate) const BUFFER_SIZE: usize = 16 * 1024;

/// Unused buffers kept for the next reader: 4 MiB a worker. More are given back to the allocator.
const KEPT: usize = 256;

/// A buffer for one direction of one connection.
pub(crate) type Buffer = Box<[u8; BUFFER_SIZE]>;

/// Unused buffers of one worker.
#[derive(Debug, Default)]
pub(crate) struct Pool(RefCell<Vec<Buffer>>);

impl Pool {
    /// A buffer; what it holds is undefined.
    pub(crate) fn take(&self) -> Buffer {
        self.0.borrow_mut().pop().unwrap_or_else(|| Box::new([0; BUFFER_SIZE]))
    }

    /// Gives a buffer back.
    pub(crate) fn give(&self, buffer: Buffer) {
        let mut unused = self.0.borrow_mut();
        if unused.len() < KEPT {
            unused.push(buffer);
        }
    }
}
