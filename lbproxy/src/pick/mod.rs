//! Which servers to try for a client, and in which order. Pure.

mod first;
mod least_conn;
mod round_robin;
mod source;

use std::net::{IpAddr, SocketAddr};

use shared::config::Balance;

use crate::backend::BackendSet;
use crate::health::State;

/// A server that may be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// Its place in the set.
    pub(crate) index: usize,
    pub(crate) address: SocketAddr,
    /// Its connections at this moment.
    pub(crate) live: u32,
}

/// The servers to try, best first, each once; a retry is the next of them.
///
/// `turn` counts the connections of the worker. Servers that are up come into question; while none
/// is, those that no check has judged yet: at start they are more likely to serve than not.
pub(crate) fn candidates(set: &BackendSet, client: IpAddr, turn: usize) -> Vec<usize> {
    let mut choices = in_state(set, State::Up);
    if choices.is_empty() {
        choices = in_state(set, State::Unknown);
    }
    order(set.balance, &mut choices, client, turn);
    choices.into_iter().map(|choice| choice.index).collect()
}

fn in_state(set: &BackendSet, state: State) -> Vec<Choice> {
    let all = set.backends.iter().enumerate();
    all.filter(|(_, backend)| backend.state == state)
        .map(|(index, backend)| Choice {
            index,
            address: backend.server.address,
            live: backend.server.counters.live.load(std::sync::atomic::Ordering::Relaxed),
        })
        .collect()
}

fn order(balance: Balance, choices: &mut [Choice], client: IpAddr, turn: usize) {
    match balance {
        Balance::RoundRobin => round_robin::order(choices, turn),
        Balance::LeastConn => least_conn::order(choices, turn),
        Balance::Source => source::order(choices, client),
        Balance::First => first::order(choices),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Servers 10.0.0.1, 10.0.0.2 … with these numbers of connections.
    pub(crate) fn choices(live: &[u32]) -> Vec<Choice> {
        live.iter()
            .enumerate()
            .map(|(index, live)| Choice {
                index,
                address: SocketAddr::from(([10, 0, 0, u8::try_from(index).unwrap() + 1], 6443)),
                live: *live,
            })
            .collect()
    }

    pub(crate) fn indices(choices: &[Choice]) -> Vec<usize> {
        choices.iter().map(|choice| choice.index).collect()
    }

    #[test]
    fn every_policy_names_each_server_once() {
        for balance in [Balance::RoundRobin, Balance::LeastConn, Balance::Source, Balance::First] {
            let mut all = choices(&[3, 1, 2]);
            order(balance, &mut all, IpAddr::from([192, 0, 2, 1]), 7);
            let mut seen = indices(&all);
            seen.sort_unstable();
            assert_eq!(seen, [0, 1, 2], "{balance:?}");
            order(balance, &mut [], IpAddr::from([192, 0, 2, 1]), 7);
        }
    }
}
