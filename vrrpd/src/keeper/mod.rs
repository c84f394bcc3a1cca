//! Keeps the kernel's addresses as the election wants them.
//!
//! One keeper for each router. It owns nothing but its place: netlink, announcer and link are shared.
//! Stops: when its wish closes, after releasing. Cancel-safe: yes, a cut-off change is redone at the
//! next start, where leftovers are known by their tag.
//!
//! It runs on another thread than the adverts: a netlink request waits in the kernel for whoever
//! holds its lock, and no advert may wait with it. Yet a lease is renewed only as long as the advert
//! thread's pulse is fresh, so that a daemon that no longer advertises loses its addresses.

mod announcing;
mod burst;
mod deletions;
mod holding;
mod kernel;
mod place;
mod routing;
mod turns;
mod virtual_link;

use std::sync::Arc;
use std::time::{Duration, Instant};

use config::{Belongings, Lease};
use process::messages::{Ownership, OwnershipState};
use tokio::sync::{broadcast, watch};
use tracing::{info, warn};
use vocabulary::{InterfaceName, RouterId};

pub use self::burst::Schedule;
use self::deletions::{Deletions, Worth};
use self::holding::Holding;
pub use self::place::placed_routing;
use self::place::{Held, Listed, Places};
pub use self::turns::Turns;
use self::virtual_link::LinkState;
use crate::channels::Hub;
use crate::clock::{now, sleep_until};
use crate::io::addresses::Addresses;
use crate::io::announce::Announcer;
use crate::io::culprit::Culprit;
use crate::io::interfaces::Interfaces;
use crate::io::links::{Gone, Links};
use crate::io::macvlan::{Macvlan, Macvlans};
use crate::io::routes::Routes;
use crate::io::sockets::Sockets;
use vrrp::election::Release;
use vrrp::wish::{RELIEF_HOLD, Wanted, Wish};

/// How soon a failed change is tried again.
const RETRY: Duration = Duration::from_millis(100);

/// What is to be kept, as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Where the router speaks.
    pub interface: InterfaceName,
    /// The interface of its virtual MAC address, which has its addresses.
    pub link: Option<Macvlan>,
    /// What.
    pub belongings: Belongings,
    /// How long the kernel keeps the addresses without us.
    pub lease: Lease,
    /// They are this node's own (priority 255): what is there from others stays there.
    pub owner: bool,
    /// When they are announced.
    pub schedule: Schedule,
}

/// What all keepers share.
#[derive(Clone)]
pub struct Means {
    /// Changes addresses.
    pub addresses: Addresses,
    /// Changes links for virtual MAC addresses.
    pub macvlans: Macvlans,
    /// Changes routes and rules.
    pub routes: Routes,
    /// Resets other programs' connections.
    pub sockets: Sockets,
    /// Announces addresses.
    pub announcer: Arc<Announcer>,
    /// Whose turn it is to remind of addresses.
    pub turns: Turns,
    /// Tells of interfaces and of what vanishes.
    pub links: Links,
    /// Tells the proxies.
    pub hub: Hub,
    /// When the advert thread was last alive.
    pub pulse: watch::Receiver<Instant>,
}

/// What a keeper tells of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// How often others deleted an address.
    pub deletions: u64,
    /// When the kernel deletes the addresses, were nobody to renew their leases.
    pub lease_ends: Option<Instant>,
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
    deletions: Deletions,
    kept: watch::Sender<Kept>,
    /// Plan or interfaces changed since they were last compared with what is held.
    compare: bool,
}

impl AddressKeeper {
    /// A keeper that holds nothing yet. In `kept` it tells of itself.
    #[must_use]
    pub fn new(
        router: RouterId,
        wish: watch::Receiver<Wish>,
        plan: watch::Receiver<Plan>,
        means: Means,
        kept: watch::Sender<Kept>,
    ) -> Self {
        let (gone, interfaces) = (means.links.gone(), means.links.interfaces.clone());
        let deletions = Deletions::default();
        Self {
            router,
            wish,
            plan,
            means,
            interfaces,
            gone,
            holding: None,
            link_state: LinkState::default(),
            deletions,
            kept,
            compare: true,
        }
    }

