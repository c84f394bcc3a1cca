//! The last packets that were discarded, by who sent them: what an operator asks for when two nodes do
//! not understand each other.
//!
//! Whatever arrives, a log stays within a few hundred kilobytes: so many senders, so many entries of
//! each, so many addresses in an entry.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use process::recent::Recent;
use process::throttle::MINUTE;
use vocabulary::InterfaceName;

use crate::status::{Rejected, RejectedAdvert, RejectedSender};
use vrrp::wire::{Discard, Excerpt};

/// Entries kept of each sender.
const ENTRIES: usize = 32;

/// Senders kept; one makes room for another once it has been silent for a minute.
const SENDERS: usize = 16;

/// Two logs: other pairs on the link may be many, and shall not crowd out what concerns us.
#[derive(Debug, Default)]
pub(super) struct RejectedLogs {
    ours: RejectedLog,
    foreign: RejectedLog,
}

impl RejectedLogs {
    /// The log of packets that are, or are not, meant for a router of ours.
    pub(super) fn of(&mut self, ours: bool) -> &mut RejectedLog {
        if ours { &mut self.ours } else { &mut self.foreign }
    }

    pub(super) fn status(&self, now: Instant) -> Rejected {
        Rejected { ours: self.ours.status(now), foreign: self.foreign.status(now) }
    }
}

/// What was discarded of late.
#[derive(Debug)]
pub(super) struct RejectedLog {
    senders: Recent<(InterfaceName, IpAddr), Sender>,
}

#[derive(Debug, Default)]
struct Sender {
    total: u64,
    /// Latest first.
    entries: VecDeque<Entry>,
}

#[derive(Debug)]
struct Entry {
    discard: Discard,
    excerpt: Excerpt,
    times: u64,
    last: Instant,
}

impl Default for RejectedLog {
    fn default() -> Self {
        Self { senders: Recent::new(SENDERS, MINUTE) }
    }
}

impl RejectedLog {
    /// Notes a discarded packet. The same one again is counted, not repeated.
    pub(super) fn note(
        &mut self,
        interface: &InterfaceName,
        address: IpAddr,
        discard: Discard,
        excerpt: Excerpt,
        now: Instant,
    ) {
        let key = (interface.clone(), address);
        let Some(sender) = self.senders.get(key, now, Sender::default) else { return };
        sender.total += 1;
        match sender.entries.front_mut() {
            Some(entry) if entry.discard == discard && entry.excerpt == excerpt => {
                entry.times += 1;
                entry.last = now;
            }
            _ => {
                sender.entries.truncate(ENTRIES - 1);
                sender.entries.push_front(Entry { discard, excerpt, times: 1, last: now });
            }
        }
    }

    /// As it is told, who spoke last first.
    fn status(&self, now: Instant) -> Vec<RejectedSender> {
        let told = |((interface, address), sender, _): (&(InterfaceName, IpAddr), &Sender, _)| {
            let (interface, address, total) = (interface.clone(), *address, sender.total);
            let adverts = sender.entries.iter().map(|entry| entry.status(now)).collect();
            RejectedSender { interface, address, total, adverts }
        };
        self.senders.latest_first().map(told).collect()
    }
}

impl Entry {
    fn status(&self, now: Instant) -> RejectedAdvert {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let header = self.excerpt.header;
        RejectedAdvert {
            reason: self.discard.reason().to_owned(),
            explanation: self.discard.to_string(),
            times: self.times,
            ago_ms: millis(now.saturating_duration_since(self.last)),
            version: header.map(|header| header.version),
            vrid: header.map(|header| header.vrid),
            priority: header.map(|header| header.priority),
            interval_ms: header.map(|header| millis(header.interval)),
            auth_type: header.and_then(|header| header.auth_type),
            count: header.map(|header| header.count),
            addresses: self.excerpt.addresses.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use vocabulary::Family;

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a start for the virtual clock")]
    fn start() -> Instant {
        Instant::now()
    }

    /// VRID 10 with this priority, version 3, 1 s, 192.0.2.1.
    fn excerpt(priority: u8) -> Excerpt {
        Excerpt::of(&[0x31, 10, priority, 1, 0, 100, 0, 0, 192, 0, 2, 1], Family::Ipv4)
    }

    fn note(log: &mut RejectedLog, sender: [u8; 4], priority: u8, now: Instant) {
        let eth0 = InterfaceName::try_from("eth0").unwrap();
        let discard = Discard::OtherVersion { theirs: 3, ours: 2 };
        log.note(&eth0, sender.into(), discard, excerpt(priority), now);
    }

    #[test]
    fn tells_what_was_wrong_and_what_it_said() {
        let start = start();
        let mut log = RejectedLog::default();
        note(&mut log, [10, 0, 0, 1], 200, start);
        note(&mut log, [10, 0, 0, 1], 200, start + Duration::from_secs(1));
        let told = log.status(start + Duration::from_secs(3));
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].address.to_string(), told[0].total), ("10.0.0.1".to_owned(), 2));
        let expected = RejectedAdvert {
            reason: "other_version".to_owned(),
            explanation: "the peer speaks version 3, we speak version 2; set the same `version` on both nodes".to_owned(),
            times: 2,
            ago_ms: 2_000,
            version: Some(3),
            vrid: Some(10),
            priority: Some(200),
            interval_ms: Some(1_000),
            auth_type: None,
            count: Some(1),
            addresses: vec![IpAddr::from([192, 0, 2, 1])],
        };
        assert_eq!(told[0].adverts, [expected]);
    }

    #[test]
    fn keeps_the_last_32_of_each_sender() {
        let start = start();
        let mut log = RejectedLog::default();
        for priority in 0..100 {
            note(&mut log, [10, 0, 0, 1], priority, start);
        }
        let told = log.status(start);
        let priorities: Vec<u8> = told[0].adverts.iter().filter_map(|a| a.priority).collect();
        assert_eq!((priorities.len(), priorities[0], priorities[31]), (32, 99, 68));
        assert_eq!(told[0].total, 100);
    }

    #[test]
    fn a_crowd_drives_nobody_out_who_still_speaks() {
        let start = start();
        let mut log = RejectedLog::default();
        note(&mut log, [10, 0, 0, 1], 200, start);
        for last in 0..=255 {
            note(&mut log, [10, 0, 1, last], 200, start);
        }
        assert_eq!(log.status(start).len(), 16);
        // The crowd falls silent, the misunderstood node does not.
        let later = start + Duration::from_secs(60);
        note(&mut log, [10, 0, 0, 1], 200, later);
        for last in 0..=255 {
            note(&mut log, [10, 0, 2, last], 200, later);
        }
        let told = log.status(later);
        assert_eq!(told.len(), 16);
        assert!(told.iter().any(|sender| sender.address == IpAddr::from([10, 0, 0, 1])));
    }
}
