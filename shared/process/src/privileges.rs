//! Gives up what a program does not need: the user, the capabilities, the means to get new ones.
//!
//! All of it belongs to a thread and passes to those it starts: call it while there is only one.

use std::fmt;

use nix::unistd::{Gid, User, geteuid, setgid, setgroups, setuid};
pub use rustix::thread::CapabilitySet;
use rustix::thread::{
    CapabilitySets, capabilities, remove_capability_from_bounding_set, set_capabilities,
    set_keep_capabilities, set_no_new_privs,
};

/// What a program keeps.
#[derive(Clone, Copy, Debug)]
pub struct Kept<'a> {
    /// The user it becomes if it was started by root; none: it stays who it is.
    pub user: Option<&'a str>,
    /// The capabilities that it needs.
    pub capabilities: CapabilitySet,
    /// What it starts may gain privileges at its exec, as hooks of root have to.
    pub new_privileges: bool,
}

/// What could not be given up. To be logged once there is a log.
#[derive(Debug)]
pub struct Doubt(String);

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Gives up everything but `kept`. Where that is impossible the program goes on with what it has.
#[must_use]
pub fn give_up_all_but(kept: Kept<'_>) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    if !kept.new_privileges {
        drop_bounding_set(kept.capabilities);
    }
    if let Some(user) = kept.user
        && geteuid().is_root()
        && let Err(why) = become_user(user)
    {
        let stays = "goes on as root without its capabilities";
        doubts.push(Doubt(format!("cannot become user {user:?}: {why}; {stays}")));
    }
    if let Err(error) = limit_capabilities(kept.capabilities) {
        doubts.push(Doubt(format!("cannot drop capabilities: {error}; goes on with them")));
    }
    if !kept.new_privileges
        && let Err(error) = set_no_new_privs(true)
    {
        doubts.push(Doubt(format!("cannot forswear new privileges: {error}; goes on without")));
    }
    doubts
}

/// Before the others, for it takes one of them. Only root may; for others it changes nothing.
fn drop_bounding_set(kept: CapabilitySet) {
    for bit in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        if !kept.contains(capability) && remove_capability_from_bounding_set(capability).is_err() {
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

fn limit_capabilities(kept: CapabilitySet) -> rustix::io::Result<()> {
    let permitted = capabilities(None)?.permitted & kept;
    let inheritable = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: permitted, permitted, inheritable })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_kept_is_gone() {
        // Of a thread of its own, for the other tests.
        let thread = std::thread::spawn(|| {
            let capabilities = CapabilitySet::NET_BIND_SERVICE;
            let kept = Kept { user: None, capabilities, new_privileges: false };
            let doubts = give_up_all_but(kept);
            assert_eq!(doubts.len(), 0, "{doubts:?}");
            let left = rustix::thread::capabilities(None).unwrap();
            assert!(capabilities.contains(left.permitted), "{left:?}");
            assert_eq!(left.inheritable, CapabilitySet::empty());
            assert!(rustix::thread::no_new_privs().unwrap());
        });
        thread.join().unwrap();
    }

    #[test]
    fn a_user_that_is_not_there_is_a_doubt() {
        let words = become_user("no-such-user-here").unwrap_err();
        assert_eq!(words, "there is no such user");
    }
}
