//! A neighbour, such as the gateway: usable while it answers for its address.
//!
//! It is asked by frames of our own, not looked up in the kernel's neighbour cache: that takes a silent
//! neighbour for reachable for half a minute and more, and counts other programs' traffic.

use std::io;
use std::num::NonZeroU32;
use std::sync::Arc;

use config::GatewayConfig;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use vocabulary::{Family, Name};

use super::{Found, health};
use crate::clock::{now, sleep_until};
use crate::io::interfaces::{Interface, Interfaces};
use crate::io::tap::Tap;

/// Asks the gateway again and again, and tells when that changes. Ends when nobody listens.
pub(super) async fn watch(
    tracker: Name,
    config: GatewayConfig,
    interfaces: watch::Receiver<Arc<Interfaces>>,
    news: mpsc::Sender<Found>,
) {
    let mut tap = None;
    let mut fold = Fold::default();
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
        if let Some(usable) = fold.add(answered, config.rise, config.fall)
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

/// Results in a row. The first decides at once.
#[derive(Debug, Default)]
struct Fold {
    usable: Option<bool>,
    /// Results in a row that say otherwise.
    against: u32,
}

impl Fold {
    /// Adds a result; returns the state if it is news.
    fn add(&mut self, good: bool, rise: NonZeroU32, fall: NonZeroU32) -> Option<bool> {
        let needed = match self.usable {
            Some(usable) if usable == good => {
                self.against = 0;
                return None;
            }
            None => 1,
            Some(_) if good => rise.get(),
            Some(_) => fall.get(),
        };
        self.against += 1;
        if self.against < needed {
            return None;
        }
        *self = Self { usable: Some(good), against: 0 };
        self.usable
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_results_in_a_row_change_the_state() {
        let [rise, fall] = [2, 3].map(|count| NonZeroU32::new(count).unwrap());
        let mut fold = Fold::default();
        let results = [
            (true, Some(true)),
            (true, None),
            (false, None),
            (false, None),
            (true, None),
            (false, None),
            (false, None),
            (false, Some(false)),
            (true, None),
            (false, None),
            (true, None),
            (true, Some(true)),
        ];
        for (position, (good, expected)) in results.into_iter().enumerate() {
            assert_eq!(fold.add(good, rise, fall), expected, "result {position}");
        }
        assert_eq!(Fold::default().add(false, rise, fall), Some(false));
    }
}
