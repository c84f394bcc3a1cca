//! Keeps the kernel's addresses as the election wants them.
//!
//! One keeper for each router. It owns nothing but its place: netlink, announcer and link are shared.
//! Stops: when its wish closes, after releasing. Cancel-safe: yes, a cut-off change is redone at the
//! next start, where leftovers are known by their tag.
//!
//! It runs on another thread than the adverts: a netlink request waits in the kernel for whoever
//! holds its lock, and no advert may wait with it. Yet a lease is renewed only as long as the advert
//! thread's pulse is fresh, so that a daemon that no longer advertises loses its addresses.

mod burst;
mod virtual_link;

use std::sync::Arc;
use std::time::{Duration, Instant};

use shared::config::Lease;
use shared::link::{Ownership, OwnershipState};
use shared::{InterfaceName, RouterId, VirtualAddress};
use tokio::sync::{broadcast, watch};
use tracing::{info, warn};

use self::burst::Burst;
use self::virtual_link::LinkState;
use crate::clock::{now, sleep_until};
use crate::election::Release;
use crate::io::addresses::{AddressError, Addresses, Target};
use crate::io::announce::{Announcer, station};
use crate::io::interfaces::Interfaces;
use crate::io::links::{Gone, Links};
use crate::io::macvlan::{Macvlan, Macvlans};
use crate::link::Hub;
use crate::wish::{Wanted, Wish};

/// How long the addresses stay after another router was heard: its announcement reaches everyone
/// meanwhile, so that no packet comes to nobody.
const RELIEF_HOLD: Duration = Duration::from_millis(10);

/// How soon a failed change is tried again.
const RETRY: Duration = Duration::from_millis(100);

/// A lease is renewed when this part of it has passed.
const RENEWALS_PER_LEASE: u32 = 4;

/// What is to be kept, as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Where.
    pub interface: InterfaceName,
    /// What that interface has to be, if it is one for a virtual MAC address.
    pub link: Option<Macvlan>,
    /// What.
    pub addresses: Vec<VirtualAddress>,
    /// How long the kernel keeps them without us.
    pub lease: Lease,
    /// They are this node's own (priority 255): what is there from others stays there.
    pub owner: bool,
}

/// What all keepers share.
#[derive(Clone)]
pub struct Means {
    /// Changes addresses.
    pub addresses: Addresses,
    /// Changes links for virtual MAC addresses.
    pub macvlans: Macvlans,
    /// Announces them.
    pub announcer: Arc<Announcer>,
    /// Tells of interfaces and of addresses that vanish.
    pub links: Links,
    /// Tells the proxies.
    pub hub: Hub,
    /// When the advert thread was last alive.
    pub pulse: watch::Receiver<Instant>,
}

/// Keeps one router's addresses.
pub struct AddressKeeper {
    router: RouterId,
    wish: watch::Receiver<Wish>,
    plan: watch::Receiver<Plan>,
    means: Means,
    interfaces: watch::Receiver<Arc<Interfaces>>,
    gone: broadcast::Receiver<Gone>,
    holding: Option<Holding>,
    link_state: LinkState,
}

/// Addresses that are in the kernel.
struct Holding {
    target: Target,
    plan: Plan,
    renewed_at: Instant,
    /// When to try again what failed.
    retry_at: Option<Instant>,
    burst: Burst,
    announcements: u64,
}

impl Holding {
    /// Time between renewals of the leases, if there are leases.
    fn renewal_pause(&self) -> Option<Duration> {
        match self.plan.lease {
            Lease::Off => None,
            Lease::Seconds(seconds) => {
                Some(Duration::from_secs(seconds.get().into()) / RENEWALS_PER_LEASE)
            }
        }
    }

    /// When the leases are to be renewed.
    fn renew_at(&self) -> Option<Instant> {
        Some(self.renewed_at + self.renewal_pause()?)
    }
}

impl AddressKeeper {
    /// A keeper that holds nothing yet.
    #[must_use]
    pub fn new(
        router: RouterId,
        wish: watch::Receiver<Wish>,
        plan: watch::Receiver<Plan>,
        means: Means,
    ) -> Self {
        let (gone, interfaces) = (means.links.gone(), means.links.interfaces.clone());
        let link_state = LinkState::default();
        Self { router, wish, plan, means, interfaces, gone, holding: None, link_state }
    }

    /// Runs until the wish closes.
    pub async fn run(mut self) {
        loop {
            self.have_link().await;
            let wish = *self.wish.borrow_and_update();
            match wish.wanted {
                Wanted::Hold => self.hold(wish).await,
                Wanted::Release(release) => self.release(release).await,
            }
            if !self.wait().await {
                break;
            }
        }
        self.release(Release::AtOnce).await;
        self.remove_link().await;
    }

