//! Checks one server, again and again.
//!
//! A task for each server. Owns: nothing between two checks. Stops: by abort.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::outcome::{CheckId, Outcome, Report, Reported, Verdict};
use super::registry::effect::Settings;
use crate::clock;
use crate::net::certificate::Certificate;
use crate::plan::backend::Server;

/// Clients' failing connections bring no checks closer to each other.
const LEAST: Duration = Duration::from_millis(50);

/// Checks one server.
#[derive(Debug)]
pub(super) struct CheckLoop {
    pub(super) id: CheckId,
    pub(super) server: Arc<Server>,
    pub(super) settings: watch::Receiver<Settings>,
    pub(super) reports: mpsc::Sender<Report>,
    /// Whether to demand a sign of life: it was found to stand still.
    thorough: bool,
    /// The certificate that it showed last.
    shown: Option<Shown>,
    /// Of this start only: nobody can make two certificates that look alike.
    hasher: RandomState,
}

/// What a certificate says, and by what another one is told from it: not by all of it, which may be long.
#[derive(Debug)]
struct Shown {
    hash: u64,
    says: Arc<Certificate>,
}

impl CheckLoop {
    pub(super) fn new(
        id: CheckId,
        server: Arc<Server>,
        settings: watch::Receiver<Settings>,
        reports: mpsc::Sender<Report>,
    ) -> Self {
        Self {
            id,
            server,
            settings,
            reports,
            thorough: false,
            shown: None,
            hasher: RandomState::new(),
        }
    }

    /// Checks, the first time after `delay`. A check that takes longer delays the next.
    pub(super) async fn run(mut self, delay: Duration) {
        sleep(delay).await;
        loop {
            let began = clock::deadline_in(Duration::ZERO);
            let outcome = self.once(self.thorough).await;
            self.server.counters.checks.observe(began.elapsed());
            self.thorough &= outcome.verdict != Verdict::Pass;
            if self.report(outcome, false).await.is_none() || self.rest(began).await.is_none() {
                return;
            }
        }
    }

    /// Waits for the time of the next check, which clients' troubles may bring forward. None when
    /// nobody wants to know any more.
    async fn rest(&mut self, began: Instant) -> Option<()> {
        loop {
            let pace = self.settings.borrow_and_update().pace;
            tokio::select! {
                biased;
                () = self.server.counters.suspected() => {
                    let words = "clients' connections to it fail";
                    self.report(Outcome::dead(words), false).await?;
                    sleep_until(began + LEAST).await;
                    return Some(());
                }
                () = self.server.counters.found_mute() => self.listen().await?,
                () = sleep_until(began + pace) => return Some(()),
                changed = self.settings.changed() => changed.ok()?,
            }
        }
    }

    /// Looks whether a server stands still to which a client speaks in vain. Where it does not, the
    /// answer to that client takes its time.
    async fn listen(&mut self) -> Option<()> {
        let mut outcome = self.once(true).await;
        if outcome.verdict == Verdict::Dead {
            self.thorough = true;
            outcome.words =
                format!("clients hear nothing from it, and checks neither: {}", outcome.words);
            self.report(outcome, true).await?;
        }
        Some(())
    }

    async fn once(&self, thorough: bool) -> Outcome {
        let check = Arc::clone(&self.settings.borrow().check);
        check.run(&self.server.located, self.server.source, thorough).await
    }

    async fn report(&mut self, mut outcome: Outcome, confirmed: bool) -> Option<()> {
        let certificate = outcome.certificate.take().and_then(|der| self.read(&der));
        let what = Reported::Checked { outcome, certificate, confirmed };
        self.reports.send(Report { id: self.id, what }).await.ok()
    }

    /// What a certificate says. It is read once: mostly it is the one of the check before.
    fn read(&mut self, der: &CertificateDer<'static>) -> Option<Arc<Certificate>> {
        let hash = self.hasher.hash_one(der.as_ref());
        if self.shown.as_ref().is_none_or(|shown| shown.hash != hash) {
            let says = Certificate::read(der).map(Arc::new);
            self.shown = says.map(|says| Shown { hash, says });
        }
        self.shown.as_ref().map(|shown| Arc::clone(&shown.says))
    }
}
