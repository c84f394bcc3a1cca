//! The watchdog: who does not tick hangs. Pure but for the socket it reads.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use process::messages::{Lines, Tick};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use tokio::net::UnixStream;

/// Our end of a child's watchdog.
#[derive(Debug)]
pub(super) struct Watchdog {
    socket: UnixStream,
    lines: Lines,
    patience: Duration,
    fed_at: Instant,
    tick: Tick,
    /// At least one tick came.
    fed: bool,
    /// The child closed its end.
    closed: bool,
}

/// What the watchdog makes of the time that passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Judgement {
    /// Ticks come.
    Lives,
    /// None came for too long.
    Hangs,
    /// None came, but we were not there to see: both may have been asleep.
    Overslept,
}

fn judge(fed_at: Instant, patience: Duration, now: Instant) -> Judgement {
    let silent = now.saturating_duration_since(fed_at);
    if silent < patience {
        Judgement::Lives
    } else if silent < patience + patience / 2 {
        Judgement::Hangs
    } else {
        Judgement::Overslept
    }
}

impl Watchdog {
    /// A watchdog, and the end of it that the child ticks into. Packets keep their bounds, so that a
    /// tick is whole or missing.
    /// The first tick must come within `patience` of `from`; each tick tells how long to wait for the
    /// next.
    pub(super) fn pair(from: Instant, patience: Duration) -> io::Result<(Self, OwnedFd)> {
        let flags = SocketFlags::CLOEXEC;
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        let ours = std::os::unix::net::UnixStream::from(ours);
        ours.set_nonblocking(true)?;
        Ok((Self::adopt(ours.into(), from, patience, false)?, theirs))
    }

    /// That of a child which had it before an upgrade.
    ///
    /// # Errors
    /// The runtime cannot take the socket.
    pub(super) fn adopt(
        socket: OwnedFd,
        from: Instant,
        patience: Duration,
        retired: bool,
    ) -> io::Result<Self> {
        let socket = UnixStream::from_std(std::os::unix::net::UnixStream::from(socket))?;
        let (lines, tick) = (Lines::default(), Tick { retired, ..Tick::default() });
        Ok(Self { socket, lines, patience, fed_at: from, tick, fed: false, closed: false })
    }

    /// Our end of it.
    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Whether the child has ticked, so that it is known what it does.
    pub(super) fn is_fed(&self) -> bool {
        self.fed
    }

    /// Whether the child closed its end, or said that it has a successor.
    pub(super) fn is_closed(&self) -> bool {
        self.closed || self.tick.retired
    }

    /// When it barks, unless it is fed before.
    pub(super) fn deadline(&self) -> Instant {
        self.fed_at + self.patience
    }

    /// The last tick, and when it came.
    pub(super) fn last(&self) -> (&Tick, Instant) {
        (&self.tick, self.fed_at)
    }

    /// Waits until there may be a tick to [eat](Self::eat). For ever once the child has closed its end:
    /// that it died is told elsewhere.
    pub(super) async fn smell(&self) {
        if self.closed || self.socket.readable().await.is_err() {
            std::future::pending().await
        }
    }

    /// Takes the ticks that have come; tells whether there were any.
    pub(super) fn eat(&mut self, now: Instant) -> bool {
        let mut buffer = [0; 4096];
        let mut fed = false;
        loop {
            match self.socket.try_read(&mut buffer) {
                Ok(0) => {
                    self.closed = true;
                    return fed;
                }
                Ok(length) => {
                    self.digest(&buffer[..length]);
                    (self.fed_at, fed, self.fed) = (now, true, true);
                }
                Err(_) => return fed,
            }
        }
    }

    fn digest(&mut self, bytes: &[u8]) {
        if self.lines.push(bytes).is_err() {
            self.lines = Lines::default();
        }
        while let Ok(Some(tick)) = self.lines.message::<Tick>() {
            self.patience = Duration::from_millis(tick.patience_ms);
            self.tick = tick;
        }
    }

    /// Whether the child hangs, once the deadline has passed.
    pub(super) fn barks(&mut self, now: Instant) -> bool {
        if self.eat(now) {
            return false;
        }
        match judge(self.fed_at, self.patience, now) {
            Judgement::Lives => false,
            Judgement::Hangs => true,
            Judgement::Overslept => {
                self.fed_at = now;
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a start for the virtual clock")]
    fn silence_is_judged_by_whether_we_were_awake() {
        let fed = Instant::now();
        let patience = Duration::from_millis(100);
        let at = |millis| judge(fed, patience, fed + Duration::from_millis(millis));
        assert_eq!(at(99), Judgement::Lives);
        assert_eq!(at(100), Judgement::Hangs);
        assert_eq!(at(149), Judgement::Hangs);
        // The machine stood still: the child gets another turn.
        assert_eq!(at(150), Judgement::Overslept);
    }
}
