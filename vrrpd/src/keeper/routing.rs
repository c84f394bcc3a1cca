//! Adds and removes routes and rules in the kernel, after comparing.

use tracing::{info, warn};

use super::{AddressKeeper, RETRY};
use crate::clock::now;
use crate::io::routes::Routing;

impl AddressKeeper {
    /// From now on routes and rules are compared before they are believed in.
    pub(super) fn doubt_routing(&mut self) {
        if let Some(holding) = &mut self.holding {
            holding.routing_in_doubt = !holding.routing.is_empty();
        }
    }

    /// Adds the routes and rules that are not there; writes nothing if all are.
    pub(super) async fn correct_routing(&mut self) {
        let Some(holding) = self.holding.as_mut().filter(|holding| holding.routing_in_doubt) else {
            return;
        };
        holding.routing_in_doubt = false;
        let ours = match self.means.routes.ours().await {
            Ok(ours) => ours,
            Err(error) => {
                warn!(router = %self.router, %error, "cannot compare the routes");
                holding.retry_at = Some(now() + RETRY);
                return;
            }
        };
        for routing in holding.routing.iter().filter(|routing| !ours.has(routing)) {
            match self.means.routes.add(routing).await {
                Ok(()) => {
                    holding.refused.remove(&routing.to_string());
                    info!(router = %self.router, "added the {routing}");
                }
                Err(error) => {
                    if holding.refused.insert(routing.to_string()) {
                        warn!(router = %self.router, %error, "cannot have a route; trying again every {RETRY:?}");
                    }
                    holding.retry_at = Some(now() + RETRY);
                }
            }
        }
    }

    /// Removes routes and rules.
    pub(super) async fn remove_routing(&self, routing: impl Iterator<Item = &Routing>) {
        for routing in routing {
            if let Err(error) = self.means.routes.remove(routing).await {
                warn!(router = %self.router, %error, "cannot remove a route; the next start does");
            }
        }
    }
}
