//! Checks one server, again and again.
//!
//! A task for each server. Owns: nothing between two checks. Stops: by abort.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, sleep_until};

use super::probe::{Found, Outcome, Probe, Target};
use crate::backend::ServerCounters;
use crate::clock;

/// Clients' failing connections bring no checks closer to each other.
const LEAST: Duration = Duration::from_millis(50);

/// Checks one server.
#[derive(Debug)]
pub(crate) struct Prober {
    /// Tells its outcomes from those of its forerunners.
    pub(crate) number: u64,
    pub(crate) probe: Probe,
    pub(crate) target: Target,
    /// The time between the starts of two checks.
    pub(crate) pace: watch::Receiver<Duration>,
    /// What happens to clients' connections.
    pub(crate) counters: Arc<ServerCounters>,
    pub(crate) results: mpsc::Sender<Found>,
}

impl Prober {
    /// Checks, the first time after `delay`. A check that takes longer delays the next.
    pub(crate) async fn run(mut self, delay: Duration) {
        sleep(delay).await;
        loop {
            let began = clock::deadline_in(Duration::ZERO);
            let outcome = self.probe.check(self.target).await;
            if self.tell(outcome).await.is_none() {
                return;
            }
            loop {
                let pace = *self.pace.borrow_and_update();
                tokio::select! {
                    biased;
                    () = self.counters.suspected() => {
                        let words = "clients' connections to it fail";
                        if self.tell(Outcome::dead(words)).await.is_none() {
                            return;
                        }
                        sleep_until(began + LEAST).await;
                        break;
                    }
                    () = sleep_until(began + pace) => break,
                    changed = self.pace.changed() => if changed.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// None when nobody wants to know any more.
    async fn tell(&self, outcome: Outcome) -> Option<()> {
        self.results.send(Found { prober: self.number, outcome }).await.ok()
    }
}
