//! A neighbour, such as the gateway: usable while it answers for its address.
//!
//! It is asked by frames of our own, not looked up in the kernel's neighbour cache: that takes a silent
//! neighbour for reachable for half a minute and more, and counts other programs' traffic.

use std::io;
use std::sync::Arc;

use config::GatewayConfig;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use vocabulary::{Family, Name, RiseFall, Thresholds};

use super::{Found, health};
use crate::clock::{now, sleep_until};
use crate::io::tap::Tap;
use vrrp::interfaces::{Interface, Interfaces};

/// Asks the gateway again and again, and tells when that changes. Ends when nobody listens.
pub(super) async fn watch(
    tracker: Name,
    config: GatewayConfig,
    interfaces: watch::Receiver<Arc<Interfaces>>,
    news: mpsc::Sender<Found>,
) {
    let mut tap = None;
    let mut usable = RiseFall::unknown();
    let needed = Thresholds { rise: config.rise, fall: config.fall };
    loop {
        let next = now() + config.interval;
        let picture = interfaces.borrow().clone();
        let asked = async {
            let interface = picture.named(&config.interface).filter(|interface| interface.running);
            let interface = interface.ok_or(io::ErrorKind::NetworkDown)?;
            answers(&config, interface, &mut tap).await
        };
        let answered = match timeout(config.timeout, asked).await {
            Ok(Ok(())) => true,
            Err(_) => false,
            Ok(Err(_)) => {
                // Of an interface that went and came again.
                tap = None;
                false
            }
        };
        if let Some(usable) = usable.observe(answered, answered, needed)
            && news.send(Found::Health(health(&tracker, usable))).await.is_err()
        {
            return;
        }
        sleep_until(Some(next)).await;
    }
}

/// Returns once it has answered.
async fn answers(
    config: &GatewayConfig,
    interface: &Interface,
    tap: &mut Option<(u32, Tap)>,
) -> io::Result<()> {
    let family = Family::of(config.address);
    let mac = interface.mac.ok_or(io::ErrorKind::NetworkDown)?;
    let (_, tap) = match tap.take().filter(|(index, _)| *index == interface.index) {
        Some(open) => tap.insert(open),
        None => {
            let opened = Tap::open(&config.interface, family, &[config.address])?;
            tap.insert((interface.index, opened))
        }
    };
    tap.forget();
    // From an address of our own: some answer no ARP Probe.
    tap.ask(mac, interface.source(family, &[], false), config.address)?;
    loop {
        let claims = tap.claims().await?;
        if claims.iter().any(|claim| claim.address == config.address) {
            return Ok(());
        }
        // What ends alike is somebody else's.
        sleep(std::time::Duration::from_millis(1)).await;
    }
}
