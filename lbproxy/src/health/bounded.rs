//! A connection of which only so much is read: an answer that does not end costs no more than one that does.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// More came than is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer is longer than {limit} bytes")]
pub(super) struct TooLong {
    limit: usize,
}

impl TooLong {
    /// The one that `error` is, or came of.
    pub(super) fn behind(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref() {
                return Some(*found);
            }
            next = match error.downcast_ref::<io::Error>() {
                // Its source is that of what it wraps.
                Some(wrapper) => wrapper.get_ref().map(|wrapped| wrapped as &(dyn Error + 'static)),
                None => error.source(),
            };
        }
        None
    }
}

/// A stream that fails with [`TooLong`] at the first read after `limit` bytes.
#[derive(Debug)]
pub(super) struct Bounded<S> {
    stream: S,
    limit: usize,
    read: usize,
}

impl<S> Bounded<S> {
    pub(super) fn new(stream: S, limit: usize) -> Self {
        Self { stream, limit, read: 0 }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read >= self.limit {
            return Poll::Ready(Err(io::Error::other(TooLong { limit: self.limit })));
        }
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.read += buffer.filled().len() - before;
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, repeat};

    use super::*;

    #[tokio::test]
    async fn reading_ends_at_the_limit() {
        let mut endless = Bounded::new(tokio::io::join(repeat(b'x'), tokio::io::sink()), 10);
        endless.write_all(&[b'y'; 100]).await.unwrap();
        let mut buffer = [0; 4];
        for read in [4, 4, 4] {
            assert_eq!(endless.read(&mut buffer).await.unwrap(), read);
        }
        let error = endless.read(&mut buffer).await.unwrap_err();
        assert_eq!(error.to_string(), "the answer is longer than 10 bytes");
        assert_eq!(TooLong::behind(&error), Some(TooLong { limit: 10 }));
    }

    #[tokio::test]
    async fn what_ends_before_is_left_alone() {
        let mut short = Bounded::new(tokio::io::join(&b"short"[..], tokio::io::sink()), 6);
        let mut text = String::new();
        assert_eq!(short.read_to_string(&mut text).await.unwrap(), 5);
        assert_eq!(text, "short");
        assert_eq!(TooLong::behind(&io::Error::from(io::ErrorKind::UnexpectedEof)), None);
    }
}
