//! The running routers: each an election on the advert thread and a reconciler of its addresses here.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use config::{Config, Dialect, RouterConfig};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{info, warn};
use vocabulary::{InterfaceName, RouterId};

use crate::driver::{AllSurroundings, Handle, NewRouter};
use crate::reconciler::{AddressReconciler, Handles, Managed};
use vrrp::desired::{DesiredState, Ownership};
use vrrp::interfaces::Interfaces;
use vrrp::reconciler::{Plan, Routing, placed_routing};
use vrrp::router::{Core, Place, Surroundings};
use vrrp::tracking::Tracking;
use vrrp::wire::virtual_mac::virtual_mac;

/// Every running router.
pub(super) struct Routers {
    driver: Handle,
    handles: Handles,
    surroundings: watch::Sender<Arc<AllSurroundings>>,
    plans: BTreeMap<RouterId, watch::Sender<Plan>>,
    desired: BTreeMap<RouterId, watch::Receiver<DesiredState>>,
    managed: BTreeMap<RouterId, watch::Receiver<Managed>>,
    reconcilers: JoinSet<()>,
    watches_routing: bool,
}

impl Routers {
    pub(super) fn new(
        driver: Handle,
        handles: Handles,
        surroundings: watch::Sender<Arc<AllSurroundings>>,
    ) -> Self {
        Self {
            driver,
            handles,
            surroundings,
            plans: BTreeMap::new(),
            desired: BTreeMap::new(),
            managed: BTreeMap::new(),
            reconcilers: JoinSet::new(),
            watches_routing: false,
        }
    }

    pub(super) fn driver(&self) -> &Handle {
        &self.driver
    }

    /// Removes what bears our tag and does not belong to a router of `kept`.
    pub(super) async fn clean_up(&self, kept: &[&RouterConfig]) {
        let interfaces = self.handles.links.interfaces.borrow().clone();
        let plans: Vec<Plan> = kept.iter().map(|config| Plan::of(config)).collect();
        let routing: Vec<Routing> =
            plans.iter().flat_map(|plan| placed_routing(plan, &interfaces)).collect();
        let kept: Vec<IpAddr> = kept.iter().flat_map(|config| config.managed.ips()).collect();
        match self.handles.routes.remove_leftovers(&routing, &kept).await {
            Ok(0) => {}
            Ok(count) => info!(count, "removed routes and rules that an earlier run left behind"),
            Err(error) => {
                warn!(%error, "cannot remove routes and rules that an earlier run left behind");
            }
        }
        let leftovers = match self.handles.addresses.leftovers().await {
            Ok(leftovers) => leftovers,
            Err(error) => {
                warn!(%error, "cannot look for addresses that an earlier run left behind");
                return;
            }
        };
        for leftover in leftovers.into_iter().filter(|leftover| !kept.contains(&leftover.ip)) {
            let address = leftover.ip;
            match self.handles.addresses.remove_leftover(leftover).await {
                Ok(()) => info!(%address, "removed an address that an earlier run left behind"),
                Err(error) => {
                    warn!(%address, %error, "cannot remove an address that an earlier run left behind");
                }
            }
        }
    }

    /// Removes the links for virtual MAC addresses that an earlier run left behind and that none of
    /// `kept` goes on with.
    pub(super) async fn clean_up_links(&self, kept: &[InterfaceName]) {
        let kept = |name: &str| kept.iter().any(|kept| kept.as_str() == name);
        match self.handles.macvlans.remove_unless(kept).await {
            Ok(removed) => removed.iter().for_each(|interface| {
                info!(interface, "removed an interface that an earlier run left behind");
            }),
            Err(error) => {
                warn!(%error, "cannot remove interfaces that an earlier run left behind");
            }
        }
    }

    pub(super) async fn run_all(&mut self, config: &Config, resume: &BTreeMap<RouterId, Instant>) {
        for router in &config.routers {
            self.run(router, resume.get(&router.id).copied()).await;
        }
    }

    async fn run(&mut self, config: &RouterConfig, resume_until: Option<Instant>) {
        self.watch_routing(config);
        let (desired, follows) = watch::channel(Core::first_desire(resume_until.is_some()));
        let (plan, plans) = watch::channel(Plan::of(config));
        let (publish, managed) = watch::channel(Managed::default());
        let handles = self.handles.clone();
        let id = config.id.clone();
        self.desired.insert(config.id.clone(), follows.clone());
        let reconciler = AddressReconciler::new(id, follows, plans, handles, publish);
        self.reconcilers.spawn(reconciler.run());
        self.managed.insert(config.id.clone(), managed);
        self.plans.insert(config.id.clone(), plan);
        self.driver.run(NewRouter { config: config.clone(), desired, resume_until }).await;
    }

