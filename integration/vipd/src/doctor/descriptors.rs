//! How many connections the limit on open files allows.

use std::fs;

use lbproxy::net::descriptors::{ENOUGH, allowed, sessions_per_worker, shortage, workers};
use rustix::process::{Resource, getrlimit};

use super::context::Context;
use super::report::Finding;
use super::unit;

const ITEM: &str = "open files";

/// Compares the limit of `lbproxy`, or of what this shell would start, with the configured connections.
pub(super) fn look(context: &Context) -> Option<Finding> {
    let proxies = &context.config.proxies;
    if proxies.is_empty() {
        return None;
    }
    let pid = context.lbproxy.as_ref().map(|status| status.pid);
    let running = pid.and_then(|pid| fs::read_to_string(format!("/proc/{pid}/limits")).ok());
    let limit = match running {
        Some(text) => open_files(&text)?,
        None => getrlimit(Resource::Nofile).maximum.unwrap_or(ENOUGH),
    };
    let files = limit.min(ENOUGH);
    let workers = workers(context.config.lbproxy.threads);
    let listeners = proxies.iter().map(|proxy| proxy.listen.len()).sum();
    let servers = proxies.iter().map(|proxy| proxy.servers.len()).sum();
    let sessions = sessions_per_worker(files, workers, listeners, servers).saturating_mul(workers);
    Some(judge(limit, sessions as u64, allowed(proxies)))
}

fn judge(limit: u64, sessions: u64, wanted: Option<u64>) -> Finding {
    let Some(seen) = shortage(limit, sessions, wanted) else {
        let seen = format!("a limit of {limit} open files is enough for {sessions} connections");
        return Finding::ok(ITEM, "", seen);
    };
    let finding = match wanted {
        Some(_) => Finding::failure(ITEM, "", seen, "further clients wait until others have gone"),
        None => {
            let why = "each watch of a node or a controller is a connection that stays; further clients wait";
            Finding::warning(ITEM, "", seen, why)
        }
    };
    finding.remedies(unit::with("LimitNOFILE=1048576"))
}

/// The hard limit in `/proc/PID/limits`.
fn open_files(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let hard = line.split_whitespace().nth(1)?;
    if hard == "unlimited" { Some(ENOUGH) } else { hard.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::super::report::Verdict;
    use super::*;

    #[test]
    fn the_limit_is_compared_with_what_is_allowed() {
        for (sessions, wanted, verdict) in [
            (4096, None, Verdict::Ok),
            (4095, None, Verdict::Warning),
            (100, Some(100), Verdict::Ok),
            (100, Some(101), Verdict::Failure),
        ] {
            assert_eq!(judge(1024, sessions, wanted).verdict, verdict, "{sessions} {wanted:?}");
        }
    }

    #[test]
    fn a_processs_limit_is_read() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max processes             94445                94445                processes \n\
                    Max open files            1024                 524288               files     \n";
        assert_eq!(open_files(text), Some(524_288));
        assert_eq!(open_files(&text.replace("524288", "unlimited")), Some(1_048_576));
        assert_eq!(open_files(""), None);
    }
}
