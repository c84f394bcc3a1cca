//! Whether a worker's thread waits or works, and that its event loop goes round; written by the worker,
//! read by the control thread.
//!
//! A thread that waits for events cannot hang, and has no need to wake up to say so. One that works for long
//! is asked, and answers when its event loop comes to it.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// One worker's signs of life.
#[derive(Debug)]
pub(crate) struct Liveness {
    /// Another number at every sign: even while the thread waits, odd while it works. Only the worker
    /// writes it, so that it needs no atomic addition.
    turn: AtomicU64,
    asked: Notify,
}

impl Default for Liveness {
    /// Of a thread that works: it is about to start.
    fn default() -> Self {
        Self { turn: AtomicU64::new(1), asked: Notify::new() }
    }
}

impl Liveness {
    /// The thread is about to wait for events, or has waited.
    pub(crate) fn parks_or_unparks(&self) {
        self.advance(1);
    }

    /// Ready when the control thread asks. Cancel-safe.
    pub(crate) async fn asked(&self) {
        self.asked.notified().await;
    }

    /// The event loop goes round.
    pub(crate) fn answer(&self) {
        self.advance(2);
    }

    /// Has the worker answer.
    pub(crate) fn ask(&self) {
        self.asked.notify_one();
    }

    /// The number now.
    pub(crate) fn turn(&self) -> u64 {
        self.turn.load(Ordering::Relaxed)
    }

    fn advance(&self, by: u64) {
        self.turn.store(self.turn.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
    }
}
