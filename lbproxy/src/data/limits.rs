//! How long a connection may last, as a value: events and the time come in, verdicts and deadlines go out.

use std::time::{Duration, Instant};

use config::Limits;

use crate::plan::end::End;

/// A server that leaves a client without a byte for so long may have stopped: half of what an
/// impatient client waits.
const MUTE: Duration = Duration::from_millis(500);

/// What is true around a connection at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Circumstances {
    /// The proxy ends.
    pub(crate) stopping: bool,
    /// The address that the client connected to leaves this node.
    pub(crate) released: bool,
    pub(crate) server: ServerFate,
}

/// What became of a connection's server since it was connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServerFate {
    Serves,
    WentDown,
    /// An operator ends its connections.
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No server is connected: the deadline for that is the only limit, and kept elsewhere.
    Opening,
    Open,
    /// One side has finished.
    HalfClosed,
}

/// The access line of a connection that lasts, written before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EarlyLine {
    NotYet,
    Due,
    Written,
}

/// What decides for how long one connection may go on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lifetime {
    /// Of the proxy whose servers it gets.
    limits: Limits,
    phase: Phase,
    accepted: Instant,
    last_byte: Instant,
    /// Since when the client waits for the server's first byte after its own.
    asked: Option<Instant>,
    /// The client has said nothing since the server spoke last, or nothing at all.
    answered: bool,
    /// Bytes moved to the server and to the client.
    moved: (u64, u64),
    early_line: EarlyLine,
}

impl Lifetime {
    /// Of a connection accepted at `now`.
    pub(crate) fn new(limits: Limits, now: Instant) -> Self {
        Self {
            limits,
            phase: Phase::Opening,
            accepted: now,
            last_byte: now,
            asked: None,
            answered: true,
            moved: (0, 0),
            early_line: EarlyLine::NotYet,
        }
    }

    /// Another proxy's limits hold.
    pub(crate) fn limit(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// From now on the server's death and the idle limits count.
    pub(crate) fn connected(&mut self, now: Instant) {
        self.phase = Phase::Open;
        self.last_byte = now;
    }

    /// So many bytes have been moved to the server and to the client by now.
    pub(crate) fn moved(&mut self, bytes: (u64, u64), now: Instant) {
        if bytes == self.moved {
            return;
        }
        // Where both spoke meanwhile nobody knows who did last.
        self.answered = bytes.0 == self.moved.0;
        if bytes.1 != self.moved.1 {
            self.asked = None;
        } else if self.asked.is_none() {
            self.asked = Some(now);
        }
        self.moved = bytes;
        self.last_byte = now;
    }

    /// Bytes moved to the server and to the client.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        self.moved
    }

    /// One side has finished.
    pub(crate) fn half_closed(&mut self) {
        self.phase = Phase::HalfClosed;
    }

    /// Why the connection must end, if it must.
    pub(crate) fn verdict(&self, circumstances: Circumstances, now: Instant) -> Option<End> {
        let silent = now.saturating_duration_since(self.last_byte);
        match (circumstances, self.phase) {
            (Circumstances { stopping: true, .. }, _) => Some(End::Shutdown),
            (Circumstances { released: true, .. }, _) => Some(End::AddressReleased),
            (_, Phase::Opening) => None,
            (Circumstances { server: ServerFate::WentDown, .. }, _) => Some(End::ServerDown),
            (Circumstances { server: ServerFate::Ended, .. }, _) => Some(End::ByOperator),
            (_, Phase::Open) => (silent >= self.limits.idle).then_some(End::IdleTimeout),
            (_, Phase::HalfClosed) => {
                (silent >= self.limits.half_closed).then_some(End::HalfClosedTimeout)
            }
        }
    }

    /// Whether it may be ended to be opened anew elsewhere: nothing is on its way, nobody waits for an
    /// answer, and both sides have been silent for long enough.
    pub(crate) fn may_move(&self, now: Instant) -> bool {
        let silent = now.saturating_duration_since(self.last_byte);
        let idle = self.limits.rebalance.is_some_and(|idle| silent >= idle);
        self.phase == Phase::Open && self.answered && idle
    }

