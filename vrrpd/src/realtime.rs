//! Being scheduled in time: adverts that wait for a processor look like a dead node.

use nix::errno::Errno;
use rustix::mm::{MlockAllFlags, mlockall};
use thread_priority::{
    RealtimeThreadSchedulePolicy, ThreadPriority, ThreadPriorityValue, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};
use tracing::warn;

/// Above every ordinary process, and below what a host may have set up on purpose.
pub const ADVERTS: u8 = 20;

/// Address keeping comes second: an address that is late costs less than an advert.
pub const ADDRESSES: u8 = 10;

/// Puts this thread into the round-robin class (`SCHED_RR`) with `priority`, 1 to 99.
pub fn prefer_this_thread(what: &'static str, priority: u8) {
    let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::RoundRobin);
    let wanted = ThreadPriorityValue::try_from(priority).map(ThreadPriority::Crossplatform);
    let wanted = wanted.unwrap_or(ThreadPriority::Min);
    if let Err(error) = set_thread_priority_and_policy(thread_native_id(), wanted, policy) {
        let reason = if let thread_priority::Error::OS(code) = error {
            Errno::from_raw(code).desc().to_owned()
        } else {
            format!("{error:?}")
        };
        warn!(%reason, "no real-time scheduling for {what}: on a busy host they may be late; allow it with CAP_SYS_NICE or LimitRTPRIO");
    }
}

/// Keeps the process in memory: a page that was swapped out is a stall.
pub fn lock_memory() {
    let flags = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    if let Err(error) = mlockall(flags) {
        warn!(%error, "cannot lock memory: swapping may delay adverts; allow it with CAP_IPC_LOCK or LimitMEMLOCK");
    }
}
