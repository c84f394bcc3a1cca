//! Somebody who follows what happens: a line for each occurrence, until one of the two has enough.
//!
//! Owns: the writing half of the connection. Stops: when the other side is gone or does not read, when
//! it fell behind, or with the daemon, whose last word it passes on.

use std::sync::Arc;
use std::time::Duration;

use process::messages::line;
use process::throttle::{MINUTE, SharedThrottle, Throttle};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tracing::warn;
use vocabulary::RouterId;

use crate::clock::now;
use crate::occurrence::{Occurrence, Standing};
use crate::status::{RouterStatus, Status};

/// How long a follower may take to read a line: whoever is behind by a full socket for so long is gone.
const READ_LIMIT: Duration = Duration::from_secs(30);

/// Those that were cut off, in the log.
static TOO_SLOW: SharedThrottle = SharedThrottle::new(Throttle::new(MINUTE));

/// A follower.
#[derive(Debug)]
pub struct Follower<W> {
    /// Where the lines go.
    pub writer: W,
    /// Subscribed before the status was asked for: nothing is missed.
    pub occurrences: Receiver<Arc<Occurrence>>,
}

impl<W: AsyncWrite + Unpin> Follower<W> {
    /// Tells how every router stands, and then what happens.
    pub async fn run(mut self, status: Status) {
        // What waits by now may have happened before the status was put together. Only that: a router
        // that a reload starts anew counts from 1 again.
        let mut doubtful = self.occurrences.len();
        let standings: Vec<Standing> = status.routers.iter().map(standing).collect();
        let known: Vec<(RouterId, u64)> =
            standings.iter().map(|standing| (standing.router.clone(), standing.number)).collect();
        for standing in standings {
            if !self.tell(&Occurrence::Stands(standing)).await {
                return;
            }
        }
        loop {
            let received = self.occurrences.recv().await;
            let is_old = doubtful > 0;
            doubtful = doubtful.saturating_sub(1);
            let (occurrence, last) = match received {
                Ok(occurrence) if is_old && is_known(&known, &occurrence) => continue,
                Ok(occurrence) => {
                    let last = *occurrence == Occurrence::Ended;
                    (occurrence, last)
                }
                Err(RecvError::Closed) => (Arc::new(Occurrence::Ended), true),
                Err(RecvError::Lagged(count)) => {
                    if let Some(times) = TOO_SLOW.take(now()) {
                        warn!(
                            missed = count,
                            times, "closing a follower of events: it reads too slowly"
                        );
                    }
                    (Arc::new(Occurrence::Missed { count }), true)
                }
            };
            if !self.tell(&occurrence).await || last {
                return;
            }
        }
    }

    /// Whether the other side still reads.
    async fn tell(&mut self, occurrence: &Occurrence) -> bool {
        let line = line(occurrence);
        let written = tokio::time::timeout(READ_LIMIT, self.writer.write_all(&line)).await;
        matches!(written, Ok(Ok(())))
    }
}

/// Whether a change is part of what was told at the start.
fn is_known(known: &[(RouterId, u64)], occurrence: &Occurrence) -> bool {
    let Occurrence::State(told) = occurrence else { return false };
    known.iter().any(|(router, last)| *router == told.router && told.change.number <= *last)
}

