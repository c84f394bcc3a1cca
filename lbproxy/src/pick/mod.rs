//! Which servers to try for a client, and in which order. Pure.

mod first;
mod least_conn;
mod random;
mod round_robin;
mod source;

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::time::Instant;

use config::{Backups, Balance};

use self::round_robin::Rotation;
use crate::plan::backend::BackendSet;
use crate::plan::state::State;

/// A server that may be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// Its place in the set.
    pub(crate) index: usize,
    pub(crate) key: SocketAddr,
    /// Its connections at this moment.
    pub(crate) live: u32,
    /// Its share among the others, from 1.
    pub(crate) weight: u32,
}

/// Whose turn it is among the servers of a proxy, in one worker.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    rotation: Rotation,
    draws: fastrand::Rng,
    /// Turns to leave out before the first.
    skip: usize,
}

impl Turns {
    /// Leaves `skip` turns out, so that not every worker begins with the same server.
    pub(crate) fn starting_at(skip: usize) -> Self {
        Self { skip, ..Self::default() }
    }

    fn order(&mut self, balance: Balance, choices: &mut [Choice], client: IpAddr) {
        for _ in 0..std::mem::take(&mut self.skip).checked_rem(choices.len()).unwrap_or(0) {
            self.rotation.order(choices);
            choices.sort_by_key(|choice| choice.index);
        }
        match balance {
            Balance::RoundRobin => self.rotation.order(choices),
            Balance::LeastConn => least_conn::order(choices, &mut self.rotation),
            Balance::Random => random::order(choices, &mut self.draws),
            Balance::Source => source::order(choices, client),
            Balance::First => first::order(choices),
        }
    }
}

/// The servers to try, best first, each once; a retry is the next of them.
///
/// Servers that are up come into question, backups after all others; while none is, those that no
/// check has judged yet: at start they are more likely to serve than not. In a panic all others.
pub(crate) fn candidates(
    set: &BackendSet,
    client: IpAddr,
    turns: &mut Turns,
    now: Instant,
) -> Vec<usize> {
    for state in [State::Up, State::Unknown] {
        let order = ordered(set, state, client, turns, now);
        if !order.is_empty() {
            return order;
        }
    }
    let mut order = Vec::new();
    if set.panic {
        // One that says it is not ready is likelier to serve than one that says nothing.
        order = ordered(set, State::Draining, client, turns, now);
        order.extend(ordered(set, State::Down, client, turns, now));
    }
    order
}

fn ordered(
    set: &BackendSet,
    state: State,
    client: IpAddr,
    turns: &mut Turns,
    now: Instant,
) -> Vec<usize> {
    let mut order = Vec::new();
    for backup in [false, true] {
        let mut choices = choices(set, state, backup, now);
        if backup && set.backups == Backups::First {
            choices.truncate(1);
        }
        turns.order(set.balance, &mut choices, client);
        order.extend(choices.into_iter().map(|choice| choice.index));
    }
    order
}

