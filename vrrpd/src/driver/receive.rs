//! Takes packets from the ports: each goes to the router it is meant for, or is counted.

use std::net::IpAddr;
use std::time::Duration;

use vrrp::wire::{Datagram, Discard, Excerpt, Heard, Rejected, validate};

use super::Driver;
use crate::clock::{now, pause_until};
use crate::io::port::Port;

/// Packets taken from a port before the deadlines are looked at again: under a millisecond of work.
const BATCH: usize = 64;

/// Batches that are taken before a Backup believes in silence: what 255 routers say in three intervals.
const BATCHES: usize = 16;

/// Packets that come thicker than this are taken several at a time.
const GATHER: Duration = Duration::from_micros(500);

/// A packet that failed a check.
struct Refused {
    rejected: Rejected,
    excerpt: Excerpt,
    source: Option<IpAddr>,
}

impl Driver {
    /// Packets have come. Where they come thick, a moment is waited for more of them: to be woken by
    /// each costs several times what taking it does.
    pub(super) fn listen(&mut self, port: usize) {
        let moment = now();
        if self.heard_at.is_some_and(|at| moment < at + GATHER) {
            let until = moment + GATHER;
            pause_until(self.next_deadline().map_or(until, |deadline| deadline.min(until)));
            self.tick_those_relied_on();
        }
        self.receive(port);
        self.heard_at = Some(now());
    }

    /// Takes all that has arrived, within limits.
    pub(super) fn catch_up(&mut self, port: usize) {
        for _ in 0..BATCHES {
            if self.receive(port) < BATCH {
                return;
            }
            self.tick_those_relied_on();
        }
    }

    /// Takes a batch of packets from a port; returns how many there were.
    fn receive(&mut self, position: usize) -> usize {
        for count in 0..BATCH {
            let Some(port) = self.ports.at(position) else { return count };
            let received = port.receive(|datagram| self.check(position, port, datagram));
            match received {
                Ok(Some(Ok((router, heard)))) => self.heard(router, &heard),
                Ok(Some(Err(refused))) => self.refuse(position, refused),
                // An error is such as "network is down": the interface's state comes by netlink.
                Ok(None) | Err(_) => return count,
            }
        }
        BATCH
    }

    /// Whom a packet that came to the port at `position` is for, or what is wrong with it.
    fn check(
        &self,
        position: usize,
        port: &Port,
        datagram: Result<Datagram<'_>, Discard>,
    ) -> Result<(usize, Heard), Refused> {
        let datagram = datagram.map_err(|discard| {
            let rejected = Rejected { router: None, discard };
            Refused { rejected, excerpt: Excerpt::default(), source: None }
        })?;
        let accepted = validate::accept(&datagram, |vrid| {
            let router = self.directory.find(position, vrid)?;
            Some((router, self.routers.get(router)?.core().expectation()))
        });
        accepted.map_err(|rejected| {
            let excerpt = Excerpt::of(datagram.message, port.family());
            Refused { rejected, excerpt, source: Some(datagram.source) }
        })
    }

    fn heard(&mut self, router: usize, heard: &Heard) {
        if let Some(router) = self.routers.get_mut(router) {
            router.heard(heard, &mut self.lines, now(), &self.ports);
        }
    }

    fn refuse(&mut self, port: usize, refused: Refused) {
        let moment = now();
        let Refused { rejected: Rejected { router, discard }, excerpt, source } = refused;
        if let (Some(port), Some(source)) = (self.ports.at(port), source) {
            let log = self.rejected.of(router.is_some());
            log.note(port.interface(), source, discard, excerpt, moment);
        }
        match router.and_then(|position| self.routers.get_mut(position)) {
            Some(router) => router.discarded(discard, source, &mut self.lines, moment),
            // Another pair on the same network is no news.
            None => self.discards.count(discard),
        }
    }
}
