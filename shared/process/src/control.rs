//! The control socket between the supervisor and a program: it takes the place of the program's standard
//! input. The program ticks into it; the supervisor hands configurations down by it, in two phases.
//!
//! ```text
//! supervisor ─► program   Start (with the configuration), once
//!               program   Tick, again and again
//! supervisor ─► program   Prepare (with the configuration)
//!               program ─► Prepared, or Refused and why: nothing has changed yet
//! supervisor ─► program   Commit, or Abort
//!               program ─► Committed
//!               vrrpd   ─► Pause, when an operator decides so
//! ```
//! Ends of [channels](crate::channels) to other programs come down as well. Each message is a packet of its
//! own. A configuration is a sealed file in memory that comes with it.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{Signal, set_parent_process_death_signal};
use serde::{Deserialize, Serialize};

use crate::channels::Channel;
use crate::messages::{Tick, line};
use crate::passing;

/// A packet is no longer than this, in bytes: the ticks of 500 routers fit.
pub const PACKET_LIMIT: usize = 64 * 1024;

/// What is said of a refusal is cut off there, in bytes.
const PROBLEM_LIMIT: usize = 8 * 1024;

/// A configuration is no larger than this, in bytes: 100 files of 1 MiB each, and keys.
const CONTENT_LIMIT: u64 = 256 * 1024 * 1024;

/// How long a program waits for what it is to start with.
const START_LIMIT: Duration = Duration::from_secs(10);

/// What the supervisor wants of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Order {
    /// Start with the configuration that comes along.
    Start {
        /// Which one.
        generation: u64,
    },
    /// Say whether you can go over to the configuration that comes along.
    Prepare {
        /// Which one.
        generation: u64,
    },
    /// Go over to it.
    Commit {
        /// Which one.
        generation: u64,
    },
    /// Forget it.
    Abort {
        /// Which one.
        generation: u64,
    },
    /// The file that comes along is your end of a channel to another program.
    Channel {
        /// What it is for.
        channel: Channel,
    },
}

/// What a program says of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Which one.
    pub generation: u64,
    /// What of it.
    pub verdict: Verdict,
}

/// What of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It can go over to it, and nothing stands in the way any more.
    Prepared,
    /// It cannot, and why, in words.
    Refused(String),
    /// It has gone over to it.
    Committed,
}

/// What a program says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Report {
    /// It works.
    Tick(Tick),
    /// What has become of an order.
    Answer(Answer),
    /// An operator paused the node, or ended that.
    Pause(Pause),
}

/// Whether a node is to rest: `vrrpd` says so when an operator decides it, for the supervisor to remember.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// It is.
    pub paused: bool,
}

/// A pair of ends: ours, which never blocks, and a program's.
///
/// # Errors
/// The system has no further socket.
pub fn pair() -> io::Result<(UnixStream, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC;
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    let ours = UnixStream::from(ours);
    ours.set_nonblocking(true)?;
    Ok((ours, theirs))
}

/// A file in memory that nobody can change any more.
///
/// # Errors
/// The system has no memory for it.
pub fn sealed(content: &[u8]) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(memfd_create("configuration", flags)?);
    file.write_all(content)?;
    fcntl_add_seals(
        &file,
        SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL,
    )?;
    Ok(file.into())
}

/// Sends an order, with a file where it needs one.
///
/// # Errors
/// The program is gone, or does not read.
pub fn order(socket: impl AsFd, order: Order, content: Option<BorrowedFd<'_>>) -> io::Result<()> {
    passing::send(socket, &line(&order), content.as_slice())
}

/// A program's end.
#[derive(Debug)]
pub struct Control {
    socket: UnixStream,
}

/// An order as it arrived, with the file where one came along.
pub type Received = (Order, Option<OwnedFd>);

impl Control {
    /// The socket that the supervisor put in the place of standard input, which is nothing from now on:
    /// the supervisor notices when the socket is closed, and there shall be one of it.
    ///
    /// # Errors
    /// Standard input is no socket: somebody else started us.
    pub fn inherited() -> io::Result<Self> {
        let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        if let Err(error) = socket.peer_addr() {
            let words = "this program is started by `vipd run` only";
            return Err(io::Error::new(
                error.kind(),
                format!("{words}: standard input is no channel to it ({error})"),
            ));
        }
        rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
        Ok(Self { socket })
    }

    /// An end that is had already.
    #[must_use]
    pub fn of(socket: UnixStream) -> Self {
        Self { socket }
    }

    /// Waits for what to start with; the socket does not block from then on.
    ///
    /// # Errors
    /// It does not come in time, or something else does.
    pub fn start(&self) -> io::Result<Vec<u8>> {
        self.socket.set_nonblocking(false)?;
        self.socket.set_read_timeout(Some(START_LIMIT))?;
        let received = self.receive()?;
        self.socket.set_read_timeout(None)?;
        self.socket.set_nonblocking(true)?;
        match received {
            Some((Order::Start { .. }, Some(file))) => content(file),
            other => Err(io::Error::other(format!("no start from the supervisor but {other:?}"))),
        }
    }

