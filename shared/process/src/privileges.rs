//! Gives up what a program does not need: the user, the capabilities, the means to get new ones.
//!
//! The kernel has all of it for each thread, and whom a thread starts gets what it has (credentials(7)). So a
//! program gives up what it had while there is only one, and a piece of work [as another](as_user) is done in
//! a thread of its own.

use std::fmt;
use std::io;
use std::thread;

use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};
pub use rustix::thread::CapabilitySet;
use rustix::thread::{
    CapabilitySets, capabilities, remove_capability_from_bounding_set, set_capabilities,
    set_keep_capabilities, set_no_new_privs, set_thread_groups, set_thread_res_gid,
    set_thread_res_uid,
};

use crate::identity::Identity;

/// What a program goes on with.
#[derive(Clone, Copy, Debug)]
pub struct Privileges {
    /// The user that it becomes; none: it stays who it is.
    pub user: Option<Identity>,
    /// The capabilities that it needs.
    pub capabilities: CapabilitySet,
    /// What it starts may gain privileges at its exec, as hooks of root have to.
    pub new_privileges: bool,
}

/// What could not be given up. To be logged once there is a log.
#[derive(Debug)]
pub struct Doubt(String);

impl Doubt {
    /// The file names a user whom the system does not have.
    #[must_use]
    pub fn of_unknown_user(name: &str) -> Self {
        Self(format!("there is no user {name:?}; runs as its own"))
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Gives up everything else. Where that is impossible the program goes on with what it has.
#[must_use]
pub fn give_up_all_but(privileges: Privileges) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    if !privileges.new_privileges {
        drop_bounding_set(privileges.capabilities);
    }
    if let Some(user) = privileges.user.filter(|user| *user != Identity::current())
        && let Err(why) = become_user(user)
    {
        let stays = "goes on as it was started, without other capabilities";
        doubts.push(Doubt(format!("cannot become user {user}: {why}; {stays}")));
    }
    if let Err(error) = limit_capabilities(privileges.capabilities) {
        doubts.push(Doubt(format!("cannot drop capabilities: {error}; goes on with them")));
    }
    if !privileges.new_privileges
        && let Err(error) = set_no_new_privs(true)
    {
        doubts.push(Doubt(format!("cannot forswear new privileges: {error}; goes on without")));
    }
    doubts
}

/// Before the others, for it takes one of them. Only root may; for others it changes nothing.
fn drop_bounding_set(needed: CapabilitySet) {
    for bit in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        if !needed.contains(capability) && remove_capability_from_bounding_set(capability).is_err()
        {
            return;
        }
    }
}

fn become_user(user: Identity) -> Result<(), String> {
    let failed = |what: &'static str| move |error: nix::Error| format!("{what}: {error}");
    setgroups(&[] as &[Gid]).map_err(failed("setgroups"))?;
    setgid(Gid::from_raw(user.gid)).map_err(failed("setgid"))?;
    set_keep_capabilities(true).map_err(|error| format!("keep capabilities: {error}"))?;
    let became = setuid(Uid::from_raw(user.uid)).map_err(failed("setuid"));
    // It was for this change of user only.
    set_keep_capabilities(false).ok();
    became
}

fn limit_capabilities(needed: CapabilitySet) -> rustix::io::Result<()> {
    let permitted = capabilities(None)?.permitted & needed;
    let inheritable = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: permitted, permitted, inheritable })
}

/// Whom a piece of work is done as.
#[derive(Clone, Debug)]
pub struct Acting {
    /// The user.
    pub user: Identity,
    /// The groups it is in besides its own.
    pub groups: Vec<u32>,
    /// What is started may gain the privileges that its file gives, as `sudo` and `ping`; for root: may have
    /// root's.
    pub new_privileges: bool,
}

