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
pub(crate) struct EventLog(Throttles<(Name, String)>);

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
        if let Event::OrderEnded { proxy, server, state, weight } = event {
            return info!(%proxy, %server, %state, weight, "an operator's order is over");
        }
        let Some(times) = self.0.take(subject(event), now) else { return };
        write(event, (times > 1).then(|| times - 1));
    }
}

fn write(event: &Event, left_out: Option<u64>) {
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
        Event::Found { proxy, name, addresses, surplus } if *surplus > 0 => {
            warn!(%proxy, %name, ?addresses, surplus, left_out, "looked up the name: it has more addresses than max_addresses allows");
        }
        Event::Found { proxy, name, addresses, .. } => {
            info!(%proxy, %name, ?addresses, left_out, "looked up the name");
        }
        Event::NameLost { proxy, words } => {
            warn!(%proxy, error = words, left_out, "cannot look the name up: its last addresses stay in use");
        }
        Event::OwnAddress { proxy, name, address } => {
            warn!(%proxy, %name, %address, left_out, "left an address out: it leads back to this node's own proxies");
        }
        Event::PanicBegan { proxy } => {
            warn!(%proxy, left_out, "panic began: no server is up, those that accept connections are used");
        }
        Event::PanicEnded { proxy } => info!(%proxy, left_out, "panic ended: a server is up"),
        Event::Ordered { .. } | Event::OrderEnded { .. } => {}
    }
}

/// What a throttle counts as one thing.
fn subject(event: &Event) -> (Name, String) {
    match event {
        Event::Changed { proxy, server, .. }
        | Event::Denied { proxy, server, .. }
        | Event::Ordered { proxy, server, .. }
        | Event::OrderEnded { proxy, server, .. } => (proxy.clone(), server.to_string()),
        Event::Found { proxy, name, .. } | Event::OwnAddress { proxy, name, .. } => {
            (proxy.clone(), name.to_string())
        }
        Event::NameLost { proxy, .. } => (proxy.clone(), "a name".to_owned()),
        Event::PanicBegan { proxy } | Event::PanicEnded { proxy } => (proxy.clone(), String::new()),
    }
}
