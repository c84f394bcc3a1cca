//! A deadline that the kernel keeps: one wake, at its time.
//!
//! tokio's timers share a wheel. For what is more than 64 ms away it wakes the thread twice, once to turn
//! the wheel, and the second time up to a millisecond late. That is nothing where much happens, and half of
//! what an idle node does.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// One deadline.
#[derive(Debug)]
pub struct Alarm {
    /// A timerfd in a UDP socket's clothes: tokio offers no safe way to wait for another kind of
    /// descriptor. Only waiting goes through it.
    timer: UdpSocket,
    set_for: Option<Instant>,
}

impl Alarm {
    /// An alarm that is not set. Call it on a runtime.
    ///
    /// # Errors
    /// The system has no descriptor left.
    pub fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer: OwnedFd = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let timer = UdpSocket::from_std(std::net::UdpSocket::from(timer))?;
        Ok(Self { timer, set_for: None })
    }

    /// Waits until `at`, for ever where there is nothing to wait for; `now` is the time. Cancel-safe: the
    /// same deadline again costs nothing.
    pub async fn until(&mut self, at: Option<Instant>, now: Instant) {
        if at.is_some_and(|at| at <= now) {
            return;
        }
        if at != self.set_for {
            self.set_for = at;
            if self.set(at.map(|at| at.saturating_duration_since(now))).is_err() {
                // A time that the kernel cannot count to is as good as never.
                self.set_for = None;
                return std::future::pending().await;
            }
        }
        let mut expirations = [0; 8];
        let rung = self
            .timer
            .async_io(Interest::READABLE, || Ok(rustix::io::read(&self.timer, &mut expirations)?));
        if rung.await.is_err() {
            // It does not happen; were it to, nobody shall go round and round.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.set_for = None;
    }

    /// None stops it.
    fn set(&self, after: Option<Duration>) -> io::Result<()> {
        // Nothing would stop it.
        let after = after.map_or(Duration::ZERO, |after| after.max(Duration::from_nanos(1)));
        let it_value = Timespec::try_from(after).map_err(io::Error::other)?;
        let it_interval = Timespec { tv_sec: 0, tv_nsec: 0 };
        let once = Itimerspec { it_interval, it_value };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "it is about real time")]

    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    #[test]
    fn rings_at_its_time_and_not_before() {
        runtime().block_on(async {
            let mut alarm = Alarm::new().unwrap();
            for millis in [0, 1, 30, 100] {
                let start = Instant::now();
                let at = start + Duration::from_millis(millis);
                alarm.until(Some(at), start).await;
                assert!(Instant::now() >= at, "{millis} ms");
            }
            let now = Instant::now();
            alarm.until(Some(now), now + Duration::from_secs(1)).await;
        });
    }

    #[test]
    fn follows_another_deadline_and_forgets_it() {
        runtime().block_on(async {
            let mut alarm = Alarm::new().unwrap();
            let start = Instant::now();
            let at = |millis| Some(start + Duration::from_millis(millis));
            tokio::select! {
                biased;
                () = alarm.until(at(60_000), start) => panic!("too early"),
                () = std::future::ready(()) => {}
            }
            alarm.until(at(20), start).await;
            assert!(start.elapsed() < Duration::from_secs(50));
            tokio::select! {
                () = alarm.until(None, Instant::now()) => panic!("there was nothing to wait for"),
                () = tokio::time::sleep(Duration::from_millis(50)) => {}
            }
        });
    }
}