    /// Waits for the end of one channel, and for no longer than a start may take; others that come before are
    /// put by. The socket does not block from then on.
    ///
    /// # Errors
    /// It does not come in time, or something else does.
    pub fn wait_for(
        &self,
        wanted: Channel,
        others: &mut Vec<(Channel, UnixStream)>,
    ) -> io::Result<UnixStream> {
        self.socket.set_nonblocking(false)?;
        self.socket.set_read_timeout(Some(START_LIMIT))?;
        loop {
            match self.receive()? {
                Some((Order::Channel { channel }, Some(end))) => {
                    let end = UnixStream::from(end);
                    if channel != wanted {
                        others.push((channel, end));
                        continue;
                    }
                    self.socket.set_read_timeout(None)?;
                    self.socket.set_nonblocking(true)?;
                    return Ok(end);
                }
                other => return Err(io::Error::other(format!("no channel but {other:?}"))),
            }
        }
    }

    /// Another handle of it: to tick from another thread. It does not block from then on, as a program
    /// needs it that was not told by a supervisor what to start with.
    ///
    /// # Errors
    /// The system has no further descriptor.
    pub fn socket(&self) -> io::Result<UnixStream> {
        self.socket.set_nonblocking(true)?;
        self.socket.try_clone()
    }

    /// The order that is there; none when the supervisor is gone.
    ///
    /// # Errors
    /// `WouldBlock`: nothing is there. Otherwise it is no order, or its file cannot be read.
    pub fn receive(&self) -> io::Result<Option<Received>> {
        let mut buffer = [0; 256];
        let (length, files) = passing::receive(&self.socket, &mut buffer)?;
        if length == 0 {
            return Ok(None);
        }
        let order = serde_json::from_slice(buffer.get(..length).unwrap_or_default())?;
        Ok(Some((order, files.into_iter().next())))
    }

    /// Has the supervisor remember whether the node is to rest.
    ///
    /// # Errors
    /// The supervisor is gone, or does not read.
    pub fn remember(&self, pause: Pause) -> io::Result<()> {
        passing::send(&self.socket, &line(&pause), &[])
    }

    /// Says what has become of an order.
    ///
    /// # Errors
    /// The supervisor is gone, or does not read.
    pub fn answer(&self, generation: u64, verdict: Verdict) -> io::Result<()> {
        let verdict = match verdict {
            Verdict::Refused(mut words) => {
                words.truncate(words.floor_char_boundary(PROBLEM_LIMIT));
                Verdict::Refused(words)
            }
            verdict @ (Verdict::Prepared | Verdict::Committed) => verdict,
        };
        passing::send(&self.socket, &line(&Answer { generation, verdict }), &[])
    }
}

/// Ends this program in order when the supervisor dies: nobody would clean up after it. Call it after a
/// change of user, which would undo it.
///
/// # Errors
/// The kernel refused.
pub fn end_with_parent() -> io::Result<()> {
    Ok(set_parent_process_death_signal(Some(Signal::TERM))?)
}

/// What a file holds that came with an order. Its descriptor is shared with others, and its position with it.
///
/// # Errors
/// It is too large, or cannot be read.
pub fn content(file: OwnedFd) -> io::Result<Vec<u8>> {
    let file = File::from(file);
    let length = file.metadata()?.len();
    if length > CONTENT_LIMIT {
        return Err(io::Error::other(format!("a configuration of {length} bytes")));
    }
    let mut content = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    file.read_exact_at(&mut content, 0)?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_starts_with_what_was_sent_before_it_ran() {
        let (ours, theirs) = pair().unwrap();
        let file = sealed(b"vrid = 51").unwrap();
        order(&ours, Order::Start { generation: 1 }, Some(file.as_fd())).unwrap();
        let control = Control::of(UnixStream::from(theirs));
        assert_eq!(control.start().unwrap(), b"vrid = 51");
        // Nothing else is there, and nobody waits for it.
        assert_eq!(control.receive().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(ours);
        assert!(control.receive().unwrap().is_none());
    }

    #[test]
    fn what_is_handed_down_can_be_read_twice_and_changed_by_nobody() {
        let file = sealed(b"once").unwrap();
        assert_eq!(content(file.try_clone().unwrap()).unwrap(), b"once");
        assert_eq!(content(file.try_clone().unwrap()).unwrap(), b"once");
        assert!(File::from(file).write_all(b"more").is_err());
    }

    #[test]
    fn reports_look_like_this_on_the_wire() {
        let tick = Report::Tick(Tick { patience_ms: 50, ..Tick::default() });
        assert_eq!(line(&tick), b"{\"patience_ms\":50,\"resumable\":[]}\n");
        let refused = Verdict::Refused("the port is taken".to_owned());
        let answer = Report::Answer(Answer { generation: 7, verdict: refused });
        let text = b"{\"generation\":7,\"verdict\":{\"refused\":\"the port is taken\"}}\n";
        assert_eq!(line(&answer), text);
        let pause = Report::Pause(Pause { paused: true });
        assert_eq!(line(&pause), b"{\"paused\":true}\n");
        for report in [tick, answer, pause] {
            assert_eq!(serde_json::from_slice::<Report>(&line(&report)).unwrap(), report);
        }
    }

    #[test]
    fn a_long_refusal_is_cut_off() {
        let (ours, theirs) = pair().unwrap();
        let control = Control::of(UnixStream::from(theirs));
        control.answer(1, Verdict::Refused("ä".repeat(PACKET_LIMIT))).unwrap();
        let mut buffer = vec![0; PACKET_LIMIT];
        let (length, _) = passing::receive(&ours, &mut buffer).unwrap();
        let expected = 8 * 1024 + "{\"generation\":1,\"verdict\":{\"refused\":\"\"}}\n".len();
        assert_eq!(length, expected);
    }
}
