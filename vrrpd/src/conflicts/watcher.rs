//! Looks out for stations that speak for addresses which this node holds, on one interface and for one
//! family.
//!
//! Owns: a packet socket. Stops: when it is aborted. Claims that everybody hears come by themselves; a
//! station that keeps still, such as a peer whose daemon was killed, is found by asking now and then.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pnet_base::MacAddr;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tracing::debug;
use vocabulary::{Family, InterfaceName};

use crate::clock::{now, sleep_until};
use crate::io::tap::Tap;
use vrrp::conflicts::Claims;
use vrrp::interfaces::Interfaces;
use vrrp::wire::address_sender::AddressSender;

/// Each address that is held is asked for once in this time.
const ROUND: Duration = Duration::from_secs(10);

/// Or less often, where there are many: two questions are at least so far apart.
const SHORTEST: Duration = Duration::from_millis(200);

/// How soon a socket that failed is opened again.
const REOPEN: Duration = Duration::from_secs(1);

/// An address to look out for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WatchedAddress {
    pub(super) address: IpAddr,
    /// The interface that has it while it is held.
    pub(super) held_on: InterfaceName,
    /// The MAC address that it shares with its peers.
    pub(super) virtual_mac: Option<MacAddr>,
}

/// Where to look out, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WatchedInterface {
    pub(super) interface: InterfaceName,
    pub(super) index: u32,
    pub(super) family: Family,
    pub(super) guarded: Vec<WatchedAddress>,
}

/// A station was heard to speak for an address that this node holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sighting {
    /// Where.
    pub(super) interface: InterfaceName,
    /// The interface that has the address.
    pub(super) held_on: InterfaceName,
    /// Who claims what.
    pub(super) sender: AddressSender,
    /// How often.
    pub(super) times: u64,
}

impl Sighting {
    /// What is claimed.
    pub(crate) fn address(&self) -> IpAddr {
        self.sender.address
    }
}

/// The task.
pub(super) struct Watcher {
    pub(super) post: WatchedInterface,
    pub(super) interfaces: watch::Receiver<Arc<Interfaces>>,
    pub(super) sightings: mpsc::Sender<Sighting>,
}

impl Watcher {
    /// Looks out until it is aborted.
    pub(super) async fn run(self) {
        loop {
            // An interface that is down says so on every try.
            if let Err(error) = self.look_out().await {
                let WatchedInterface { interface, family, .. } = &self.post;
                debug!(%interface, %family, %error, "cannot hear who claims addresses");
            }
            sleep(REOPEN).await;
        }
    }

    async fn look_out(&self) -> io::Result<()> {
        let WatchedInterface { interface, family, guarded, .. } = &self.post;
        let addresses: Vec<IpAddr> = guarded.iter().map(|guarded| guarded.address).collect();
        let tap = Tap::open(interface, *family, &addresses)?;
        let count = u32::try_from(guarded.len()).unwrap_or(u32::MAX).max(1);
        let pause = (ROUND / count).max(SHORTEST);
        let mut turn = guarded.iter().cycle();
        let mut ask_at: Instant = now() + pause;
        let (mut interfaces, mut heard) = (self.interfaces.clone(), Claims::default());
        heard.holds(self.held(), now());
        loop {
            tokio::select! {
                biased;
                changed = interfaces.changed() => {
                    changed.map_err(io::Error::other)?;
                    heard.holds(self.held(), now());
                }
                () = sleep_until(heard.deadline()) => self.tell(heard.due(now())),
                claims = tap.claims() => {
                    let others = claims?.into_iter().filter(|sender| !self.is_own(sender));
                    others.for_each(|sender| heard.heard(sender, now()));
                }
                () = sleep_until(Some(ask_at)) => {
                    ask_at = now() + pause;
                    if let Some(guarded) = turn.next() {
                        self.ask(&tap, guarded)?;
                    }
                }
            }
        }
    }

    /// The addresses that this node holds.
    fn held(&self) -> Vec<IpAddr> {
        let interfaces = self.interfaces.borrow();
        let held = self.post.guarded.iter().filter(|guarded| is_held(guarded, &interfaces));
        held.map(|guarded| guarded.address).collect()
    }

    fn ask(&self, tap: &Tap, guarded: &WatchedAddress) -> io::Result<()> {
        let interfaces = self.interfaces.borrow().clone();
        let Some(interface) = interfaces.named(&self.post.interface) else { return Ok(()) };
        let Some(mac) = interface.mac.filter(|_| is_held(guarded, &interfaces)) else {
            return Ok(());
        };
        let source = match self.post.family {
            // Nobody has to learn anything of us.
            Family::Ipv4 => None,
            Family::Ipv6 => match interface.source(Family::Ipv6, &[], false) {
                Some(source) => Some(source),
                None => return Ok(()),
            },
        };
        tap.ask(mac, source, guarded.address)
    }

    /// Whether it is this node, or a peer with the same virtual MAC address.
    fn is_own(&self, sender: &AddressSender) -> bool {
        let shared = self.guarded(sender).and_then(|guarded| guarded.virtual_mac);
        shared == Some(sender.mac) || self.interfaces.borrow().has_mac(sender.mac)
    }

    fn guarded(&self, sender: &AddressSender) -> Option<&WatchedAddress> {
        self.post.guarded.iter().find(|guarded| guarded.address == sender.address)
    }

    fn tell(&self, conflicts: Vec<(AddressSender, u64)>) {
        for (sender, times) in conflicts {
            let Some(guarded) = self.guarded(&sender) else { continue };
            let (interface, held_on) = (self.post.interface.clone(), guarded.held_on.clone());
            // While the daemon has enough to do with others, this one does not count.
            self.sightings.try_send(Sighting { interface, held_on, sender, times }).ok();
        }
    }
}

fn is_held(guarded: &WatchedAddress, interfaces: &Interfaces) -> bool {
    interfaces.named(&guarded.held_on).is_some_and(|interface| {
        interface.has(guarded.address) && !interface.has_from_others(guarded.address)
    })
}
