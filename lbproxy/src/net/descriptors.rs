//! How many connections fit into the limit on open files.

use std::num::{NonZeroU32, NonZeroUsize};
use std::thread::available_parallelism;

use config::ProxyConfig;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// More files than this are never asked for, as HAProxy's `fd-hard-limit`.
pub const ENOUGH: u64 = 1_048_576;

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

/// More workers than this are none's by default: they share what a network card brings, and each has files,
/// memory and a queue at every address.
const WORKERS: usize = 8;

/// Worker threads: as configured, or one for each processor, and at most eight.
#[must_use]
pub fn workers(configured: Option<NonZeroUsize>) -> usize {
    let by_default = || available_parallelism().map_or(1, NonZeroUsize::get).min(WORKERS);
    configured.map_or_else(by_default, NonZeroUsize::get)
}

/// Pipes at most: those of 256 KiB stay within the 64 MiB that the kernel grants an ordinary user
/// (`pipe-user-pages-soft`).
const PIPES: u64 = 192;

/// Pipes of a worker at most: few are in use at a time.
const PIPES_PER_WORKER: u64 = 64;

/// Pipes for each worker, two files each: a small part of all files.
pub(crate) fn pipes_per_worker(files: u64, workers: usize) -> usize {
    let all = (files / 64).min(PIPES);
    let pipes = (all / workers.max(1) as u64).min(PIPES_PER_WORKER);
    usize::try_from(pipes).unwrap_or_default()
}

/// Connections for each worker: two files each, at least one connection.
#[must_use]
pub fn sessions_per_worker(files: u64, workers: usize, listeners: usize, servers: usize) -> usize {
    let pipes = workers * pipes_per_worker(files, workers);
    let taken = RESERVE + 2 * (workers * listeners + servers + pipes) as u64;
    let sessions = files.saturating_sub(taken) / 2 / workers.max(1) as u64;
    usize::try_from(sessions).unwrap_or(usize::MAX).max(1)
}

/// Fewer connections than that a busy cluster may need.
const MODEST: u64 = 4096;

/// The connections that the proxies allow; none where they set no limit.
#[must_use]
pub fn allowed(proxies: &[ProxyConfig]) -> Option<u64> {
    let mut sum = 0;
    for proxy in proxies {
        if let Some(most) = proxy.clients.connections {
            sum += u64::from(most.get());
            continue;
        }
        for server in &proxy.servers {
            sum += u64::from(server.max_connections.map(NonZeroU32::get)?);
        }
        sum += u64::from(proxy.queue.length);
    }
    Some(sum)
}

/// Whether `sessions` connections are fewer than the configuration asks for, or than a cluster may need where
/// it does not say; in words.
#[must_use]
pub fn shortage(files: u64, sessions: u64, allowed: Option<u64>) -> Option<String> {
    let enough = format!("a limit of {files} open files is enough for {sessions} connections");
    // What is not for connections stays what it is.
    let needed = |wanted: u64| files + 2 * wanted.saturating_sub(sessions);
    match allowed {
        Some(wanted) if wanted > sessions => {
            Some(format!("{enough}, and the file allows {wanted}, which need {}", needed(wanted)))
        }
        None if sessions < MODEST => Some(enough),
        Some(_) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_workers_as_wanted_and_eight_at_most_by_default() {
        assert_eq!(workers(NonZeroUsize::new(64)), 64);
        assert!((1..=8).contains(&workers(None)));
    }

    #[test]
    fn two_files_a_connection_after_the_reserve() {
        // (1024 - 128 - 2 * (2 * 1 + 3 + 2 * 8)) / 2 / 2 = 213.5
        assert_eq!(pipes_per_worker(1024, 2), 8);
        assert_eq!(sessions_per_worker(1024, 2, 1, 3), 213);
        assert_eq!((pipes_per_worker(64, 2), sessions_per_worker(64, 2, 1, 3)), (0, 1));
        assert_eq!([2, 4].map(|workers| pipes_per_worker(1_048_576, workers)), [64, 48]);
    }

    #[test]
    fn too_few_are_told_with_what_is_needed() {
        // 1024 files are 213 connections for each of two workers; 1000 connections are 574 more.
        let words = "a limit of 1024 open files is enough for 426 connections, and the file allows 1000, which need 2172";
        assert_eq!(shortage(1024, 426, Some(1000)).as_deref(), Some(words));
        assert_eq!(shortage(1024, 426, Some(426)), None);
        let modest = "a limit of 1024 open files is enough for 426 connections";
        assert_eq!(shortage(1024, 426, None).as_deref(), Some(modest));
        assert_eq!(shortage(16_384, 4096, None), None);
    }
}