    /// Waits until there may be something to do; false once nobody wishes any more.
    async fn wait(&mut self) -> bool {
        let holding = self.holding.as_ref();
        let announce_at = holding.map(|holding| holding.burst.next());
        let retry_at = holding.and_then(|holding| holding.retry_at);
        let link_retry_at = self.link_state.retry_at;
        let renew_at = holding.and_then(Holding::renew_at);
        // The advert thread hangs: its first beat counts. Otherwise nobody is woken by beats.
        let overdue = renew_at.is_some_and(|at| now() >= at);
        tokio::select! {
            biased;
            changed = self.wish.changed() => return changed.is_ok(),
            gone = self.gone.recv() => self.noticed(gone.ok()),
            Ok(()) = self.plan.changed() => {}
            Ok(()) = self.means.pulse.changed(), if overdue => {}
            () = sleep_until(renew_at), if renew_at.is_some() && !overdue => {}
            Ok(()) = self.interfaces.changed() => {}
            () = sleep_until(announce_at), if announce_at.is_some() => {}
            () = sleep_until(retry_at), if retry_at.is_some() => {}
            () = sleep_until(link_retry_at), if link_retry_at.is_some() => {}
        }
        true
    }

    /// An address vanished, or so many that we lost count (none).
    fn noticed(&mut self, gone: Option<Gone>) {
        let Some(holding) = &mut self.holding else { return };
        let Some(gone) = gone else {
            holding.retry_at = Some(now());
            return;
        };
        let ours = holding.plan.addresses.iter().any(|address| address.ip() == gone.ip);
        let interfaces = self.interfaces.borrow();
        let back = interfaces.named(&holding.target.interface).is_some_and(|i| i.has(gone.ip));
        if ours && !back && gone.index == holding.target.index {
            let (router, interface) = (&self.router, &holding.target.interface);
            warn!(%router, address = %gone.ip, %interface, "a virtual address was deleted: adding it again");
            holding.retry_at = Some(now());
        }
    }

    async fn hold(&mut self, wish: Wish) {
        let plan = self.plan.borrow_and_update().clone();
        let Some(target) = self.target(&plan.interface) else {
            // The interface is gone, and the addresses with it.
            if self.holding.take().is_some() {
                self.tell(&plan, OwnershipState::Backup).await;
            }
            return;
        };
        let fits = self.holding.as_ref().is_some_and(|h| h.target == target && h.plan == plan);
        if !fits {
            self.let_go_of_what_left_the_plan(&plan, &target).await;
            self.claim(target, plan, wish).await;
            return;
        }
        self.renew().await;
        self.announce(wish);
    }

    /// The interface, if it is there.
    fn target(&mut self, interface: &InterfaceName) -> Option<Target> {
        let interfaces = self.interfaces.borrow_and_update();
        let index = interfaces.named(interface)?.index;
        let bare = self.plan.borrow().link.is_some();
        Some(Target { interface: interface.clone(), index, bare })
    }

    async fn claim(&mut self, target: Target, plan: Plan, wish: Wish) {
        let began = now();
        let raised = self.raise_link(&plan).await;
        let added = self.add_all(&target, &plan).await;
        let retry_at = raised.or(added);
        let holding = Holding {
            target,
            plan,
            renewed_at: began,
            retry_at,
            burst: Burst::begin(now()),
            announcements: wish.announcements,
        };
        info!(
            router = %self.router,
            addresses = %Listed(&holding.plan.addresses),
            interface = %holding.target.interface,
            micros = now().duration_since(began).as_micros(),
            "holds the addresses"
        );
        self.tell(&holding.plan, OwnershipState::Active).await;
        self.holding = Some(holding);
        self.announce(wish);
    }

    /// Adds or renews all; returns when to try again, if something failed.
    async fn add_all(&self, target: &Target, plan: &Plan) -> Option<Instant> {
        let mut retry_at = None;
        for address in &plan.addresses {
            if plan.owner && self.is_there_from_others(target, *address) {
                continue;
            }
            if let Err(error) = self.means.addresses.add(target, *address, plan.lease).await {
                warn!(router = %self.router, %error, "cannot hold an address; trying again in {RETRY:?}");
                retry_at = Some(now() + RETRY);
            }
        }
        retry_at
    }

    fn is_there_from_others(&self, target: &Target, address: VirtualAddress) -> bool {
        let interfaces = self.interfaces.borrow();
        let interface = interfaces.named(&target.interface);
        interface.is_some_and(|interface| interface.has_from_others(address.ip()))
    }

