//! Who is connected, and what they were told.

use std::collections::{BTreeMap, BTreeSet};

use process::messages::{Ownership, RELEASE_LIMIT, line};
use process::throttle::{MINUTE, SharedThrottle, Throttle};
use tokio::sync::{mpsc, oneshot};
use tracing::warn;
use vocabulary::RouterId;

use crate::clock::now;

/// Clients that were not reset in time, in the log.
static NOT_RESET: SharedThrottle = SharedThrottle::new(Throttle::new(MINUTE));

/// Events that may wait. The senders wait when it is full: there are a few per change of ownership.
const EVENT_QUEUE: usize = 256;

/// Lines that may wait for a proxy to read them; one that lets them grow is cut off.
pub(super) const LINE_QUEUE: usize = 1024;

/// The hub's handle.
#[derive(Clone, Debug)]
pub struct Hub {
    events: mpsc::Sender<Event>,
}

#[derive(Debug)]
enum Event {
    Joined { proxy: u64, lines: mpsc::Sender<Vec<u8>> },
    Left { proxy: u64 },
    Released { proxy: u64, router: RouterId },
    Tell(Ownership),
    Release { ownership: Ownership, done: oneshot::Sender<()> },
}

impl Hub {
    /// Starts the hub on the current runtime.
    #[must_use]
    pub fn start() -> Self {
        let (events, receiver) = mpsc::channel(EVENT_QUEUE);
        tokio::spawn(Board::default().run(receiver));
        Self { events }
    }

    /// Tells every proxy, and each that connects later, who has a router's addresses.
    pub async fn tell(&self, ownership: Ownership) {
        self.send(Event::Tell(ownership)).await;
    }

    /// Has every proxy reset the clients of a router's addresses; returns when that is done, or
    /// after [`RELEASE_LIMIT`].
    pub async fn release(&self, ownership: Ownership) {
        let (done, released) = oneshot::channel();
        let router = ownership.router.clone();
        self.send(Event::Release { ownership, done }).await;
        if tokio::time::timeout(RELEASE_LIMIT, released).await.is_err()
            && let Some(times) = NOT_RESET.take(now())
        {
            let RouterId { name, family } = &router;
            warn!(router = %name, %family, limit = ?RELEASE_LIMIT, times, "a proxy did not reset its clients in time: the addresses leave all the same");
        }
    }

    pub(super) async fn join(&self, proxy: u64, lines: mpsc::Sender<Vec<u8>>) {
        self.send(Event::Joined { proxy, lines }).await;
    }

    pub(super) async fn leave(&self, proxy: u64) {
        self.send(Event::Left { proxy }).await;
    }

    pub(super) async fn released(&self, proxy: u64, router: RouterId) {
        self.send(Event::Released { proxy, router }).await;
    }

    async fn send(&self, event: Event) {
        // The board lives as long as the runtime: without it there is nobody to tell.
        self.events.send(event).await.ok();
    }
}

/// What the hub knows.
#[derive(Default)]
struct Board {
    proxies: BTreeMap<u64, mpsc::Sender<Vec<u8>>>,
    ownerships: BTreeMap<RouterId, Ownership>,
    releases: Vec<Release>,
}

struct Release {
    router: RouterId,
    waiting_for: BTreeSet<u64>,
    done: Option<oneshot::Sender<()>>,
}

impl Board {
    async fn run(mut self, mut events: mpsc::Receiver<Event>) {
        while let Some(event) = events.recv().await {
            match event {
                Event::Joined { proxy, lines } => self.greet(proxy, lines),
                Event::Left { proxy } => {
                    self.proxies.remove(&proxy);
                    self.done_with(proxy, |_| true);
                }
                Event::Released { proxy, router } => self.done_with(proxy, |of| *of == router),
                Event::Tell(ownership) => self.tell(ownership),
                Event::Release { ownership, done } => self.release(ownership, done),
            }
            self.releases.retain(|release| release.done.as_ref().is_some_and(|d| !d.is_closed()));
        }
    }

    fn greet(&mut self, proxy: u64, lines: mpsc::Sender<Vec<u8>>) {
        self.proxies.insert(proxy, lines);
        let known: Vec<Vec<u8>> = self.ownerships.values().map(line).collect();
        known.into_iter().for_each(|known| self.send_to(proxy, known));
    }

    fn tell(&mut self, ownership: Ownership) {
        let message = line(&ownership);
        self.ownerships.insert(ownership.router.clone(), ownership);
        let proxies: Vec<u64> = self.proxies.keys().copied().collect();
        proxies.into_iter().for_each(|proxy| self.send_to(proxy, message.clone()));
    }

    fn release(&mut self, ownership: Ownership, done: oneshot::Sender<()>) {
        let router = ownership.router.clone();
        self.tell(ownership);
        let waiting_for: BTreeSet<u64> = self.proxies.keys().copied().collect();
        self.releases.push(Release { router, waiting_for, done: Some(done) });
        self.finish();
    }

    fn done_with(&mut self, proxy: u64, which: impl Fn(&RouterId) -> bool) {
        for release in self.releases.iter_mut().filter(|release| which(&release.router)) {
            release.waiting_for.remove(&proxy);
        }
        self.finish();
    }

    fn finish(&mut self) {
        for release in self.releases.iter_mut().filter(|release| release.waiting_for.is_empty()) {
            if let Some(done) = release.done.take() {
                // Whoever waited may have given up: then nothing is to be told.
                done.send(()).ok();
            }
        }
    }

    fn send_to(&mut self, proxy: u64, message: Vec<u8>) {
        let refused =
            self.proxies.get(&proxy).is_some_and(|lines| lines.try_send(message).is_err());
        if refused {
            warn!(lbproxy = proxy, "closing the channel to a proxy: it does not read");
            self.proxies.remove(&proxy);
            self.done_with(proxy, |_| true);
        }
    }
}
