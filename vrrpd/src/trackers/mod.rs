//! Watches what priorities follow besides proxies, and tells [`Tracking`](vrrp::tracking).
//!
//! A task for each process, gateway and file, which ends when its tracker is removed; interfaces are read
//! from the picture that the daemon has anyway.

mod file;
mod gateway;
mod process;

use std::sync::Arc;

use config::{TrackerConfig, TrackerKind};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use vocabulary::{Name, TrackerHealth, Usability};

use vrrp::interfaces::Interfaces;
use vrrp::tracking::Tracking;

/// News that may wait. A tracker whose news do not fit waits: only its latest state counts.
const NEWS: usize = 16;

/// What a tracker found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Something is usable or not.
    Health(TrackerHealth),
    /// A file holds this number.
    Number(Name, i16),
}

/// The running trackers.
#[derive(Debug)]
pub(crate) struct Trackers {
    running: Vec<(TrackerConfig, Option<AbortHandle>)>,
    interfaces: watch::Receiver<Arc<Interfaces>>,
    news: mpsc::Sender<Found>,
}

impl Trackers {
    /// None yet; what they find comes out of the receiver.
    pub(crate) fn new(
        interfaces: watch::Receiver<Arc<Interfaces>>,
    ) -> (Self, mpsc::Receiver<Found>) {
        let (news, found) = mpsc::channel(NEWS);
        (Self { running: Vec::new(), interfaces, news }, found)
    }

    /// Runs exactly these: those that run already are not disturbed, and those that go are forgotten.
    pub(crate) fn run(&mut self, wanted: &[TrackerConfig], tracking: &mut Tracking) {
        self.running.retain(|(config, task)| {
            let stays = wanted.contains(config);
            if !stays {
                task.iter().for_each(AbortHandle::abort);
                tracking.forget(&config.name);
            }
            stays
        });
        for config in wanted {
            if !self.running.iter().any(|(running, _)| running == config) {
                self.running.push((config.clone(), self.start(config)));
            }
        }
    }

    fn start(&self, config: &TrackerConfig) -> Option<AbortHandle> {
        let (name, news) = (config.name.clone(), self.news.clone());
        match &config.kind {
            // Told over the link.
            TrackerKind::Interface(_) | TrackerKind::Script(_) => None,
            TrackerKind::Gateway(gateway) => {
                let interfaces = self.interfaces.clone();
                let task = tokio::spawn(gateway::watch(name, gateway.clone(), interfaces, news));
                Some(task.abort_handle())
            }
            TrackerKind::Process(comm) => {
                let task = tokio::spawn(process::watch(name, comm.clone(), news));
                Some(task.abort_handle())
            }
            TrackerKind::File(path) => {
                let task = tokio::spawn(file::watch(name, path.clone(), news));
                Some(task.abort_handle())
            }
        }
    }

    /// The health of the tracked interfaces.
    pub(crate) fn interfaces(&self, all: &Interfaces) -> Vec<TrackerHealth> {
        let health = |(config, _): &(TrackerConfig, _)| {
            let TrackerKind::Interface(interface) = &config.kind else { return None };
            let running = all.named(interface).is_some_and(|interface| interface.running);
            Some(health(&config.name, running))
        };
        self.running.iter().filter_map(health).collect()
    }
}

fn health(tracker: &Name, usable: bool) -> TrackerHealth {
    let state = if usable { Usability::Usable } else { Usability::Unusable };
    let usable = usize::from(usable);
    TrackerHealth { tracker: tracker.clone(), usable, total: 1, state, reason: None }
}