/// Does `work` in a thread of its own that is this user, so that the kernel refuses what it refuses the user,
/// and whom it starts is the user. Nobody but root has capabilities there. Takes the time of the work.
///
/// # Errors
/// We may not become the user; there is no further thread; or the work's own.
///
/// # Panics
/// Never but with the work.
pub fn as_user<T: Send>(
    acting: &Acting,
    work: impl FnOnce() -> io::Result<T> + Send,
) -> io::Result<T> {
    thread::scope(|scope| {
        let act = || {
            become_for_this_thread(acting)?;
            work()
        };
        let thread = thread::Builder::new().name("acting".to_owned()).spawn_scoped(scope, act)?;
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the work panicked")))
    })
}

fn become_for_this_thread(acting: &Acting) -> io::Result<()> {
    use rustix::thread::{Gid, Uid};
    if acting.user != Identity::current() {
        let (uid, gid) = (Uid::from_raw(acting.user.uid), Gid::from_raw(acting.user.gid));
        let groups: Vec<Gid> = acting.groups.iter().map(|group| Gid::from_raw(*group)).collect();
        set_thread_groups(&groups)?;
        set_thread_res_gid(gid, gid, gid)?;
        set_thread_res_uid(uid, uid, uid)?;
    }
    if !acting.user.is_root() || !acting.new_privileges {
        limit_capabilities(CapabilitySet::empty())?;
    }
    if !acting.new_privileges {
        set_no_new_privs(true)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_needed_is_gone() {
        // Of a thread of its own, for the other tests.
        let thread = thread::spawn(|| {
            let capabilities = CapabilitySet::NET_BIND_SERVICE;
            let all = Privileges { user: None, capabilities, new_privileges: false };
            let doubts = give_up_all_but(all);
            assert_eq!(doubts.len(), 0, "{doubts:?}");
            let left = rustix::thread::capabilities(None).unwrap();
            assert!(capabilities.contains(left.permitted), "{left:?}");
            assert_eq!(left.inheritable, CapabilitySet::empty());
            assert!(rustix::thread::no_new_privs().unwrap());
        });
        thread.join().unwrap();
    }

    /// What `/proc/thread-self/status` has of this.
    fn status(field: &str) -> String {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        line.trim_start_matches(':').trim().to_owned()
    }

    #[test]
    fn work_is_done_by_another_thread_with_no_more_than_it_needs() {
        let user = Identity::current();
        let acting = Acting { user, groups: Vec::new(), new_privileges: false };
        let seen = as_user(&acting, || Ok([status("CapEff"), status("NoNewPrivs")])).unwrap();
        assert_eq!(seen, ["0000000000000000", "1"]);
        assert_eq!(status("NoNewPrivs"), "0");
        let error = as_user(&acting, || Err::<(), _>(io::ErrorKind::NotFound.into())).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn root_acts_as_others_and_stays_root() {
        if !Identity::current().is_root() {
            return;
        }
        let user = Identity { uid: 61_999, gid: 61_998 };
        let acting = Acting { user, groups: vec![61_997], new_privileges: true };
        let seen = || Ok(["Uid", "Gid", "Groups", "CapEff", "NoNewPrivs"].map(status));
        let expected = [
            "61999\t61999\t61999\t61999",
            "61998\t61998\t61998\t61998",
            "61997",
            "0000000000000000",
            "0",
        ];
        // In a user namespace of one user nobody can become another.
        if let Ok(seen) = as_user(&acting, seen) {
            assert_eq!(seen, expected);
            let started = as_user(&acting, || std::process::Command::new("id").arg("-u").output());
            assert_eq!(started.unwrap().stdout, b"61999\n");
        }
        assert_eq!(Identity::current().uid, 0);
        assert_eq!(as_user(&acting_as_root(), || Ok(status("CapEff"))).unwrap(), status("CapEff"));
    }

    fn acting_as_root() -> Acting {
        Acting { user: Identity { uid: 0, gid: 0 }, groups: Vec::new(), new_privileges: true }
    }
}
