//! The socket between the supervisor and each program it started, in the place of the program's standard
//! input: ticks go up ([`Tick`](crate::messages::Tick)), the ends of channels to other programs come down.
//!
//! ```text
//! supervisor ── Down::Channel + an open end ──► vrrpd        the other end ──► lbproxy
//! ```
//! A channel is a pair of sockets without a name: nobody else can reach it, and which end a program holds
//! decides what it may say there. The end of a channel is the news that the other program died.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream as StdStream;

use rustix::process::{Signal, set_parent_process_death_signal};
use serde::{Deserialize, Serialize};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tracing::warn;

use crate::messages::line;
use crate::passing;

/// A message from the supervisor is shorter, in bytes.
const DOWN_LIMIT: usize = 4096;

/// What a channel between two programs is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// `lbproxy` says how its proxies are, `vrrpd` which addresses are here.
    Health,
    /// `vrrpd` says what happens, the runner what scripts found.
    Scripts,
    /// `vrrpd` says what happens to the console.
    Events,
    /// The console asks `vrrpd`, and passes on what an operator orders.
    AskVrrpd,
    /// The console asks `lbproxy`, and passes on what an operator orders.
    AskLbproxy,
    /// A new `lbproxy` gets the sockets of the one before, and tells it when it serves.
    Handoff,
}

/// What the supervisor sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Down {
    /// The file that comes with this is an end of a channel.
    Channel {
        /// What it is for.
        channel: Channel,
    },
}

/// Takes standard input as the supervisor's socket.
///
/// # Errors
/// It is no socket.
pub fn supervisor() -> io::Result<StdStream> {
    let stdin = io::stdin().as_fd().try_clone_to_owned()?;
    // The supervisor sees when the socket is closed: there shall be one of it.
    rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?)?;
    let socket = StdStream::from(stdin);
    socket.peer_addr()?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Ends this program in order when the supervisor dies: nobody would clean up after it. Call it after a
/// change of user, which would undo it.
///
/// # Errors
/// The kernel refused.
pub fn end_with_parent() -> io::Result<()> {
    Ok(set_parent_process_death_signal(Some(Signal::TERM))?)
}

/// Hands a program the end of a channel.
///
/// # Errors
/// The program is gone, or does not read.
pub fn hand_over(program: BorrowedFd<'_>, channel: Channel, end: BorrowedFd<'_>) -> io::Result<()> {
    passing::send(program, &line(&Down::Channel { channel }), &[end])
}

/// The program's side: channels come out of it.
#[derive(Debug)]
pub struct Inbox {
    socket: Option<UnixStream>,
}

impl Inbox {
    /// Of the supervisor's socket; without one nothing ever comes. Call it within a runtime.
    ///
    /// # Errors
    /// The runtime cannot take the socket.
    pub fn new(socket: Option<StdStream>) -> io::Result<Self> {
        Ok(Self { socket: socket.map(UnixStream::from_std).transpose()? })
    }

    /// Sends a tick.
    pub fn tick(&self, tick: &crate::messages::Tick) {
        if let Some(socket) = &self.socket {
            // A full socket has ticks enough; a supervisor that is gone has sent us a signal.
            socket.try_write(&line(tick)).ok();
        }
    }

    /// The next channel; waits for ever once the supervisor is gone. Cancel-safe.
    pub async fn next(&mut self) -> (Channel, UnixStream) {
        loop {
            let Some(socket) = &self.socket else { return std::future::pending().await };
            let mut buffer = [0; DOWN_LIMIT];
            let receive = || receive(socket, &mut buffer);
            match socket.async_io(Interest::READABLE, receive).await {
                Ok(Some((channel, stream))) => match UnixStream::from_std(stream) {
                    Ok(stream) => return (channel, stream),
                    Err(error) => warn!(?channel, %error, "cannot use the end of a channel"),
                },
                Ok(None) => self.socket = None,
                Err(error) => warn!(%error, "a message of the supervisor is not understood"),
            }
        }
    }
}

/// Receives the next channel; none at the end.
///
/// # Errors
/// Nothing is there, or it is no message.
pub fn receive(socket: impl AsFd, buffer: &mut [u8]) -> io::Result<Option<(Channel, StdStream)>> {
    let (length, files) = passing::receive(socket, buffer)?;
    if length == 0 {
        return Ok(None);
    }
    let bytes = buffer.get(..length).unwrap_or_default();
    let Down::Channel { channel } = serde_json::from_slice(bytes)?;
    let end = files.into_iter().next().map(StdStream::from);
    let end = end.ok_or_else(|| io::Error::other("a channel without its end"))?;
    end.set_nonblocking(true)?;
    Ok(Some((channel, end)))
}

#[cfg(test)]
mod tests {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::messages::Tick;

    #[tokio::test]
    async fn channels_come_down_and_ticks_go_up() {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap();
        let mut inbox = Inbox::new(Some(theirs.into())).unwrap();
        let (vrrpd, lbproxy) = StdStream::pair().unwrap();
        hand_over(ours.as_fd(), Channel::Health, vrrpd.as_fd()).unwrap();
        hand_over(ours.as_fd(), Channel::Events, vrrpd.as_fd()).unwrap();
        drop(vrrpd);
        let (channel, mut stream) = inbox.next().await;
        assert_eq!(channel, Channel::Health);
        lbproxy.set_nonblocking(true).unwrap();
        let mut other = UnixStream::from_std(lbproxy).unwrap();
        other.write_all(b"!").await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'!');
        let (channel, second) = inbox.next().await;
        assert_eq!(channel, Channel::Events);
        // The death of a program closes its ends, and the other one reads that.
        drop((stream, second));
        assert_eq!(other.read(&mut [0; 1]).await.unwrap(), 0);
        inbox.tick(&Tick { patience_ms: 7, ..Tick::default() });
        let mut buffer = [0; 128];
        let (length, _) = passing::receive(&ours, &mut buffer).unwrap();
        assert_eq!(
            std::str::from_utf8(&buffer[..length]).unwrap(),
            "{\"patience_ms\":7,\"resumable\":[]}\n"
        );
    }

    #[test]
    fn what_is_no_channel_is_an_error() {
        let (ours, theirs) = StdStream::pair().unwrap();
        let mut buffer = [0; DOWN_LIMIT];
        passing::send(&ours, b"{\"type\":\"channel\",\"channel\":\"health\"}\n", &[]).unwrap();
        let words = receive(&theirs, &mut buffer).unwrap_err().to_string();
        assert_eq!(words, "a channel without its end");
        passing::send(&ours, b"{\"type\":\"shout\"}\n", &[]).unwrap();
        assert!(receive(&theirs, &mut buffer).is_err());
        drop(ours);
        assert!(receive(&theirs, &mut buffer).unwrap().is_none());
    }
}
