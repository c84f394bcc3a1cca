//! Adds, renews and removes addresses in the kernel.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Instant;

use config::Lease;
use process::messages::OwnershipState;
use tracing::warn;

use super::place::Held;
use super::{AddressKeeper, Holding, Plan, RETRY};
use crate::clock::now;
use crate::io::addresses::AddressError;
use crate::io::secondaries;

impl AddressKeeper {
    /// Adds an address and announces it; what the kernel refuses is tried again.
    pub(super) async fn add(&self, holding: &mut Holding, held: &Held, now: Instant) {
        holding.announcing.add(held, now);
        if holding.plan.owner && self.is_there_from_others(held) {
            return;
        }
        if let Some(own) = held.own_source
            && let Err(error) = self.means.addresses.add_own_source(&held.placed, own).await
        {
            // The address counts for more than what its clients here have as their source.
            warn!(router = %self.router, %error, "clients on this node will have the virtual address as their source");
        }
        if held.connects
            && held.ip().is_ipv4()
            && let Err(error) = secondaries::outlive_their_primary(&held.placed.config.interface)
        {
            warn!(router = %self.router, %error, "addresses that are added to a network after the virtual one may go with it");
        }
        if let Err(error) = self.put(&holding.plan, held, &mut holding.refused).await {
            warn!(router = %self.router, %error, "cannot hold an address; trying again in {RETRY:?}");
            holding.missing.insert(held.ip());
            holding.retry_at = Some(now + RETRY);
        }
    }

    /// Adds an address with what it brings along, or renews it.
    async fn put(
        &self,
        plan: &Plan,
        held: &Held,
        refused: &mut BTreeSet<String>,
    ) -> Result<(), AddressError> {
        let (placed, lease) = (&held.placed, plan.lease);
        self.give_source(plan, held, refused).await;
        self.means.addresses.add(placed, lease, held.connects).await?;
        if held.connects
            && held.ip().is_ipv6()
            && let Err(error) =
                self.means.routes.connect(placed.config.address, placed.index, lease).await
            && refused.insert(placed.config.address.network().to_string())
        {
            warn!(router = %self.router, %error, "cannot reach the network of an address");
        }
        Ok(())
    }

    /// Starts the leases anew, if it is time and the advert thread lives; adds what is missing.
    pub(super) async fn renew(&mut self) {
        let Some(mut holding) = self.holding.take() else { return };
        let now = now();
        if holding.retry_at.is_some_and(|at| now >= at) {
            holding.retry_at = None;
            Box::pin(self.raise_link(&mut holding)).await;
            let missing = std::mem::take(&mut holding.missing);
            let again: Vec<_> =
                holding.addresses.iter().filter(|h| missing.contains(&h.ip())).cloned().collect();
            for held in &again {
                Box::pin(self.add(&mut holding, held, now)).await;
            }
            holding.routing_in_doubt = true;
        }
        let pulse = *self.means.pulse.borrow_and_update();
        let due = holding.renewal_pause().is_some_and(|pause| {
            // A pulse that is older than a renewal's pause is of a thread that hangs.
            let alive = now.saturating_duration_since(pulse) < pause;
            alive && now >= holding.renewed_at + pause
        });
        if due {
            Box::pin(self.renew_all(&mut holding, now)).await;
        }
        self.holding = Some(holding);
    }

    /// Starts every lease anew.
    pub(super) async fn renew_all(&self, holding: &mut Holding, now: Instant) {
        holding.renewed_at = now;
        for held in &holding.addresses {
            if holding.plan.owner && self.is_there_from_others(held) {
                continue;
            }
            if let Err(error) = self.put(&holding.plan, held, &mut holding.refused).await {
                warn!(router = %self.router, %error, "cannot renew an address; trying again in {RETRY:?}");
                holding.missing.insert(held.ip());
                holding.retry_at = Some(now + RETRY);
            }
        }
    }

    /// A reload took addresses away, or moved them to another interface.
    pub(super) async fn release_and_remove(&self, left: &[Held]) {
        self.means.hub.release(self.ownership(left, OwnershipState::Releasing)).await;
        self.means.sockets.destroy(left.iter().map(Held::ip).collect()).await;
        self.remove_all(left).await;
    }

    pub(super) async fn remove_all(&self, addresses: &[Held]) {
        let leaving: Vec<IpAddr> = addresses.iter().map(Held::ip).collect();
        for held in addresses.iter().filter(|held| !self.is_there_from_others(held)) {
            let mut removed = self.means.addresses.remove(&held.placed).await;
            let own_source = held.own_source.filter(|_| !self.shares_subnet(held, &leaving));
            if let (Some(own), Ok(())) = (own_source, &removed) {
                removed = self.means.addresses.remove_own_source(&held.placed, own).await;
            }
            if let IpAddr::V6(ip) = held.ip()
                && held.gives_source
                && let Err(error) = self.means.routes.take_source(ip, held.placed.index).await
            {
                warn!(router = %self.router, %error, "cannot remove a local route; it expires");
            }
            self.disconnect(held, &leaving).await;
            if let Err(error) = removed {
                // The lease takes it away; without one the next start does.
                warn!(router = %self.router, %error, "cannot remove an address; the kernel does when its lease ends");
            }
        }
    }

    /// Removes the route to an IPv6 address's network, unless another one needs it.
    async fn disconnect(&self, held: &Held, leaving: &[IpAddr]) {
        let (address, index) = (held.placed.config.address, held.placed.index);
        if held.connects
            && held.ip().is_ipv6()
            && !self.shares_subnet(held, leaving)
            && let Err(error) = self.means.routes.disconnect(address, index).await
        {
            warn!(router = %self.router, %error, "cannot remove a connected route; it expires");
        }
    }

    /// Gives IPv6 clients of an address on this node the node's own as their source, for a lease.
    async fn give_source(&self, plan: &Plan, held: &Held, refused: &mut BTreeSet<String>) {
        // Without a lease nothing would end it after our death.
        let (IpAddr::V6(ip), Lease::Seconds(seconds)) = (held.ip(), plan.lease) else { return };
        let own = held.gives_source.then(|| self.own_source_v6(plan, held, ip)).flatten();
        let Some(own) = own else { return };
        let given = self.means.routes.give_source(ip, held.placed.index, own, seconds).await;
        if let Err(error) = given
            && refused.insert(ip.to_string())
        {
            warn!(router = %self.router, %error, "clients on this node will have the virtual address as their source");
        }
    }

    /// As the interfaces are now; what bears a virtual MAC address has no address of the node's.
    fn own_source_v6(&self, plan: &Plan, held: &Held, ip: Ipv6Addr) -> Option<Ipv6Addr> {
        let bare = held.placed.bare;
        let name = if bare { &plan.interface } else { &held.placed.config.interface };
        self.interfaces.borrow().named(name)?.own_source_v6_for(ip)
    }

    /// Whether one that stays is of its subnet: what makes it secondary, or connects it, does so for both.
    fn shares_subnet(&self, held: &Held, leaving: &[IpAddr]) -> bool {
        let interfaces = self.interfaces.borrow();
        let interface = interfaces.named(&held.placed.config.interface);
        interface.is_some_and(|i| i.shares_subnet(held.placed.config.address, leaving))
    }

    fn is_there_from_others(&self, held: &Held) -> bool {
        let interfaces = self.interfaces.borrow();
        let interface = interfaces.named(&held.placed.config.interface);
        interface.is_some_and(|interface| interface.has_from_others(held.ip()))
    }
}
