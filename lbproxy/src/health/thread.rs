//! The thread that servers are checked on. What a server sends may cost time, to judge its certificates for
//! one, and the thread that ticks has none to spare.

use std::io;
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// A thread with a runtime of its own; it ends with this value.
#[derive(Debug)]
pub(crate) struct CheckThread {
    handle: Handle,
    _end: oneshot::Sender<()>,
}

impl CheckThread {
    /// Starts it.
    ///
    /// # Errors
    /// The system has no further thread or descriptors.
    pub(crate) fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        thread::Builder::new().name("checks".to_owned()).spawn(move || {
            // It ends with an error: nothing is ever sent.
            drop(runtime.block_on(ended));
            // A name may still be looked up, which cannot be broken off.
            runtime.shutdown_background();
        })?;
        Ok(Self { handle, _end: end })
    }

    /// Where to spawn checks.
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_run_on_it_and_end_with_it() {
        let checks = CheckThread::start().unwrap();
        let name = checks.handle().spawn(async { thread::current().name().map(str::to_owned) });
        let endless = checks.handle().spawn(std::future::pending::<()>());
        let waiting = Builder::new_current_thread().build().unwrap();
        assert_eq!(waiting.block_on(name).unwrap().as_deref(), Some("checks"));
        drop(checks);
        assert!(waiting.block_on(endless).unwrap_err().is_cancelled());
    }
}
