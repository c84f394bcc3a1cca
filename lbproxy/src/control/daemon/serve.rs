//! What comes over the channels: which of them there are, and what is answered.

use std::io;
use std::os::unix::net::UnixStream as StdStream;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use process::channels::Channel;
use process::messages::line;
use tokio::net::UnixStream;
use tracing::warn;

use super::Daemon;
use crate::clock;
use crate::control::questions::{self, Asked};
use crate::control::status::{Request, Status, Usage};

impl Daemon {
    /// Serves those that came before there was a runtime.
    pub(super) fn serve_all(&mut self, channels: Vec<(Channel, StdStream)>) -> io::Result<()> {
        for (channel, stream) in channels {
            stream.set_nonblocking(true)?;
            self.serve(channel, UnixStream::from_std(stream)?);
        }
        Ok(())
    }

    /// Serves our end of a channel that the supervisor made.
    pub(super) fn serve(&mut self, channel: Channel, stream: UnixStream) {
        match channel {
            Channel::Health => {
                if self.streams.try_send(stream).is_err() {
                    warn!("closing a channel to vrrpd: there are more than one by one");
                }
            }
            Channel::AskLbproxy => {
                drop(tokio::spawn(questions::console(stream, self.ask.clone())));
            }
            Channel::Handoff => {
                drop(tokio::spawn(questions::successor(stream, self.ask.clone())));
            }
            Channel::Scripts | Channel::Events | Channel::AskVrrpd => {
                warn!(?channel, "closing a channel: it is not for lbproxy");
            }
        }
    }

    pub(super) fn answer(&mut self, asked: Asked) {
        let now = clock::now();
        match asked {
            Asked::Request(request, reply) => {
                let answer = self.answered(request, now);
                // The console may have died.
                drop(reply.send(answer));
            }
            Asked::TakeOver(reply) => drop(reply.send(self.hand_over())),
            Asked::Retire => self.retire(now),
        }
    }

    fn answered(&mut self, request: Request, now: Instant) -> Vec<u8> {
        match request {
            Request::Status => {
                let dropped = self.log.dropped();
                let alive = *self.alive.borrow();
                let in_use = self.workers.iter().map(|worker| &worker.in_use);
                let usage = in_use.fold(Usage::default(), |usage, one| one.add_to(usage));
                let status = self.control.status(self.started, now, dropped, alive);
                let loads = self.workers.iter().map(|worker| worker.load.load(Ordering::Relaxed));
                let connections_per_worker = loads.collect();
                line(&Status { usage, connections_per_worker, ..status })
            }
            Request::Server { proxy, server, order, for_ms } => {
                let time = for_ms.map(Duration::from_millis);
                line(&self.control.order(&proxy, &server, (order, time), now))
            }
            Request::ShutdownSessions { proxy, server } => {
                line(&self.control.shutdown_sessions(&proxy, server.as_ref()))
            }
        }
    }
}
