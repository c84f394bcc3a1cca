//! How many connections fit into the limit on open files.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// More files than this are never asked for, as HAProxy's `fd-hard-limit`.
const ENOUGH: u64 = 1_048_576;

/// Files for logs, runtimes, the link, the admin socket and its clients.
const RESERVE: u64 = 128;

/// Raises the soft limit as far as it may go; returns it.
pub(crate) fn raise() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(ENOUGH).min(ENOUGH);
    let now = limit.current.unwrap_or(ENOUGH);
    let raised = Rlimit { current: Some(most), maximum: limit.maximum };
    if now < most && setrlimit(Resource::Nofile, raised).is_ok() { most } else { now }
}

/// Connections for each worker: two files each, at least one connection.
pub(crate) fn sessions_per_worker(
    files: u64,
    workers: usize,
    listeners: usize,
    servers: usize,
) -> usize {
    let taken = RESERVE + 2 * (workers * listeners + servers) as u64;
    let sessions = files.saturating_sub(taken) / 2 / workers.max(1) as u64;
    usize::try_from(sessions).unwrap_or(usize::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_files_a_connection_after_the_reserve() {
        // (1024 - 128 - 2 * (2 * 1 + 3)) / 2 / 2 = 221.5
        assert_eq!(sessions_per_worker(1024, 2, 1, 3), 221);
        assert_eq!(sessions_per_worker(64, 2, 1, 3), 1);
    }
}