    /// Runs until the wish closes.
    pub async fn run(mut self) {
        loop {
            // What is rare is large, and in a box: hundreds of keepers wait most of the time.
            Box::pin(self.have_link()).await;
            let wish = *self.wish.borrow_and_update();
            match wish.wanted {
                Wanted::Hold => self.hold(wish).await,
                Wanted::Release(release) => Box::pin(self.release(release)).await,
            }
            let lease_ends = self.holding.as_ref().and_then(Holding::lease_ends);
            self.kept.send_modify(|kept| kept.lease_ends = lease_ends);
            if !self.wait().await {
                break;
            }
        }
        Box::pin(self.release(Release::AtOnce)).await;
        Box::pin(self.remove_link()).await;
    }

    /// Waits until there may be something to do; false once nobody wishes any more.
    async fn wait(&mut self) -> bool {
        let holding = self.holding.as_ref();
        let announce_at = holding.and_then(|holding| holding.announcing.next());
        let retry_at = holding.and_then(|holding| holding.retry_at);
        let renew_at = holding.and_then(Holding::renew_at);
        let link_retry_at = self.link_state.retry_at;
        // The advert thread hangs: its first beat counts. Otherwise nobody is woken by beats.
        let overdue = renew_at.is_some_and(|at| now() >= at);
        tokio::select! {
            biased;
            changed = self.wish.changed() => return changed.is_ok(),
            gone = self.gone.recv() => self.noticed(gone.unwrap_or(Gone::Anything)),
            Ok(()) = self.plan.changed() => self.compare = true,
            Ok(()) = self.means.pulse.changed(), if overdue => {}
            () = sleep_until(renew_at), if renew_at.is_some() && !overdue => {}
            Ok(()) = self.interfaces.changed() => {
                self.compare = true;
                self.doubt_routing();
            }
            () = sleep_until(announce_at), if announce_at.is_some() => {}
            () = sleep_until(retry_at), if retry_at.is_some() => {}
            () = sleep_until(link_retry_at), if link_retry_at.is_some() => {}
        }
        true
    }

    /// Something vanished; whether it was ours is to be seen.
    fn noticed(&mut self, gone: Gone) {
        let Some(holding) = &mut self.holding else { return };
        match gone {
            Gone::Address { index, ip, by } => {
                let mut held = holding.addresses.iter().map(|held| &held.placed);
                let Some(placed) = held.find(|p| p.index == index && p.config.address.ip() == ip)
                else {
                    return;
                };
                let interface = &placed.config.interface;
                let interfaces = self.interfaces.borrow();
                if interfaces.named(interface).is_some_and(|interface| interface.has(ip)) {
                    return;
                }
                let router = &self.router;
                let culprit = Culprit::of(by);
                let worth = match culprit {
                    Culprit::Kernel => Worth::Note,
                    Culprit::Process { .. } | Culprit::Unknown => self.deletions.noticed(now()),
                };
                match worth {
                    Worth::Note => {
                        info!(%router, address = %ip, %interface, by = %culprit, "a virtual address was deleted: adding it again");
                    }
                    Worth::Warning => {
                        let told = culprit.told(interface, index);
                        warn!(%router, address = %ip, "a virtual address is deleted again and again, and added again: {told}");
                    }
                    Worth::Nothing => {}
                }
                self.kept.send_modify(|kept| kept.deletions = self.deletions.total());
                holding.missing.insert(ip);
                holding.retry_at = Some(now());
            }
            Gone::Anything => {
                holding.missing = holding.addresses.iter().map(Held::ip).collect();
                holding.retry_at = Some(now());
            }
            Gone::Routing => {}
        }
        // The kernel drops routes along with an address, and does not tell.
        self.doubt_routing();
    }

