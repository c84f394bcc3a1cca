//! Whom the console asks: the programs at the other ends of its channels, and what it hears of them.

use std::sync::Arc;
use std::time::Duration;

use config::Config;
use lbproxy::control::status::Request as LbproxyRequest;
use process::channels::Channel;
use process::messages::{Lines, VrrpdRequest};
use process::throttle::{MINUTE, SharedThrottle, Throttle};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::sync::{broadcast, watch};
use tokio::time::timeout;
use tracing::warn;
use vrrpd::occurrence::{Occurrence, Occurrences};

use super::peer::Peer;
use crate::clock::now;
use crate::status::Status;

/// How long followers may take to hear the end.
const FAREWELL: Duration = Duration::from_millis(200);

/// Which programs the configuration asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) vrrpd: bool,
    pub(super) lbproxy: bool,
}

impl Wanted {
    /// By a configuration.
    pub(super) fn by(config: &Config) -> Self {
        Self { vrrpd: !config.routers.is_empty(), lbproxy: !config.proxies.is_empty() }
    }
}

/// The programs.
#[derive(Clone, Debug)]
pub(super) struct Sources {
    pub(super) vrrpd: Peer,
    pub(super) lbproxy: Peer,
    occurrences: Occurrences,
    wanted: watch::Receiver<Wanted>,
}

impl Sources {
    /// None is connected yet. Call it within a runtime.
    pub(super) fn new(wanted: watch::Receiver<Wanted>) -> Self {
        let (vrrpd, lbproxy) = (Peer::start(), Peer::start());
        Self { vrrpd, lbproxy, occurrences: Occurrences::default(), wanted }
    }

    /// Takes our end of a channel.
    pub(super) async fn connect(&self, channel: Channel, stream: UnixStream) {
        match channel {
            Channel::AskVrrpd => self.vrrpd.connect(stream).await,
            Channel::AskLbproxy => self.lbproxy.connect(stream).await,
            Channel::Events => drop(tokio::spawn(hear(stream, self.occurrences.clone()))),
            Channel::Health | Channel::Scripts | Channel::Handoff => {
                warn!(?channel, "closing a channel: it is not for the console");
            }
        }
    }

    /// Which programs there should be.
    pub(super) fn wanted(&self) -> Wanted {
        *self.wanted.borrow()
    }

    /// How the whole node is.
    pub(super) async fn status(&self) -> Status {
        let wanted = self.wanted();
        let vrrpd =
            async { if wanted.vrrpd { self.vrrpd.ask(&VrrpdRequest::Status).await } else { None } };
        let lbproxy = async {
            if wanted.lbproxy { self.lbproxy.ask(&LbproxyRequest::Status).await } else { None }
        };
        let (vrrpd, lbproxy) = tokio::join!(vrrpd, lbproxy);
        let mut missing = Vec::new();
        if wanted.vrrpd && vrrpd.is_none() {
            missing.push("vrrpd".to_owned());
        }
        if wanted.lbproxy && lbproxy.is_none() {
            missing.push("lbproxy".to_owned());
        }
        Status { vrrpd, lbproxy, missing }
    }

    /// Lets those who follow hear the end of `vrrpd`, which the supervisor ended before us.
    pub(super) async fn farewell(&self) {
        drop(timeout(FAREWELL, self.occurrences.nobody_follows()).await);
    }

    /// What happens from now on.
    pub(super) fn follow(&self) -> broadcast::Receiver<Arc<Occurrence>> {
        self.occurrences.follow()
    }
}

/// Events that were not understood, in the log.
static INVALID: SharedThrottle = SharedThrottle::new(Throttle::new(MINUTE));

/// Passes on what one `vrrpd` says until it ends.
async fn hear(mut stream: UnixStream, occurrences: Occurrences) {
    let mut lines = Lines::default();
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer).await {
            Ok(length) if length > 0 && lines.push(&buffer[..length]).is_ok() => {}
            // Who follows is told the end whether or not vrrpd could tell it.
            _ => return occurrences.tell(|| Occurrence::Ended),
        }
        loop {
            match lines.message() {
                Ok(None) => break,
                // Each follower is told how things stand when it comes.
                Ok(Some(Occurrence::Stands(_) | Occurrence::Ended)) => {}
                Ok(Some(occurrence)) => occurrences.tell(|| occurrence),
                Err(error) => {
                    if let Some(times) = INVALID.take(now()) {
                        warn!(%error, times, "invalid event from vrrpd");
                    }
                }
            }
        }
    }
}