    /// Starts the leases anew, if it is time and the advert thread lives; adds what vanished.
    async fn renew(&mut self) {
        let Some(mut holding) = self.holding.take() else { return };
        let now = now();
        let retry = holding.retry_at.is_some_and(|at| now >= at);
        let pulse = *self.means.pulse.borrow_and_update();
        let due = holding.renewal_pause().is_some_and(|pause| {
            // A pulse that is older than a renewal's pause is of a thread that hangs.
            let alive = now.saturating_duration_since(pulse) < pause;
            alive && now >= holding.renewed_at + pause
        });
        if retry || due {
            let raised = if retry { self.raise_link(&holding.plan).await } else { None };
            let added = self.add_all(&holding.target, &holding.plan).await;
            holding.retry_at = raised.or(added);
            holding.renewed_at = now;
        }
        if retry {
            holding.burst = Burst::begin(now);
        }
        self.holding = Some(holding);
    }

    fn announce(&mut self, wish: Wish) {
        let Some(holding) = &mut self.holding else { return };
        let now = now();
        if holding.announcements != wish.announcements {
            holding.announcements = wish.announcements;
            holding.burst.again(now);
        }
        if now < holding.burst.next() {
            return;
        }
        holding.burst.sent(now);
        let (router, interface) = (&self.router, &holding.target.interface);
        let announced = station(interface, router.family).and_then(|station| {
            let mut addresses = holding.plan.addresses.iter();
            addresses.try_for_each(|address| self.means.announcer.announce(address.ip(), &station))
        });
        if let Err(error) = announced {
            warn!(%router, %interface, %error, "cannot announce the addresses; hosts may still look for them elsewhere");
        }
    }

    /// Lets go of everything: whoever is connected is reset first, for afterwards no packet leaves.
    async fn release(&mut self, release: Release) {
        let Some(holding) = self.holding.take() else { return };
        if release == Release::Relieved && self.wanted_again_within(RELIEF_HOLD).await {
            self.holding = Some(holding);
            return;
        }
        self.means.hub.release(self.ownership(&holding.plan, OwnershipState::Releasing)).await;
        if self.is_wanted() {
            self.tell(&holding.plan, OwnershipState::Active).await;
            self.holding = Some(holding);
            return;
        }
        self.remove_all(&holding.target, &holding.plan.addresses).await;
        self.lower_link(&holding.plan).await;
        self.tell(&holding.plan, OwnershipState::Backup).await;
        info!(router = %self.router, addresses = %Listed(&holding.plan.addresses), "released the addresses");
    }

    /// Sleeps, unless the addresses are wanted again meanwhile.
    async fn wanted_again_within(&mut self, time: Duration) -> bool {
        let wish = &mut self.wish;
        let wanted = async {
            if wish.wait_for(|wish| wish.wanted == Wanted::Hold).await.is_err() {
                // The election has ended: nobody will want them again.
                std::future::pending::<()>().await;
            }
        };
        tokio::time::timeout(time, wanted).await.is_ok()
    }

    fn is_wanted(&self) -> bool {
        self.wish.has_changed().is_ok() && self.wish.borrow().wanted == Wanted::Hold
    }

    async fn remove_all(&self, target: &Target, addresses: &[VirtualAddress]) {
        for address in addresses {
            if let Err(error) = self.remove(target, *address).await {
                // The lease takes it away; without one the next start does.
                warn!(router = %self.router, %error, "cannot remove an address; the kernel does when its lease ends");
            }
        }
    }

    async fn remove(&self, target: &Target, address: VirtualAddress) -> Result<(), AddressError> {
        if self.is_there_from_others(target, address) {
            return Ok(());
        }
        self.means.addresses.remove(target, address).await
    }

    /// A reload took addresses away, or moved them to another interface.
    async fn let_go_of_what_left_the_plan(&mut self, plan: &Plan, target: &Target) {
        let Some(holding) = self.holding.take() else { return };
        let stays = |address: &VirtualAddress| {
            holding.target == *target && plan.addresses.contains(address)
        };
        let left: Vec<_> = holding.plan.addresses.iter().copied().filter(|a| !stays(a)).collect();
        if left.is_empty() {
            return;
        }
        let leaving = Plan { addresses: left, ..holding.plan };
        self.means.hub.release(self.ownership(&leaving, OwnershipState::Releasing)).await;
        self.remove_all(&holding.target, &leaving.addresses).await;
    }

    async fn tell(&self, plan: &Plan, state: OwnershipState) {
        self.means.hub.tell(self.ownership(plan, state)).await;
    }

    fn ownership(&self, plan: &Plan, state: OwnershipState) -> Ownership {
        let addresses = plan.addresses.iter().map(|address| address.ip()).collect();
        Ownership { router: self.router.clone(), addresses, state }
    }
}

/// Addresses with commas between.
struct Listed<'a>(&'a [VirtualAddress]);

impl std::fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (position, address) in self.0.iter().enumerate() {
            let comma = if position == 0 { "" } else { ", " };
            write!(f, "{comma}{address}")?;
        }
        Ok(())
    }
}