    async fn hold(&mut self, wish: Wish) {
        if self.compare || self.holding.is_none() {
            self.compare = false;
            let plan = self.plan.borrow_and_update().clone();
            let interfaces = self.interfaces.borrow_and_update().clone();
            if interfaces.named(&plan.interface).is_none() {
                // The interface is gone, and with it all that it had.
                if let Some(holding) = self.holding.take() {
                    Box::pin(self.let_go(&holding)).await;
                }
                return;
            }
            let places = Places::of(&plan, &interfaces);
            let fits = self.holding.as_ref().is_some_and(|h| h.plan == plan && places.fit(h));
            if !fits {
                Box::pin(self.change(plan, places, wish)).await;
            }
        }
        self.renew().await;
        if self.holding.as_ref().is_some_and(|holding| holding.routing_in_doubt) {
            Box::pin(self.correct_routing()).await;
        }
        self.announce(wish);
    }

    /// Goes over to `places` by difference: what is there and stays is not touched.
    async fn change(&mut self, plan: Plan, places: Places, wish: Wish) {
        let began = now();
        let before = self.holding.take();
        let first = before.is_none();
        let mut holding = before.unwrap_or_else(|| Holding::nothing(plan.clone(), wish, began));
        let left = places.left_over(&holding);
        self.remove_routing(holding.routing.iter().filter(|r| !places.routing.contains(r))).await;
        if !left.is_empty() {
            self.release_and_remove(&left).await;
        }
        self.remove_all(&places.unconnected(&holding)).await;
        let renew = holding.plan.lease != plan.lease || places.reconnect(&holding);
        holding.plan = plan;
        let sorted = places.sorted(&holding);
        if sorted.iter().any(|(_, new)| *new) {
            self.raise_link(&mut holding).await;
        }
        for (held, _) in sorted.iter().filter(|(_, new)| *new) {
            self.add(&mut holding, held, began).await;
        }
        holding.addresses = sorted.into_iter().map(|(held, _)| held).collect();
        if renew {
            self.renew_all(&mut holding, began).await;
        }
        holding.routing_in_doubt = holding.routing != places.routing;
        holding.routing = places.routing;
        if first {
            info!(
                router = %self.router,
                addresses = %Listed(&holding.addresses),
                interface = %holding.plan.interface,
                micros = now().duration_since(began).as_micros(),
                "holds the addresses"
            );
        }
        self.tell(&holding.addresses, OwnershipState::Active).await;
        self.holding = Some(holding);
    }

    /// Lets go of everything: whoever is connected is reset first, for afterwards no packet leaves.
    async fn release(&mut self, release: Release) {
        let Some(holding) = self.holding.take() else { return };
        if release == Release::Relieved && self.wanted_again_within(RELIEF_HOLD).await {
            self.holding = Some(holding);
            return;
        }
        self.means.hub.release(self.ownership(&holding.addresses, OwnershipState::Releasing)).await;
        if self.is_wanted() {
            self.tell(&holding.addresses, OwnershipState::Active).await;
            self.holding = Some(holding);
            return;
        }
        self.let_go(&holding).await;
        info!(router = %self.router, addresses = %Listed(&holding.addresses), "released the addresses");
    }

    /// Removes everything; the proxies' clients have been reset, and others' are.
    async fn let_go(&self, holding: &Holding) {
        self.means.sockets.destroy(holding.addresses.iter().map(Held::ip).collect()).await;
        self.remove_routing(holding.routing.iter()).await;
        // First, for a link that is up says goodbye to its addresses' multicast groups, from a MAC address
        // that is the peer's by now.
        self.lower_link(&holding.plan).await;
        self.remove_all(&holding.addresses).await;
        self.tell(&holding.addresses, OwnershipState::Backup).await;
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

    async fn tell(&self, addresses: &[Held], state: OwnershipState) {
        self.means.hub.tell(self.ownership(addresses, state)).await;
    }

    fn ownership(&self, addresses: &[Held], state: OwnershipState) -> Ownership {
        let addresses = addresses.iter().map(Held::ip).collect();
        Ownership { router: self.router.clone(), addresses, state }
    }
}
