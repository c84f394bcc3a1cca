//! Whether adverts are on time however busy the host is: real-time scheduling and locked memory.

use std::fs;

use rustix::process::{Resource, getrlimit};
use rustix::thread::{CapabilitySet, capabilities};
use vrrpd::driver::REALTIME_PRIORITY;

use super::context::Context;
use super::report::Finding;
use super::{sysctl, unit};

const ITEM: &str = "real-time";

/// Looks at the thread of a running `vrrpd` that sends adverts, or at what this shell would start.
pub(super) fn look(context: &Context) -> Option<Finding> {
    if context.config.routers.is_empty() {
        return None;
    }
    let running = context.vrrpd.as_ref().map(|status| policy(status.pid));
    let granted = match running {
        Some(Some(policy)) => [1, 2].contains(&policy),
        Some(None) => return None,
        None if !context.root => return None,
        None => may(),
    };
    let share = sysctl::number("kernel/sched_rt_runtime_us");
    Some(judge(running.is_some(), granted, share))
}

/// The scheduling policy of the advert thread (`sched(7)`: 0 other, 1 FIFO, 2 round robin).
fn policy(pid: u32) -> Option<u64> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten();
    let mut stats =
        threads.filter_map(|thread| fs::read_to_string(thread.path().join("stat")).ok());
    stats.find_map(|stat| policy_of(&stat, "adverts"))
}

/// Field 41 of `/proc/PID/stat`, if the thread has this name. The name stands in parentheses.
fn policy_of(stat: &str, name: &str) -> Option<u64> {
    let (head, rest) = stat.rsplit_once(')')?;
    head.ends_with(&format!("({name}")).then_some(())?;
    // The first field behind the name is the third.
    rest.split_whitespace().nth(41 - 3)?.parse().ok()
}

/// Whether this process may become real-time.
fn may() -> bool {
    let nice = capabilities(None).is_ok_and(|has| has.effective.contains(CapabilitySet::SYS_NICE));
    let limit = getrlimit(Resource::Rtprio).current;
    nice || limit.is_none_or(|limit| limit >= u64::from(REALTIME_PRIORITY))
}

fn judge(runs: bool, granted: bool, share: Option<i64>) -> Finding {
    let why = "on a busy host adverts would be late, and a Backup would take over";
    if share == Some(0) {
        let seen = "the kernel gives real-time threads no time (sched_rt_runtime_us is 0)";
        return Finding::warning(ITEM, "", seen, why)
            .remedy("sudo sysctl -w kernel.sched_rt_runtime_us=950000");
    }
    let who = if runs { "vrrpd's adverts" } else { "started from here, adverts" };
    if granted {
        return Finding::ok(ITEM, "", format!("{who} go before ordinary work"));
    }
    Finding::warning(ITEM, "", format!("{who} wait behind other work"), why)
        .remedies(unit::with("LimitRTPRIO=50"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Linux writes it; the policy is the last but four of these.
    #[test]
    fn a_threads_policy_is_read() {
        let stat = "812 (adverts) S 1 812 812 0 -1 4194368 99 0 0 0 5 3 0 0 -21 0 3 0 5000 12345678 900 18446744073709551615 1 1 0 0 0 0 0 4096 17642 0 0 0 -1 1 20 2 0 0 0 0 0 0 0 0 0 0 0";
        assert_eq!(policy_of(stat, "adverts"), Some(2));
        assert_eq!(policy_of(stat, "verts"), None);
        assert_eq!(policy_of("812 (a) b) S", "a) b"), None);
        assert_eq!(policy_of("", "adverts"), None);
    }
}
