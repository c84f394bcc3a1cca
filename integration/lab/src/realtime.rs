//! Real-time scheduling for the threads that measure.

use thread_priority::ThreadPriority;
use thread_priority::unix::{
    RealtimeThreadSchedulePolicy, ScheduleParams, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};

/// The lowest real-time priority: before every ordinary thread, after the daemons under test.
const LOWEST: i32 = 1;

/// Puts the calling thread into `SCHED_RR` where that is permitted, and says whether it is.
///
/// A probe that waits for a processor sees a silence that no client had; one that may not have
/// real-time scheduling still measures, only less precisely on a busy machine.
pub fn try_realtime() -> bool {
    let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::RoundRobin);
    let priority = ThreadPriority::from_posix(ScheduleParams { sched_priority: LOWEST });
    set_thread_priority_and_policy(thread_native_id(), priority, policy).is_ok()
}
