//! The log lines of the registry's events.

use tracing::{info, warn};

use super::registry::effect::Event;
use crate::plan::state::State;

/// Writes the line of an event.
pub(crate) fn log(event: &Event) {
    match event {
        Event::Changed { proxy, server, address, from, to, reason } if *to == State::Up => {
            info!(%proxy, %server, %address, "{from} → {to}: {reason}");
        }
        Event::Changed { proxy, server, address, from, to, reason } => {
            warn!(%proxy, %server, %address, "{from} → {to}: {reason}");
        }
        Event::Denied { proxy, server, words } => warn!(
            %proxy, %server,
            "{words}: counted as alive; let strangers ask for this path to know more"
        ),
        Event::Ordered { proxy, server, state, weight } => {
            info!(%proxy, %server, "set by an operator: {state}, weight {weight}");
        }
        Event::OrderEnded { proxy, server, state, weight } => {
            info!(%proxy, %server, "an operator's order is over: {state}, weight {weight}");
        }
        Event::Found { proxy, name, addresses, surplus } if *surplus > 0 => {
            warn!(%proxy, %name, ?addresses, surplus, "looked up: it has more addresses than max_addresses allows");
        }
        Event::Found { proxy, name, addresses, .. } => {
            info!(%proxy, %name, ?addresses, "looked up");
        }
        Event::NameLost { proxy, words } => {
            warn!(%proxy, "{words}; its last addresses stay in use");
        }
        Event::OwnAddress { proxy, name, address } => {
            warn!(%proxy, %name, %address, "leads back to this node's own proxies: left out");
        }
        Event::PanicBegan { proxy } => {
            warn!(%proxy, "panic began: no server is up, those that accept connections are used");
        }
        Event::PanicEnded { proxy } => info!(%proxy, "panic ended: a server is up"),
    }
}
