//! The end: the addresses first, then the programs that served them.

use std::process::ExitCode;
use std::time::Duration;

use config::Config;
use sd_notify::NotifyState;
use tracing::{info, warn};
use vocabulary::RouterId;

use super::child::{Child, Program};
use super::{ENDED_AT_ONCE, LBPROXY_END, Supervisor, VRRPD_END, cleanup, notify};

impl Supervisor {
    /// The addresses go first, in order, while the proxy still serves; then the proxy.
    pub(super) async fn stop(mut self) -> ExitCode {
        info!("told to end: handing the addresses over, then ending the proxy");
        notify(&[NotifyState::Stopping]);
        let limit = VRRPD_END + relief(&self.config);
        let (vrrpd, lbproxy) = (self.vrrpd.child.take(), self.lbproxy.child.take());
        let retired =
            std::mem::take(&mut self.retired).into_iter().chain(self.lbproxy.elder.take());
        let in_order = async {
            let mut clean = end(vrrpd, limit, Program::Vrrpd).await;
            clean &= end(lbproxy, LBPROXY_END, Program::Lbproxy).await;
            for lbproxy in retired {
                end(Some(lbproxy), LBPROXY_END, Program::Lbproxy).await;
            }
            self.helpers.end().await;
            clean
        };
        let clean = tokio::select! {
            clean = in_order => clean,
            _ = self.terminate.recv() => return self.stop_at_once().await,
            _ = self.interrupt.recv() => return self.stop_at_once().await,
        };
        if !clean {
            self.release_everything().await;
            return ExitCode::FAILURE;
        }
        ExitCode::SUCCESS
    }

    /// Whoever was ending died with the future that waited for it.
    async fn stop_at_once(self) -> ExitCode {
        warn!("told to end again: ending everything at once");
        self.release_everything().await;
        ExitCode::from(ENDED_AT_ONCE)
    }

    async fn release_everything(&self) {
        let all: Vec<RouterId> = self.config.routers.iter().map(|r| r.id.clone()).collect();
        cleanup::release(&self.config, &all).await;
    }
}

/// Ends a child in order; tells whether it did.
async fn end(child: Option<Child>, limit: Duration, program: Program) -> bool {
    let Some(mut child) = child else { return true };
    let death = child.end(limit).await;
    let clean = death.is_clean();
    if !clean {
        warn!(%program, %death, "did not end in order");
    }
    clean
}

/// How long an Active router may wait for a peer to relieve it.
pub(super) fn relief(config: &Config) -> Duration {
    let longest = config.routers.iter().map(|router| router.advert_interval).max();
    longest.unwrap_or_default().duration().max(Duration::from_secs(1))
}
