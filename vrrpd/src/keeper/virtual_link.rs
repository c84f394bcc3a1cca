//! The link for a virtual MAC address: made when the router starts, up while it holds the addresses,
//! removed when it ends.
//!
//! Whatever is wrong with it shows at the start, not when the node shall take over; and a link that is
//! down answers nobody, whatever its parent goes through.

use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::{AddressKeeper, Holding, Plan, RETRY};
use crate::clock::now;
use vrrp::interfaces::Interfaces;
use crate::io::macvlan::Macvlan;

/// How soon a link that could not be made is tried again.
const MAKE_AGAIN: Duration = Duration::from_secs(1);

/// What became of the last attempt to make the link.
#[derive(Debug, Default)]
pub(super) struct LinkState {
    /// It succeeded.
    settled: bool,
    /// When to try again.
    pub(super) retry_at: Option<Instant>,
    /// What was said of it.
    told: Option<String>,
}

impl AddressKeeper {
    /// Makes the link unless it is there. The router takes part as long as it is.
    pub(super) async fn have_link(&mut self) {
        let Some(link) = self.plan.borrow().link.clone() else { return };
        let waits = self.link_state.retry_at.is_some_and(|at| now() < at);
        let there = is_there(&link, &self.interfaces.borrow());
        if waits || there && self.link_state.settled {
            return;
        }
        let (router, interface) = (&self.router, &link.name);
        match self.means.macvlans.ensure(&link).await {
            Ok(made) => {
                if made {
                    info!(%router, %interface, mac = %link.mac, "made the interface for the virtual MAC address");
                }
                self.link_state = LinkState { settled: true, ..LinkState::default() };
            }
            Err(error) => {
                let told = Some(error.to_string());
                if self.link_state.told != told {
                    warn!(%router, %error, "takes no part without an interface for its virtual MAC address; trying again every {MAKE_AGAIN:?}");
                }
                self.link_state =
                    LinkState { settled: false, retry_at: Some(now() + MAKE_AGAIN), told };
            }
        }
    }

    /// Brings the link up, if there is one; what fails is tried again.
    pub(super) async fn raise_link(&self, holding: &mut Holding) {
        let Some(link) = &holding.plan.link else { return };
        if let Err(error) = self.means.macvlans.raise(link).await {
            warn!(router = %self.router, %error, "cannot answer for the addresses; trying again in {RETRY:?}");
            holding.retry_at = Some(now() + RETRY);
        }
    }

    /// Brings the link down, if there is one.
    pub(super) async fn lower_link(&self, plan: &Plan) {
        let Some(link) = &plan.link else { return };
        if let Err(error) = self.means.macvlans.lower(&link.name).await {
            warn!(router = %self.router, %error, "the interface of the virtual MAC address stays up, without an address");
        }
    }

    /// Removes the link, if there is one: nobody needs it any more.
    pub(super) async fn remove_link(&self) {
        let Some(link) = self.plan.borrow().link.clone() else { return };
        let others = |name: &str| name != link.name.as_str();
        if let Err(error) = self.means.macvlans.remove_unless(others).await {
            warn!(router = %self.router, %error, "the next start removes it");
        }
    }
}

fn is_there(link: &Macvlan, interfaces: &Interfaces) -> bool {
    // Without the parent there is nothing to be made.
    let Some(parent) = interfaces.named(&link.parent) else { return true };
    interfaces
        .named(&link.name)
        .is_some_and(|found| found.upon == Some(parent.index) && found.mac == Some(link.mac))
}
