//! The channels to the other programs (`process::channels`): what may be said on each, and who hears it.
//!
//! ```text
//! Health   ─► Proxy (one task each)   ─► Hub: which proxies there are, what they were told, who released
//!                 └─ health ─┐
//! Scripts  ─► Observer ◄─────┼─ what happens, a line each
//!                 └─ health ─┤
//! Events   ─► Observer       ├─► the daemon (Asked)
//! AskVrrpd ─► questions ─────┘
//! ```
//! Owns: our ends. Stops: with the runtime, each with its channel. Every queue is bounded; a proxy that does
//! not read is cut off.

mod follower;
mod hub;
mod observer;
mod proxy;
mod questions;

use std::net::IpAddr;

use process::channels::Channel;
use process::messages::HookFailure;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};
use tracing::warn;
use vocabulary::{Name, TrackerHealth};

pub use self::follower::Follower;
pub use self::hub::Hub;
use crate::occurrence::Occurrences;
use crate::status::Status;

/// Messages for the daemon that may wait. A sender waits when it is full.
const ASKED_QUEUE: usize = 128;

/// Trackers that one channel may name: more than a configuration has.
const TRACKERS: usize = 1024;

/// What comes over the channels for the daemon.
#[derive(Debug)]
pub enum Asked {
    /// Somebody tells how something tracked is.
    Health(Source, TrackerHealth),
    /// The proxy that told of these died, hangs or left.
    Lost(Vec<Name>, &'static str),
    /// The runner of the scripts that told of these is gone; its successor will tell.
    Left(Vec<Name>),
    /// Which hooks fail and are run again.
    Hooks(Vec<HookFailure>),
    /// An operator gives an order; answered when it is under way.
    Ordered(Order, oneshot::Sender<Status>),
    /// Somebody wants the status.
    Status(oneshot::Sender<Status>),
}

/// Whose health it is: each may speak of its own kind of tracker only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// `lbproxy`, of proxies.
    Proxy,
    /// The runner, of scripts.
    Runner,
}

/// What an operator may order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Hand the addresses of these routers over, or of all; to these peers, or to whoever is best.
    HandOver(Option<Name>, Vec<IpAddr>),
    /// Hand everything over, and take nothing that another can serve.
    Pause,
    /// Take part as before.
    Resume,
}

/// Serves the channels.
#[derive(Debug)]
pub struct Channels {
    means: Means,
    /// Proxies that there have been.
    proxies: u64,
}

/// What every task needs.
#[derive(Clone, Debug)]
struct Means {
    hub: Hub,
    ask: mpsc::Sender<Asked>,
    occurrences: Occurrences,
}

impl Channels {
    /// None yet, on the current runtime; what comes over them comes out of the receiver.
    #[must_use]
    pub fn open(occurrences: &Occurrences) -> (Self, Hub, mpsc::Receiver<Asked>) {
        let hub = Hub::start();
        let (ask, asked) = mpsc::channel(ASKED_QUEUE);
        let means = Means { hub: hub.clone(), ask, occurrences: occurrences.clone() };
        (Self { means, proxies: 0 }, hub, asked)
    }

    /// Serves our end of one that the supervisor made.
    pub fn serve(&mut self, channel: Channel, stream: UnixStream) {
        let means = self.means.clone();
        match channel {
            Channel::Health => {
                self.proxies += 1;
                tokio::spawn(proxy::Conversation::new(self.proxies, means).run(stream));
            }
            Channel::Scripts => drop(tokio::spawn(observer::run(stream, means, true))),
            Channel::Events => drop(tokio::spawn(observer::run(stream, means, false))),
            Channel::AskVrrpd => drop(tokio::spawn(questions::run(stream, means.ask))),
            Channel::AskLbproxy | Channel::Handoff => {
                warn!(?channel, "closing a channel: it is not for vrrpd");
            }
        }
    }
}

impl Means {
    async fn status(&self) -> Option<Status> {
        let (answer, status) = oneshot::channel();
        self.ask.send(Asked::Status(answer)).await.ok()?;
        status.await.ok()
    }
}
