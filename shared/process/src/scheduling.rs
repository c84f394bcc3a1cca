//! How a program's threads are scheduled: adverts that wait for a processor look like a dead node.

use rustix::io::Errno;
use rustix::mm::{MlockAllFlags, mlockall};
use thread_priority::{
    Error, NormalThreadSchedulePolicy, RealtimeThreadSchedulePolicy, ThreadPriority,
    ThreadPriorityOsValue, ThreadPriorityValue, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};
use tracing::{debug, warn};

/// Puts this thread into the round-robin class (`SCHED_RR`) with `priority`, 1 to 99. Where that is
/// not permitted it stays as it is, and a warning says so.
pub fn real_time(what: &'static str, priority: u8) {
    let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::RoundRobin);
    let wanted = ThreadPriorityValue::try_from(priority).map(ThreadPriority::Crossplatform);
    let wanted = wanted.unwrap_or(ThreadPriority::Min);
    if let Err(error) = set_thread_priority_and_policy(thread_native_id(), wanted, policy) {
        let reason = reason(&error);
        warn!(%reason, "no real-time scheduling for {what}: on a busy host it may be late; allow it with CAP_SYS_NICE or LimitRTPRIO");
    }
}

/// Puts this thread, and those it starts, into the ordinary class: a real-time parent's children
/// inherit its class, and most of their work is not urgent.
pub fn ordinary() {
    let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Other);
    let nice_0 = ThreadPriority::Os(ThreadPriorityOsValue::default());
    if let Err(error) = set_thread_priority_and_policy(thread_native_id(), nice_0, policy) {
        debug!(reason = %reason(&error), "cannot leave the parent's scheduling class");
    }
}

/// Undoes what makes the kernel spare the supervisor when memory runs out: it is for whoever keeps the
/// addresses, not for programs that clients and operators can make large.
pub fn spare_no_more() {
    const FILE: &str = "/proc/self/oom_score_adj";
    let spared = std::fs::read_to_string(FILE).is_ok_and(|score| score.starts_with('-'));
    if spared && let Err(error) = std::fs::write(FILE, "0") {
        debug!(%error, "is spared when memory runs out, as its parent");
    }
}

/// Keeps the process in memory: a page that was swapped out is a stall.
pub fn lock_memory() {
    let flags = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    if let Err(error) = mlockall(flags) {
        warn!(%error, "cannot lock memory: swapping may delay adverts; allow it with CAP_IPC_LOCK or LimitMEMLOCK");
    }
}

fn reason(error: &Error) -> String {
    if let Error::OS(code) = error {
        Errno::from_raw_os_error(*code).to_string()
    } else {
        format!("{error:?}")
    }
}