fn standing(router: &RouterStatus) -> Standing {
    Standing {
        router: router.id.clone(),
        number: router.transitions,
        state: router.state,
        priority: router.effective_priority,
        fault: router.source.is_none(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use process::messages::Lines;
    use tokio::io::{AsyncReadExt, DuplexStream, duplex};
    use vocabulary::{Family, InterfaceName, Name, Priority, Vrid};

    use super::*;
    use crate::occurrence::{Occurrences, StateChange};
    use crate::status::{Change, Evidence, Rejected};
    use vrrp::election::StateName;

    fn router() -> RouterId {
        RouterId { name: Name::try_from("api").unwrap(), family: Family::Ipv4 }
    }

    /// One Backup router whose state changed `transitions` times.
    fn status(transitions: u64) -> Status {
        let router = RouterStatus {
            id: router(),
            interface: InterfaceName::try_from("eth0").unwrap(),
            vrid: Vrid::try_from(51_i64).unwrap(),
            version: 3,
            state: StateName::Backup,
            since_ms: 0,
            transitions,
            contests: 0,
            priority: Priority::DEFAULT,
            effective_priority: Priority::DEFAULT,
            preempt_delay_ms: Some(0),
            advert_interval: vocabulary::AdvertInterval::DEFAULT,
            source: None,
            addresses: Vec::new(),
            deletions: 0,
            failing_hooks: Vec::new(),
            stale: Vec::new(),
            refused_routes: Vec::new(),
            timer_ms: None,
            lease_left_ms: None,
            active: None,
            trackers: Vec::new(),
            sent: 0,
            send_errors: 0,
            received: 0,
            discarded: BTreeMap::new(),
            conflicts: Vec::new(),
            mismatch: None,
            history: Vec::new(),
        };
        let (version, discarded) = (String::new(), BTreeMap::new());
        let (routers, rejected) = (vec![router], Rejected::default());
        let absent = Vec::new();
        Status {
            version,
            pid: 1,
            uptime_ms: 0,
            paused: false,
            routers,
            discarded,
            rejected,
            absent,
        }
    }

    fn change(number: u64) -> Occurrence {
        let change = Change {
            number,
            from: StateName::Backup,
            to: StateName::Active,
            reason: String::new(),
            cause: String::new(),
            evidence: Evidence { priority: Priority::DEFAULT, heard: None, lag_us: None },
            ago_ms: 0,
        };
        Occurrence::State(StateChange { router: router(), change })
    }

    /// Reads everything that is told, as the numbers of changes and the words of the rest.
    async fn told(mut reader: DuplexStream) -> Vec<String> {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).await.unwrap();
        let mut lines = Lines::default();
        lines.push(&bytes).unwrap();
        let mut told = Vec::new();
        while let Some(occurrence) = lines.message().unwrap() {
            told.push(match occurrence {
                Occurrence::Stands(standing) => format!("stands {}", standing.number),
                Occurrence::State(told) => format!("change {}", told.change.number),
                Occurrence::Missed { count } => format!("missed {count}"),
                Occurrence::Ended => "ended".to_owned(),
                Occurrence::Health(_) | Occurrence::Discard(_) | Occurrence::Contested(_) => {
                    "another".to_owned()
                }
            });
        }
        told
    }

    #[tokio::test]
    async fn what_the_status_knew_is_not_told_again() {
        let all = Occurrences::default();
        let (writer, reader) = duplex(64 * 1024);
        let follower = Follower { writer, occurrences: all.follow() };
        // Two changes came before the status was put together, one after it.
        (6..=8).for_each(|number| all.tell(|| change(number)));
        let task = tokio::spawn(follower.run(status(7)));
        tokio::task::yield_now().await;
        // A reload starts the router anew.
        all.tell(|| change(1));
        all.tell(|| Occurrence::Ended);
        let expected = ["stands 7", "change 8", "change 1", "ended"];
        assert_eq!(told(reader).await, expected);
        task.await.unwrap();
        all.nobody_follows().await;
    }

    #[tokio::test]
    async fn whoever_reads_too_slowly_is_told_and_left() {
        let all = Occurrences::default();
        // A pipe that is full after one line.
        let (writer, reader) = duplex(64);
        let follower = Follower { writer, occurrences: all.follow() };
        let task = tokio::spawn(follower.run(status(0)));
        tokio::task::yield_now().await;
        (1..=1030).for_each(|number| all.tell(|| change(number)));
        // The ring holds 1024.
        assert_eq!(told(reader).await, ["stands 0", "missed 6"]);
        task.await.unwrap();
    }
}
