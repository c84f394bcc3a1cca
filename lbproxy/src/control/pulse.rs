//! Whether every worker's event loop still goes round.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info};

use crate::clock;

/// How often the beats are compared.
const LOOK: Duration = Duration::from_millis(25);

/// A worker without a beat for so long hangs: eight of its beats.
const STALE: Duration = Duration::from_millis(200);

/// When each worker was last seen to have beaten.
#[derive(Debug)]
struct Seen {
    beats: u64,
    at: Instant,
}

/// Compares the beats until nobody wants to know any more; tells whether all workers live.
pub(crate) async fn run(beats: Vec<Arc<AtomicU64>>, alive: watch::Sender<bool>) {
    let start = clock::now();
    let mut seen: Vec<Seen> = beats.iter().map(|_| Seen { beats: 0, at: start }).collect();
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !alive.is_closed() {
        look.tick().await;
        let counts: Vec<u64> = beats.iter().map(|beats| beats.load(Ordering::Relaxed)).collect();
        let hung = hung(&mut seen, &counts, clock::now());
        let changed = alive
            .send_if_modified(|alive| std::mem::replace(alive, hung.is_none()) != hung.is_none());
        match hung {
            Some(worker) if changed => {
                error!(worker, "hangs: no more heartbeats for vrrpd and vipd until it goes on");
            }
            None if changed => info!("every worker goes on"),
            _ => {}
        }
    }
}

/// The first worker that has not beaten for too long.
fn hung(seen: &mut [Seen], counts: &[u64], now: Instant) -> Option<usize> {
    for (seen, count) in seen.iter_mut().zip(counts) {
        if seen.beats != *count {
            *seen = Seen { beats: *count, at: now };
        }
    }
    seen.iter().position(|seen| now.saturating_duration_since(seen.at) > STALE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_stops_beating_is_named() {
        let start = clock::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut seen = vec![Seen { beats: 0, at: start }, Seen { beats: 0, at: start }];
        assert_eq!(hung(&mut seen, &[1, 1], at(25)), None);
        assert_eq!(hung(&mut seen, &[8, 1], at(200)), None);
        assert_eq!(hung(&mut seen, &[9, 1], at(226)), Some(1));
        assert_eq!(hung(&mut seen, &[10, 2], at(250)), None);
    }
}