    /// From the first router on that has routes or rules.
    fn watch_routing(&mut self, config: &RouterConfig) {
        let some = !config.managed.routes.is_empty() || !config.managed.rules.is_empty();
        if some && !self.watches_routing {
            self.handles.links.watch_routing();
            self.watches_routing = true;
        }
    }

    /// Goes over from one configuration to another by difference: what did not change is not touched.
    pub(super) async fn change(&mut self, before: &Config, after: &Config) {
        let old = |id: &RouterId| before.routers.iter().find(|router| router.id == *id);
        let names: BTreeSet<&RouterId> = after.routers.iter().map(|router| &router.id).collect();
        for gone in before.routers.iter().filter(|router| !names.contains(&router.id)) {
            let RouterId { name, family } = &gone.id;
            info!(router = %name, %family, "removed: the configuration has it no more");
            self.plans.remove(&gone.id);
            self.desired.remove(&gone.id);
            self.managed.remove(&gone.id);
            self.driver.remove(gone.id.clone()).await;
        }
        for router in &after.routers {
            let RouterId { name, family } = &router.id;
            match old(&router.id) {
                Some(old) if old == router => {}
                Some(old) if is_same_router(old, router) => {
                    info!(router = %name, %family, "reconfigured");
                    self.watch_routing(router);
                    if let Some(known) = self.plans.get(&router.id) {
                        known.send_if_modified(|known| replace_if_other(known, Plan::of(router)));
                    }
                    self.driver.change(router.clone()).await;
                }
                Some(_) => {
                    info!(router = %name, %family, "replaced: it is another virtual router now");
                    self.driver.remove(router.id.clone()).await;
                    self.run(router, None).await;
                }
                None => self.run(router, None).await,
            }
        }
    }

    /// Tells the advert thread what surrounds each router, if that changed.
    pub(super) fn look_around(
        &self,
        config: &Config,
        tracking: &Tracking,
        in_doubt: bool,
        paused: bool,
    ) {
        let interfaces = self.handles.links.interfaces.borrow().clone();
        let all: AllSurroundings = config
            .routers
            .iter()
            .map(|router| {
                let verdict = tracking.verdict(router.priority, &router.track);
                let place = place(router, &interfaces);
                let surroundings = Surroundings::of(place, verdict, in_doubt, paused);
                (router.id.clone(), surroundings)
            })
            .collect();
        self.surroundings.send_if_modified(|known| replace_if_other(known, Arc::new(all)));
    }

    /// Whether a router's election wants its addresses here. The kernel may have them a moment longer.
    pub(super) fn wants_addresses(&self, router: &RouterId) -> bool {
        self.desired.get(router).is_some_and(|state| state.borrow().ownership == Ownership::Hold)
    }

    /// What each router has in the kernel.
    pub(super) fn managed(&self) -> BTreeMap<RouterId, Managed> {
        self.managed
            .iter()
            .map(|(router, managed)| (router.clone(), managed.borrow().clone()))
            .collect()
    }

    /// Ends every router in order; told twice, at once.
    pub(super) async fn stop(&self) {
        self.driver.stop().await;
    }

    /// Returns once the advert thread has ended.
    pub(super) async fn driver_ended(&self) {
        self.surroundings.closed().await;
    }

    /// Waits until the addresses are gone; the advert thread has ended, and with it every desire.
    pub(super) async fn wait_for_reconcilers(mut self, limit: Duration) {
        let all = async { while self.reconcilers.join_next().await.is_some() {} };
        if tokio::time::timeout(limit, all).await.is_err() {
            warn!(
                ?limit,
                "addresses were not removed in time: the kernel does when their lease ends"
            );
        }
    }
}

fn replace_if_other<T: PartialEq>(known: &mut T, new: T) -> bool {
    let other = *known != new;
    *known = new;
    other
}

/// Whether a running router can take `new` over without ending: peers know it by the same marks.
fn is_same_router(old: &RouterConfig, new: &RouterConfig) -> bool {
    let version_2 = |config: &RouterConfig| matches!(config.dialect, Dialect::V2(_));
    old.vrid == new.vrid
        && old.interface == new.interface
        && old.virtual_mac == new.virtual_mac
        && version_2(old) == version_2(new)
}

/// Where the router is, if its interface runs and has a source for its adverts, and the one for its
/// virtual MAC address is there.
fn place(config: &RouterConfig, interfaces: &Interfaces) -> Option<Place> {
    let interface = interfaces.named(&config.interface).filter(|interface| interface.running)?;
    if let Some(link) = &config.virtual_mac {
        let mac = virtual_mac(config.id.family, config.vrid);
        let upon = Some(interface.index);
        interfaces.named(link).filter(|link| link.upon == upon && link.mac == Some(mac))?;
    }
    let (index, source) = (interface.index, interface.source_for(config)?);
    Some(Place { index, source, prefix_len: interface.prefix_len(source) })
}
