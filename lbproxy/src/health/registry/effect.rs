//! What the registry wants done: values, which `control` and the check runner carry out.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use config::AgentConfig;
use vocabulary::{Endpoint, Name};

use crate::health::check::Check;
use crate::health::outcome::CheckId;
use crate::plan::backend::Server;
use crate::plan::state::State;

/// One thing to do.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Workers and trackers must learn how the servers are now.
    Publish,
    /// For the check runner.
    Check(Command),
    /// To be logged.
    Log(Event),
}

/// What to do about a server's checks.
#[derive(Debug)]
pub(crate) enum Command {
    /// Check it from now on.
    Start(Box<Start>),
    /// Go on, by other settings.
    Update(CheckId, Settings),
    /// Look a name up, again and again.
    LookUp(CheckId, Endpoint),
    /// Check it, or look it up, no more.
    Stop(CheckId),
}

/// Checks to start.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    pub(crate) id: CheckId,
    pub(crate) server: Arc<Server>,
    pub(crate) settings: Settings,
    /// The agent to ask beside it; none: there is none.
    pub(crate) agent: Option<AgentConfig>,
    /// Whether another server's state is taken: it is not checked then.
    pub(crate) follows: bool,
    /// To wait before the first check.
    pub(crate) delay: Duration,
}

/// What may change while checks go on.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) check: Arc<Check>,
    /// The time between the starts of two checks.
    pub(crate) pace: Duration,
}

/// What happened, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A server's state changed by itself.
    Changed { proxy: Name, server: Name, address: String, from: State, to: State, reason: String },
    /// A check passes only for the server being alive.
    Denied { proxy: Name, server: Name, words: String },
    /// An operator's order was carried out.
    Ordered { proxy: Name, server: Name, state: State, weight: u16 },
    /// An operator's order holds no longer.
    OrderEnded { proxy: Name, server: Name, state: State, weight: u16 },
    /// A name has other addresses than before, and so many more than are used.
    Found { proxy: Name, name: String, addresses: Vec<SocketAddr>, surplus: usize },
    /// A name has no address any more; the last ones stay.
    NameLost { proxy: Name, words: String },
    /// An address of a name is one of this node's own proxies, and left out.
    OwnAddress { proxy: Name, name: String, address: SocketAddr },
    /// A proxy begins to use servers that are not up.
    PanicBegan { proxy: Name },
    /// It ends to.
    PanicEnded { proxy: Name },
}
