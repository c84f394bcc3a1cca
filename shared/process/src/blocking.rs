//! Work that may wait, on a thread of its own.
//!
//! Not tokio's `spawn_blocking`: that panics where a task limit leaves no thread.

use std::io;
use std::thread::Builder;

use tokio::sync::oneshot;

/// Does `work` on a thread of this name; returns what it returned. Who stops waiting does not stop it.
///
/// # Errors
/// There is no thread to be had, or it panicked.
pub async fn run<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (done, result) = oneshot::channel();
    // Nobody may wait for it any more.
    Builder::new().name(name.to_owned()).spawn(move || drop(done.send(work())))?;
    result.await.map_err(|_| io::Error::other("its thread panicked"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_comes_of_it_is_returned_and_a_panic_is_an_error() {
        assert_eq!(run("sum", || 20 + 22).await.unwrap(), 42);
        let failed = run("fails", || panic!("on purpose")).await;
        assert_eq!(failed.map(|()| 0).unwrap_err().to_string(), "its thread panicked");
    }
}
