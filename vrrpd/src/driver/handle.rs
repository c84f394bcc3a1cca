//! How the advert thread is commanded.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use config::RouterConfig;
use tokio::sync::{mpsc, oneshot, watch};
use vocabulary::{Name, Priority, RouterId};

use crate::status::{ActiveStatus, Change, Mismatch, Rejected};
use vrrp::desired::DesiredState;
use vrrp::election::StateName;

/// Commands that may wait; whoever gives them waits when it is full.
pub(super) const COMMAND_QUEUE: usize = 16;

/// A router to be run.
#[derive(Debug)]
pub struct NewRouter {
    /// Its configuration.
    pub config: RouterConfig,
    /// Where the desired state of its addresses goes.
    pub desired: watch::Sender<DesiredState>,
    /// Until when it may go on as Active for a predecessor that died.
    pub resume_until: Option<Instant>,
}

#[derive(Debug)]
pub(super) enum Command {
    Run(Box<NewRouter>),
    Change(Box<RouterConfig>),
    Remove(RouterId),
    HandOver(Option<Name>, Vec<IpAddr>),
    Reclaim,
    Stop,
    Report(oneshot::Sender<Report>),
}

/// What the thread tells of itself.
#[derive(Debug)]
pub struct Report {
    /// Every router.
    pub routers: Vec<RouterReport>,
    /// Packets discarded before a router was found.
    pub discarded: BTreeMap<String, u64>,
    /// What was discarded of late.
    pub rejected: Rejected,
}

/// What the thread tells of one router; its fields mean what those of
/// [`RouterStatus`](crate::status::RouterStatus) do.
#[derive(Debug)]
#[expect(missing_docs, reason = "said there")]
pub struct RouterReport {
    pub config: Arc<RouterConfig>,
    pub state: StateName,
    pub since_ms: u64,
    pub transitions: u64,
    pub contests: u64,
    pub effective_priority: Priority,
    pub source: Option<IpAddr>,
    pub timer_ms: Option<u64>,
    pub active: Option<ActiveStatus>,
    pub sent: u64,
    pub send_errors: u64,
    pub received: u64,
    pub discarded: BTreeMap<String, u64>,
    pub mismatch: Option<Mismatch>,
    pub history: Vec<Change>,
}

/// Commands the advert thread.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(super) commands: mpsc::Sender<Command>,
}

impl Handle {
    /// Runs another router; one of the same name that is ending ends first.
    pub async fn run(&self, router: NewRouter) {
        self.send(Command::Run(Box::new(router))).await;
    }

    /// Changes what a running router can take over without ending.
    pub async fn change(&self, config: RouterConfig) {
        self.send(Command::Change(Box::new(config))).await;
    }

    /// Ends a router in order.
    pub async fn remove(&self, router: RouterId) {
        self.send(Command::Remove(router)).await;
    }

    /// Has the routers of this name, or all, hand their addresses over to a peer that takes them; if
    /// there is a peer of their family in `to`, only that one hears of it.
    pub async fn hand_over(&self, name: Option<Name>, to: Vec<IpAddr>) {
        self.send(Command::HandOver(name, to)).await;
    }

    /// Lets every router take back what it handed over.
    pub async fn reclaim(&self) {
        self.send(Command::Reclaim).await;
    }

    /// Ends every router in order, and then the thread. Told twice, at once.
    pub async fn stop(&self) {
        self.send(Command::Stop).await;
    }

    /// Asks how things are; none once the thread has ended.
    pub async fn report(&self) -> Option<Report> {
        let (answer, report) = oneshot::channel();
        self.send(Command::Report(answer)).await;
        report.await.ok()
    }

    async fn send(&self, command: Command) {
        // The thread ends only when it was told to: then there is nobody left to command.
        self.commands.send(command).await.ok();
    }
}