    /// Whether the server has let its client wait for too long; once for each wait.
    pub(crate) fn is_mute(&mut self, now: Instant) -> bool {
        let mute = self.phase != Phase::Opening && self.asked.is_some_and(|at| now >= at + MUTE);
        if mute {
            self.asked = None;
        }
        mute
    }

    /// Whether the access line before the end has become due; once.
    pub(crate) fn has_lasted(&mut self, now: Instant) -> bool {
        let due = self.early_line_at().is_some_and(|at| now >= at);
        if due {
            self.early_line = EarlyLine::Due;
        }
        due
    }

    /// Whether the access line before the end is to be written; once.
    pub(crate) fn take_early_line(&mut self) -> bool {
        let due = self.early_line == EarlyLine::Due;
        if due {
            self.early_line = EarlyLine::Written;
        }
        due
    }

    /// When there may be another answer without another event.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let limit = match self.phase {
            Phase::Opening => return None,
            Phase::Open => self.limits.idle,
            Phase::HalfClosed => self.limits.half_closed,
        };
        let mute_at = self.asked.map(|at| at + MUTE);
        [Some(self.last_byte + limit), mute_at, self.early_line_at()].into_iter().flatten().min()
    }

    fn early_line_at(&self) -> Option<Instant> {
        let waits = self.early_line == EarlyLine::NotYet && self.phase != Phase::Opening;
        self.limits.silent.filter(|_| waits).map(|silent| self.accepted + silent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const QUIET: Circumstances =
        Circumstances { stopping: false, released: false, server: ServerFate::Serves };

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn limits() -> Limits {
        Limits {
            connect: millis(3_000),
            idle: millis(2_000),
            half_closed: millis(1_000),
            user: millis(9_000),
            silent: Some(millis(5_000)),
            rebalance: Some(millis(700)),
        }
    }

    /// Accepted at 0, connected at 100 ms.
    fn open(start: Instant) -> Lifetime {
        let mut open = Lifetime::new(limits(), start);
        open.connected(start + millis(100));
        open
    }

    #[test]
    fn what_happens_around_a_connection_ends_it_in_this_order() {
        let start = clock::now();
        let opening = Lifetime::new(limits(), start);
        let open = open(start);
        let mut half = open;
        half.half_closed();
        let released = Circumstances { released: true, ..QUIET };
        let down = Circumstances { server: ServerFate::WentDown, ..QUIET };
        let ended = Circumstances { server: ServerFate::Ended, ..QUIET };
        let all = Circumstances { stopping: true, released: true, server: ServerFate::WentDown };
        let (no, shutdown) = (None, Some(End::Shutdown));
        let (gone, by) = (Some(End::AddressReleased), Some(End::ByOperator));
        let server = Some(End::ServerDown);
        // While it is opened, half open and open: at once, whatever the time.
        for (circumstances, expected) in [
            (QUIET, [no, no, no]),
            (all, [shutdown, shutdown, shutdown]),
            (Circumstances { stopping: true, ..QUIET }, [shutdown, shutdown, shutdown]),
            (released, [gone, gone, gone]),
            (Circumstances { server: ServerFate::WentDown, ..released }, [gone, gone, gone]),
            // A server that goes down while it is connected to is the dialer's to notice.
            (down, [no, server, server]),
            (ended, [no, by, by]),
        ] {
            let verdicts =
                [opening, half, open].map(|it| it.verdict(circumstances, start + millis(100)));
            assert_eq!(verdicts, expected, "{circumstances:?}");
        }
    }

    #[test]
    fn silence_is_counted_from_the_last_byte_and_by_the_phase() {
        let start = clock::now();
        let at = |time| start + millis(time);
        let mut it = Lifetime::new(limits(), start);
        assert_eq!(it.verdict(QUIET, at(60_000)), None, "connecting has a deadline of its own");
        it.connected(at(100));
        assert_eq!(it.verdict(QUIET, at(2_099)), None);
        assert_eq!(it.verdict(QUIET, at(2_100)), Some(End::IdleTimeout));
        it.moved((1, 0), at(2_000));
        it.moved((1, 0), at(3_000));
        assert_eq!(it.verdict(QUIET, at(3_999)), None, "the byte came at 2 s");
        assert_eq!(it.verdict(QUIET, at(4_000)), Some(End::IdleTimeout));
        it.half_closed();
        assert_eq!(it.verdict(QUIET, at(2_999)), None);
        assert_eq!(it.verdict(QUIET, at(3_000)), Some(End::HalfClosedTimeout));
        it.limit(Limits { half_closed: millis(4_000), ..limits() });
        assert_eq!(it.verdict(QUIET, at(5_999)), None, "a route led to another proxy");
        assert_eq!(it.verdict(QUIET, at(6_000)), Some(End::HalfClosedTimeout));
        assert_eq!(it.verdict(QUIET, start), None, "a clock that was read earlier does no harm");
    }

    #[test]
    fn only_who_is_idle_and_answered_is_moved() {
        let start = clock::now();
        let at = |time| start + millis(time);
        assert!(!Lifetime::new(limits(), start).may_move(at(60_000)), "it has no server yet");
        let mut it = open(start);
        assert!(!it.may_move(at(799)) && it.may_move(at(800)), "nobody has said anything");
        it.moved((10, 0), at(900));
        assert!(!it.may_move(at(60_000)), "the client waits, however long");
        assert!(it.is_mute(at(1_400)) && !it.may_move(at(60_000)), "also when that was noticed");
        it.moved((10, 5), at(2_000));
        assert!(!it.may_move(at(2_699)) && it.may_move(at(2_700)));
        it.moved((20, 9), at(3_000));
        assert!(!it.may_move(at(60_000)), "both spoke: who waits nobody knows");
        it.moved((20, 10), at(4_000));
        assert!(it.may_move(at(4_700)));
        it.half_closed();
        assert!(!it.may_move(at(60_000)));
        let mut never = open(start);
        never.limit(Limits { rebalance: None, ..limits() });
        assert!(!never.may_move(at(60_000)));
    }

    #[test]
    fn a_client_that_spoke_and_hears_nothing_is_noticed_once_a_wait() {
        let start = clock::now();
        let at = |time| start + millis(time);
        let mut it = open(start);
        assert!(!it.is_mute(at(60_000)), "nobody asked");
        it.moved((10, 0), at(1_000));
        it.moved((20, 0), at(1_400));
        assert!(!it.is_mute(at(1_499)));
        assert!(it.is_mute(at(1_500)), "counted from the first byte that is not answered");
        assert!(!it.is_mute(at(9_000)), "once");
        it.moved((30, 0), at(10_000));
        it.moved((30, 5), at(10_400));
        assert!(!it.is_mute(at(60_000)), "it was answered");
        assert_eq!(it.bytes(), (30, 5));
    }

    #[test]
    fn a_connection_that_lasts_has_one_line_before_its_end() {
        let start = clock::now();
        let at = |time| start + millis(time);
        let mut opening = Lifetime::new(limits(), start);
        assert!(!opening.has_lasted(at(60_000)), "there is no server to tell of");
        let mut it = open(start);
        assert!(!it.has_lasted(at(4_999)) && !it.take_early_line());
        assert!(it.has_lasted(at(5_000)));
        assert!(!it.has_lasted(at(5_001)), "its task is woken once");
        assert!(it.take_early_line());
        assert!(!it.take_early_line() && !it.has_lasted(at(9_000)));
        let mut never = open(start);
        never.limit(Limits { silent: None, ..limits() });
        assert!(!never.has_lasted(at(60_000)));
    }

    #[test]
    fn the_deadline_is_the_first_moment_with_another_answer() {
        let start = clock::now();
        let at = |time| Some(start + millis(time));
        let mut it = Lifetime::new(limits(), start);
        assert_eq!(it.deadline(), None);
        it.connected(start + millis(100));
        assert_eq!(it.deadline(), at(2_100), "idle");
        it.moved((1, 0), start + millis(1_000));
        assert_eq!(it.deadline(), at(1_500), "the server's answer");
        it.moved((1, 1), start + millis(1_200));
        assert_eq!(it.deadline(), at(3_200), "idle, anew");
        it.half_closed();
        assert_eq!(it.deadline(), at(2_200));
        it.moved((1, 2), start + millis(4_500));
        assert_eq!(it.deadline(), at(5_000), "its early line");
        assert!(it.has_lasted(start + millis(5_000)));
        assert_eq!(it.deadline(), at(5_500));
    }
}
