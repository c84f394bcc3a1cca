//! The log lines of the registry's events.

use std::time::Instant;

use process::throttle::{Throttle, Throttles};
use tracing::{info, warn};
use vocabulary::Name;

use super::registry::effect::Event;
use crate::plan::state::State;

/// Servers whose changes are logged each by itself, and lines about all of them a minute.
const SERVERS: usize = 256;
const LINES: u32 = 100;

/// What the log takes of servers that come and go: whoever makes them flap shall not fill it.
#[derive(Debug)]
pub(crate) struct EventLog(Throttles<(Name, Option<Name>)>);

impl Default for EventLog {
    fn default() -> Self {
        Self(Throttles::new(Throttle::changes(), SERVERS, LINES))
    }
}

impl EventLog {
    /// Writes the line of an event, unless there were many of its kind.
    pub(crate) fn log(&mut self, event: &Event, now: Instant) {
        if let Event::Ordered { proxy, server, state, weight } = event {
            return info!(%proxy, %server, %state, weight, "set by an operator");
        }
        let Some(times) = self.0.take(subject(event), now) else { return };
        let left_out = (times > 1).then(|| times - 1);
        match event {
            Event::Changed { proxy, server, address, from, to, reason } => {
                // What an operator or an agent asked for is no reason to look.
                if matches!(to, State::Up | State::Maint) {
                    info!(%proxy, %server, %address, %from, reason, left_out, "became {to}");
                } else {
                    warn!(%proxy, %server, %address, %from, reason, left_out, "became {to}");
                }
            }
            Event::Denied { proxy, server, words } => {
                warn!(%proxy, %server, reason = words, left_out, "the check was denied, which counts as alive: let strangers ask for this path to know more");
            }
            Event::PanicBegan { proxy } => {
                warn!(%proxy, left_out, "panic began: no server is up, those that accept connections are used");
            }
            Event::PanicEnded { proxy } => info!(%proxy, left_out, "panic ended: a server is up"),
            Event::Ordered { .. } => {}
        }
    }
}

fn subject(event: &Event) -> (Name, Option<Name>) {
    match event {
        Event::Changed { proxy, server, .. }
        | Event::Denied { proxy, server, .. }
        | Event::Ordered { proxy, server, .. } => (proxy.clone(), Some(server.clone())),
        Event::PanicBegan { proxy } | Event::PanicEnded { proxy } => (proxy.clone(), None),
    }
}
