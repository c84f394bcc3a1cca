//! After a death: addresses that nobody keeps any more are removed.

use std::net::IpAddr;

use shared::RouterId;
use shared::config::Config;
use tracing::{error, info};
use vrrpd::io::addresses::Addresses;

/// Removes the addresses of `routers` that bear the daemon's tag.
pub(super) async fn release(config: &Config, routers: &[RouterId]) {
    let theirs = config.routers.iter().filter(|router| routers.contains(&router.id));
    let addresses: Vec<IpAddr> =
        theirs.flat_map(|router| router.addresses.iter().map(|address| address.ip())).collect();
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