fn choices(set: &BackendSet, state: State, backup: bool, now: Instant) -> Vec<Choice> {
    let all = set.backends.iter().enumerate();
    all.filter(|(_, backend)| {
        (backend.state, backend.server.backup) == (state, backup) && backend.weight > 0
    })
    .map(|(index, backend)| Choice {
        index,
        key: backend.server.key,
        live: backend.server.counters.live.load(Ordering::Relaxed),
        weight: backend.share(set.slow_start, now),
    })
    .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use vocabulary::Name;

    use super::*;
    use std::time::Duration;

    use crate::clock;
    use crate::plan::backend::{Backend, Server};
    use crate::plan::located::Located;

    fn start() -> Instant {
        clock::deadline_in(Duration::ZERO).into()
    }

    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn address(index: usize) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, u8::try_from(index).unwrap() + 1], 6443))
    }

    /// Servers 10.0.0.1, 10.0.0.2 … with these numbers of connections.
    pub(crate) fn choices(live: &[u32]) -> Vec<Choice> {
        let choice = |(index, live): (usize, &u32)| Choice {
            index,
            key: address(index),
            live: *live,
            weight: 1,
        };
        live.iter().enumerate().map(choice).collect()
    }

    /// The same with these weights and no connections.
    pub(crate) fn weighted(weights: &[u32]) -> Vec<Choice> {
        let mut all = choices(&vec![0; weights.len()]);
        all.iter_mut().zip(weights).for_each(|(choice, weight)| choice.weight = *weight);
        all
    }

    pub(crate) fn indices(choices: &[Choice]) -> Vec<usize> {
        choices.iter().map(|choice| choice.index).collect()
    }

    const ALL: [Balance; 5] =
        [Balance::RoundRobin, Balance::LeastConn, Balance::Random, Balance::Source, Balance::First];

    #[test]
    fn every_policy_names_each_server_once() {
        for balance in ALL {
            let mut turns = Turns::starting_at(7);
            let mut all = choices(&[3, 1, 2]);
            turns.order(balance, &mut all, CLIENT);
            let mut seen = indices(&all);
            seen.sort_unstable();
            assert_eq!(seen, [0, 1, 2], "{balance:?}");
            turns.order(balance, &mut [], CLIENT);
        }
    }

    #[test]
    fn workers_begin_with_different_servers() {
        for (skip, expected) in [(0, [0, 1, 2]), (1, [1, 2, 0]), (2, [2, 0, 1]), (3, [0, 1, 2])] {
            let mut all = choices(&[0, 0, 0]);
            Turns::starting_at(skip).order(Balance::RoundRobin, &mut all, CLIENT);
            assert_eq!(indices(&all), expected, "skip {skip}");
        }
    }

    /// State, weight, whether it is a backup.
    fn set(servers: &[(State, u16, bool)]) -> BackendSet {
        let backend = |(index, (state, weight, backup)): (usize, &(State, u16, bool))| Backend {
            server: Arc::new(Server {
                name: Name::try_from("s").unwrap(),
                located: Located::new(address(index).into()),
                key: address(index),
                backup: *backup,
                max_connections: None,
                error_limit: None,
                source: None,
                counters: Arc::default(),
                queue: Arc::default(),
            }),
            state: *state,
            weight: *weight,
            returned: None,
        };
        let backends = servers.iter().enumerate().map(backend).collect();
        BackendSet {
            balance: Balance::First,
            slow_start: None,
            backups: Backups::All,
            panic: false,
            backends,
        }
    }

    #[test]
    fn who_comes_into_question() {
        use State::{Down, Draining, Unknown, Up};
        let table = [
            (vec![(Up, 1, false), (Down, 1, false), (Draining, 1, false)], vec![0]),
            // Backups come after all others, and serve where no other is up.
            (vec![(Up, 1, true), (Up, 1, false), (Up, 1, false)], vec![1, 2, 0]),
            (vec![(Up, 1, true), (Down, 1, false)], vec![0]),
            // Without weight it gets nothing, even where nobody else is left.
            (vec![(Up, 0, false), (Up, 1, true)], vec![1]),
            (vec![(Up, 0, false)], vec![]),
            // Before the first checks all are tried.
            (vec![(Unknown, 1, true), (Unknown, 1, false), (Down, 1, false)], vec![1, 0]),
            (vec![(Unknown, 1, false), (Up, 1, true)], vec![1]),
        ];
        for (servers, expected) in table {
            let order = candidates(&set(&servers), CLIENT, &mut Turns::default(), start());
            assert_eq!(order, expected, "{servers:?}");
        }
    }

    #[test]
    fn where_one_backup_is_wanted_the_first_usable_one_serves_alone() {
        use State::{Down, Up};
        let table = [
            (vec![(Up, 1, false), (Up, 1, true), (Up, 1, true)], vec![0, 1]),
            (vec![(Down, 1, false), (Up, 1, true), (Up, 1, true)], vec![1]),
            (vec![(Down, 1, false), (Down, 1, true), (Up, 1, true)], vec![2]),
        ];
        for (servers, expected) in table {
            let set = BackendSet { backups: Backups::First, ..set(&servers) };
            let order = candidates(&set, CLIENT, &mut Turns::default(), start());
            assert_eq!(order, expected, "{servers:?}");
        }
    }

    #[test]
    fn in_a_panic_those_that_are_not_up_are_used() {
        use State::{Down, Draining, Maint, Up};
        let table = [
            (vec![(Down, 1, false), (Draining, 1, false), (Maint, 0, false)], vec![1, 0]),
            (vec![(Down, 1, false), (Draining, 0, false)], vec![0]),
            (vec![(Down, 1, false), (Up, 1, false)], vec![1]),
        ];
        for (servers, expected) in table {
            let set = BackendSet { panic: true, ..set(&servers) };
            let order = candidates(&set, CLIENT, &mut Turns::default(), start());
            assert_eq!(order, expected, "{servers:?}");
        }
    }

    /// Who is chosen of two servers in 4096 turns, the second of which came back so long ago, and keeps
    /// what it gets.
    fn chosen(balance: Balance, millis: u64) -> u32 {
        let start = start();
        let mut set = set(&[(State::Up, 1, false), (State::Up, 1, false)]);
        (set.balance, set.slow_start) = (balance, Some(Duration::from_secs(10)));
        set.backends[1].returned = Some(start);
        let now = start + Duration::from_millis(millis);
        let mut turns = Turns { draws: fastrand::Rng::with_seed(1), ..Turns::default() };
        let mut second = 0;
        for client in 0..4096_u32 {
            let first =
                candidates(&set, std::net::Ipv4Addr::from(client).into(), &mut turns, now)[0];
            set.backends[first].server.counters.live.fetch_add(1, Ordering::Relaxed);
            second += u32::from(first == 1);
        }
        second
    }

    #[test]
    fn a_share_grows_steadily() {
        let start = start();
        let mut backend = set(&[(State::Up, 100, false)]).backends.remove(0);
        let at = |backend: &Backend, millis| {
            backend.share(Some(Duration::from_secs(10)), start + Duration::from_millis(millis))
        };
        assert_eq!(at(&backend, 0), 25_600, "it was never away");
        backend.returned = Some(start);
        let seen = [0, 1, 2_500, 5_000, 9_999, 10_000].map(|millis| at(&backend, millis));
        assert_eq!(seen, [1, 2, 6_400, 12_800, 25_597, 25_600]);
        assert_eq!(backend.share(None, start), 25_600);
        backend.weight = 0;
        assert_eq!(at(&backend, 5_000), 0);
    }

    #[test]
    fn one_that_came_back_gets_its_share_little_by_little() {
        for balance in [Balance::RoundRobin, Balance::LeastConn, Balance::Source] {
            // At once none or next to none; after a third of the time a quarter, for the other has all.
            assert!(chosen(balance, 0) <= 40, "{balance:?}: {}", chosen(balance, 0));
            let third = chosen(balance, 3_333);
            assert!((950..=1_100).contains(&third), "{balance:?}: {third}");
            let all = chosen(balance, 10_000);
            assert!((1_950..=2_150).contains(&all), "{balance:?}: {all}");
        }
        // Of two, the one with fewer connections for its share.
        assert!(chosen(Balance::Random, 0) <= 40);
        let third = chosen(Balance::Random, 3_333);
        assert!((900..=1_150).contains(&third), "{third}");
    }
}
