//! After a death: what nobody keeps any more is removed.

use std::net::IpAddr;

use config::{Config, ManagedResources};
use nix::net::if_::if_nametoindex;
use tracing::{error, info};
use vocabulary::{Family, InterfaceName, RouterId};
use vrrp::reconciler::Routing;
use vrrpd::io::addresses::{AddressError, Addresses};
use vrrpd::io::macvlan::{MacvlanError, Macvlans};
use vrrpd::io::routes::{RouteError, Routes};

/// Removes the addresses, routes and rules of `routers` that bear the daemon's tag.
pub(super) async fn release(config: &Config, routers: &[RouterId]) {
    let theirs = config.routers.iter().filter(|router| routers.contains(&router.id));
    let managed: Vec<&ManagedResources> = theirs.clone().map(|router| &router.managed).collect();
    if let Err(failure) = remove_routing(&managed).await {
        error!(error = %failure, "cannot remove the routes that the dead vrrpd left behind: its next start does");
    }
    let addresses: Vec<IpAddr> = managed.iter().flat_map(|theirs| theirs.ips()).collect();
    if addresses.is_empty() {
        return;
    }
    match remove(&addresses).await {
        Ok(0) => {}
        Ok(count) => info!(count, "removed the addresses that the dead vrrpd left behind"),
        Err(failure) => {
            error!(error = %failure, ?addresses, "cannot remove the addresses that the dead vrrpd left behind: the kernel does when their lease ends");
        }
    }
    let links: Vec<InterfaceName> =
        theirs.filter_map(|router| router.virtual_mac.clone()).collect();
    if let Err(failure) = remove_links(&links).await {
        error!(error = %failure, "cannot remove the interfaces that the dead vrrpd left behind: without an address they are silent");
    }
}

async fn remove_links(links: &[InterfaceName]) -> Result<(), MacvlanError> {
    if links.is_empty() {
        return Ok(());
    }
    let others = |name: &str| !links.iter().any(|link| link.as_str() == name);
    Macvlans::open()?.remove_unless(others).await.map(drop)
}

async fn remove(addresses: &[IpAddr]) -> Result<usize, AddressError> {
    let kernel = Addresses::open()?;
    let mut count = 0;
    for leftover in kernel.leftovers().await? {
        if addresses.contains(&leftover.ip) {
            kernel.remove_leftover(leftover).await?;
            count += 1;
        }
    }
    Ok(count)
}

async fn remove_routing(managed: &[&ManagedResources]) -> Result<(), RouteError> {
    let routes = managed.iter().flat_map(|theirs| &theirs.routes).filter_map(|route| {
        // Where the interface is gone, its routes are.
        let index = if_nametoindex(route.interface.as_str()).ok()?;
        Some(Routing::Route(route.clone(), index))
    });
    let rules = managed.iter().flat_map(|theirs| theirs.rules.iter().cloned());
    let all: Vec<Routing> = routes.chain(rules.map(Routing::Rule)).collect();
    // IPv4 addresses take the routes to their networks along.
    let addresses = managed.iter().flat_map(|theirs| &theirs.addresses);
    let connected = addresses.filter(|config| config.address.family() == Family::Ipv6);
    let kernel = Routes::open()?;
    // What bears another tag is not found.
    for routing in &all {
        kernel.remove(routing).await?;
    }
    for config in connected {
        if let Ok(index) = if_nametoindex(config.interface.as_str()) {
            kernel.disconnect(config.address, index).await?;
        }
    }
    Ok(())
}
