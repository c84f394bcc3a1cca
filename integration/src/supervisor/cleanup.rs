//! After a death: addresses that nobody keeps any more are removed, and interfaces made for them.

use std::net::IpAddr;

use shared::config::Config;
use shared::{InterfaceName, RouterId};
use tracing::{error, info};
use vrrpd::io::addresses::Addresses;
use vrrpd::io::macvlan::{MacvlanError, Macvlans};

/// Removes the addresses of `routers` that bear the daemon's tag.
pub(super) async fn release(config: &Config, routers: &[RouterId]) {
    let theirs = config.routers.iter().filter(|router| routers.contains(&router.id));
    let addresses: Vec<IpAddr> = theirs
        .clone()
        .flat_map(|router| router.addresses.iter().map(|address| address.ip()))
        .collect();
    if addresses.is_empty() {
        return;
    }
    match remove(&addresses).await {
        Ok(0) => {}
        Ok(count) => info!(count, "removed the addresses that the dead vrrpd left behind"),
        Err(failure) => {
            error!(%failure, ?addresses, "cannot remove the addresses that the dead vrrpd left behind; the kernel does when their lease ends");
        }
    }
    let links: Vec<InterfaceName> =
        theirs.filter_map(|router| router.virtual_mac.clone()).collect();
    if let Err(failure) = remove_links(&links).await {
        error!(%failure, "cannot remove the interfaces that the dead vrrpd left behind; without an address they are silent");
    }
}

async fn remove_links(links: &[InterfaceName]) -> Result<(), MacvlanError> {
    if links.is_empty() {
        return Ok(());
    }
    let others = |name: &str| !links.iter().any(|link| link.as_str() == name);
    Macvlans::open()?.remove_unless(others).await.map(drop)
}

async fn remove(addresses: &[IpAddr]) -> Result<usize, vrrpd::io::addresses::AddressError> {
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
