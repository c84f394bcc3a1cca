//! Watches who owns an address, in the kernels of all nodes that may.
//!
//! The kernel tells of an IPv4 address in the same instant, of an IPv6 one when duplicate address
//! detection is over: without any, a work queue's turn later.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::clock::Moment;
use crate::host::Host;
use crate::probe::owners::{OwnerEvent, Ownership, owners_after, ownership};
use crate::probe::subscription::Subscription;
use crate::probe::{ProbeError, join};
use crate::realtime::try_realtime;
use crate::wait::{TimedOut, wait_until};

/// How long the watch may take to notice that it shall stop.
const NOTICE: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// A running watch. Dropping it stops it.
#[derive(Debug)]
pub struct OwnerWatch {
    address: IpAddr,
    start: Moment,
    events: Vec<OwnerEvent>,
    /// One event for each time the address comes or goes: nothing that could pile up.
    feed: Receiver<OwnerEvent>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

/// What a watch saw.
#[derive(Clone, Debug)]
pub struct OwnerRecord {
    /// Every change in the order of time; who had the address at the start comes first.
    pub events: Vec<OwnerEvent>,
    /// When it began to watch.
    pub start: Moment,
    /// When it ended.
    pub end: Moment,
}

impl OwnerWatch {
    /// Starts to watch `address` on these nodes. What they own now is known on return.
    ///
    /// # Errors
    /// No netlink socket, or the kernel does not tell.
    pub fn start(nodes: &[&Host], address: IpAddr) -> Result<Self, ProbeError> {
        let start = Moment::now();
        let (sender, feed) = mpsc::channel();
        let mut events = Vec::new();
        let mut watched = Vec::new();
        for node in nodes {
            let mut subscription = Subscription::open(node, address)?;
            subscription.look().map_err(ProbeError::open("the list of addresses", node))?;
            if subscription.present() {
                let (at, node) = (Moment::now(), node.name().to_owned());
                events.push(OwnerEvent { at, node, owns: true });
            }
            watched.push(Watched { node: node.name().to_owned(), subscription });
        }
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new()
            .name("owners".to_owned())
            .spawn(move || {
                try_realtime();
                follow(&mut watched, &sender, &stopped)
            })
            .map_err(|source| ProbeError::Thread { probe: "owners", source })?;
        Ok(Self { address, start, events, feed, stop, thread: Some(thread) })
    }

    /// Who has the address now, in alphabetical order.
    #[must_use]
    pub fn owners(&mut self) -> Vec<String> {
        owners_after(self.events())
    }

    /// All changes so far, in the order of time.
    #[must_use]
    pub fn events(&mut self) -> &[OwnerEvent] {
        self.events.extend(self.feed.try_iter());
        &self.events
    }

    /// Waits until exactly these nodes have the address, and says how long that took.
    ///
    /// # Errors
    /// They have not within `limit`.
    pub fn wait_for(&mut self, nodes: &[&str], limit: Duration) -> Result<Duration, TimedOut> {
        let mut wanted: Vec<_> = nodes.iter().map(|&node| node.to_owned()).collect();
        wanted.sort_unstable();
        let what = format!("{nodes:?} had {}", self.address);
        wait_until(&what, limit, || self.owners() == wanted)
    }

    /// Stops, and tells what was seen.
    ///
    /// # Errors
    /// The kernel stopped telling meanwhile.
    pub fn stop(mut self) -> Result<OwnerRecord, ProbeError> {
        self.stop.store(true, Ordering::Relaxed);
        let end = Moment::now();
        if let Some(thread) = self.thread.take() {
            join(thread).map_err(|source| ProbeError::Thread { probe: "owners", source })?;
        }
        let events = self.events().to_vec();
        Ok(OwnerRecord { events, start: self.start, end })
    }
}

impl OwnerRecord {
    /// Who owned the address between `from` and `to`.
    #[must_use]
    pub fn ownership_between(&self, from: Moment, to: Moment) -> Ownership {
        ownership(&self.events, from, to)
    }
}

impl Drop for OwnerWatch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

struct Watched {
    node: String,
    subscription: Subscription,
}

/// Reports changes until told to stop; those that the kernel has told by then are all reported.
fn follow(watched: &mut [Watched], feed: &Sender<OwnerEvent>, stop: &AtomicBool) -> io::Result<()> {
    loop {
        let last = stop.load(Ordering::Relaxed);
        for watched in watched.iter_mut() {
            let node = &watched.node;
            watched.subscription.read(|owns| {
                let event = OwnerEvent { at: Moment::now(), node: node.clone(), owns };
                // Nobody listens any more: the watch was dropped and will say so next time.
                drop(feed.send(event));
            })?;
        }
        if last {
            return Ok(());
        }
        let subscriptions = watched.iter().map(|watched| &watched.subscription);
        let mut readable: Vec<_> =
            subscriptions.map(|subscription| PollFd::new(subscription, PollFlags::IN)).collect();
        match poll(&mut readable, Some(&NOTICE)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
