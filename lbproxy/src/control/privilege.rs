//! Gives up what a proxy does not need: the user, the capabilities, the real-time class.
//!
//! Capabilities and `no_new_privs` belong to a thread and pass to those it starts: all of this is
//! done while there is only one.

use std::fmt;

use nix::unistd::{Gid, User, geteuid, setgid, setgroups, setuid};
use rustix::process::Signal;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, remove_capability_from_bounding_set,
    set_capabilities, set_keep_capabilities, set_no_new_privs,
};
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id, thread_schedule_policy,
};

/// The one that stays: new listeners of a reload may have ports below 1024.
const KEPT: CapabilitySet = CapabilitySet::NET_BIND_SERVICE;

/// What could not be given up.
#[derive(Debug)]
pub struct Doubt(String);

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Becomes `user` if started by root, and drops every capability but one. Where that is impossible
/// the proxy goes on with what it has; the doubts are to be logged once there is a log.
pub fn drop_all(user: &str) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    drop_bounding_set();
    if geteuid().is_root()
        && let Err(why) = become_user(user)
    {
        let stays = "goes on as root without its capabilities";
        doubts.push(Doubt(format!("cannot become user {user:?}: {why}; {stays}")));
    }
    if let Err(error) = limit_capabilities() {
        doubts.push(Doubt(format!("cannot drop capabilities: {error}; goes on with them")));
    }
    if let Err(error) = set_no_new_privs(true) {
        doubts.push(Doubt(format!("cannot forswear new privileges: {error}; goes on without")));
    }
    doubts
}

/// Before the others, for it takes one of them. Only root may; for others it changes nothing.
fn drop_bounding_set() {
    for bit in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        if capability != KEPT && remove_capability_from_bounding_set(capability).is_err() {
            return;
        }
    }
}

fn become_user(name: &str) -> Result<(), String> {
    let user = User::from_name(name)
        .map_err(|error| error.to_string())?
        .ok_or_else(|| "there is no such user".to_owned())?;
    if user.uid.is_root() {
        return Ok(());
    }
    let failed = |what: &'static str| move |error: nix::Error| format!("{what}: {error}");
    setgroups(&[] as &[Gid]).map_err(failed("setgroups"))?;
    setgid(user.gid).map_err(failed("setgid"))?;
    set_keep_capabilities(true).map_err(|error| format!("keep capabilities: {error}"))?;
    let became = setuid(user.uid).map_err(failed("setuid"));
    // It was for this change of user only.
    set_keep_capabilities(false).ok();
    became
}

fn limit_capabilities() -> rustix::io::Result<()> {
    let permitted = capabilities(None)?.permitted & KEPT;
    set_capabilities(
        None,
        CapabilitySets { effective: permitted, permitted, inheritable: CapabilitySet::empty() },
    )
}

/// Leaves a real-time class that was inherited from the supervisor: only adverts deserve it.
pub fn leave_real_time() -> Option<Doubt> {
    if !matches!(thread_schedule_policy(), Ok(ThreadSchedulePolicy::Realtime(_))) {
        return None;
    }
    let normal = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Other);
    let nice_0 =
        ThreadPriority::from_posix(thread_priority::unix::ScheduleParams { sched_priority: 0 });
    let left = set_thread_priority_and_policy(thread_native_id(), nice_0, normal);
    // The class comes first; where only the niceness failed, nothing is left to do.
    match (left, thread_schedule_policy()) {
        (Err(error), Ok(ThreadSchedulePolicy::Realtime(_))) => {
            Some(Doubt(format!("cannot leave the real-time class: {error:?}")))
        }
        _ => None,
    }
}

/// Ends with the supervisor, even one that is killed.
pub(crate) fn end_with_parent() -> Option<Doubt> {
    let set = rustix::process::set_parent_process_death_signal(Some(Signal::TERM));
    set.err().map(|error| Doubt(format!("cannot tie our life to the supervisor's: {error}")))
}
