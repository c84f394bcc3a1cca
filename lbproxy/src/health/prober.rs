//! Checks one server, again and again.
//!
//! A task for each server. Owns: nothing between two checks. Stops: by abort.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::probe::{Found, Outcome, Probe, Target};
use super::{News, Verdict};
use crate::clock;
use crate::net::certificate::Certificate;
use crate::plan::backend::ServerCounters;

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
    pub(crate) results: mpsc::Sender<News>,
    /// Whether to demand a sign of life: it was found to stand still.
    pub(crate) thorough: bool,
    /// The certificate that it showed last.
    pub(crate) shown: Option<Shown>,
}

/// A certificate as it came, by which a new one is known, and what it says.
#[derive(Debug)]
pub(crate) struct Shown {
    der: CertificateDer<'static>,
    says: Arc<Certificate>,
}

impl Prober {
    /// Checks, the first time after `delay`. A check that takes longer delays the next.
    pub(crate) async fn run(mut self, delay: Duration) {
        let located = Arc::clone(&self.target.located);
        tokio::select! {
            never = located.keep() => match never {},
            () = self.check(delay) => {}
        }
    }

    async fn check(&mut self, delay: Duration) {
        sleep(delay).await;
        self.target.located.looked_up().await;
        loop {
            let began = clock::deadline_in(Duration::ZERO);
            let outcome = self.probe.check(&self.target, self.thorough).await;
            self.counters.checks.observe(began.elapsed());
            self.thorough &= outcome.verdict != Verdict::Pass;
            if self.tell(outcome, false).await.is_none() || self.rest(began).await.is_none() {
                return;
            }
        }
    }

    /// Waits for the time of the next check, which clients' troubles may bring forward. None when
    /// nobody wants to know any more.
    async fn rest(&mut self, began: Instant) -> Option<()> {
        loop {
            let pace = *self.pace.borrow_and_update();
            tokio::select! {
                biased;
                () = self.counters.suspected() => {
                    let words = "clients' connections to it fail";
                    self.tell(Outcome::dead(words), false).await?;
                    sleep_until(began + LEAST).await;
                    return Some(());
                }
                () = self.counters.found_mute() => self.listen().await?,
                () = sleep_until(began + pace) => return Some(()),
                changed = self.pace.changed() => changed.ok()?,
            }
        }
    }

    /// Looks whether a server stands still to which a client speaks in vain. Where it does not, the
    /// answer to that client takes its time.
    async fn listen(&mut self) -> Option<()> {
        let mut outcome = self.probe.check(&self.target, true).await;
        if outcome.verdict == Verdict::Dead {
            self.thorough = true;
            outcome.words =
                format!("clients hear nothing from it, and checks neither: {}", outcome.words);
            self.tell(outcome, true).await?;
        }
        Some(())
    }

    async fn tell(&mut self, mut outcome: Outcome, confirmed: bool) -> Option<()> {
        let certificate = outcome.certificate.take().and_then(|der| self.read(der));
        let found = Found { prober: self.number, outcome, certificate, confirmed };
        self.results.send(News::Checked(found)).await.ok()
    }

    /// What a certificate says. It is read once: mostly it is the one of the check before.
    fn read(&mut self, der: CertificateDer<'static>) -> Option<Arc<Certificate>> {
        if self.shown.as_ref().is_none_or(|shown| shown.der != der) {
            let says = Certificate::read(&der).map(Arc::new);
            self.shown = says.map(|says| Shown { der, says });
        }
        self.shown.as_ref().map(|shown| Arc::clone(&shown.says))
    }
}
