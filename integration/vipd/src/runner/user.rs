//! As whom the operator's programs run: as the user whom the file names, with all that user's rights; or as
//! the hooks' own, who can gain none.

use std::ffi::CString;
use std::path::PathBuf;

use nix::unistd::{User, getgrouplist};
use process::identity::Identity;
use process::privileges::{Acting, CapabilitySet};
use rustix::thread::capabilities;

use crate::users::Role;

/// There is no user of this name.
#[derive(Debug, thiserror::Error)]
#[error("there is no user {0:?}")]
pub(crate) struct NoUser(String);

/// A user that programs run as.
#[derive(Clone, Debug)]
pub(crate) struct ProgramUser {
    pub(crate) name: String,
    pub(crate) home: PathBuf,
    pub(crate) acting: Acting,
}

impl ProgramUser {
    /// The one of this name; without a name the hooks' own, `own`.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn find(name: Option<&str>, own: Identity) -> Result<Self, NoUser> {
        let Some(name) = name else { return Ok(Self::own(own)) };
        let user = User::from_name(name).ok().flatten().ok_or_else(|| NoUser(name.to_owned()))?;
        let groups = CString::new(name).ok().and_then(|name| getgrouplist(&name, user.gid).ok());
        let groups = groups.unwrap_or_default().iter().map(|group| group.as_raw()).collect();
        let acting = Acting { user: Identity::from(&user), groups, new_privileges: true };
        Ok(Self { name: user.name, home: user.dir, acting })
    }

    fn own(own: Identity) -> Self {
        Self {
            name: Role::Hooks.name().to_owned(),
            home: PathBuf::from("/"),
            acting: Acting { user: own, groups: Vec::new(), new_privileges: false },
        }
    }

    /// Whom a configuration means, when nobody has chosen a number yet: the system user, or one who owns
    /// nothing.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn meant(name: Option<&str>) -> Result<Self, NoUser> {
        const STRANGER: Identity = Identity { uid: 65_519, gid: 65_519 };
        let installed = Identity::named(Role::Hooks.name()).ok().flatten();
        Self::find(name, installed.unwrap_or(STRANGER))
    }
}

/// Root, where we may be; else who we are. For a file that root alone can make where it is wanted.
pub(crate) fn root() -> Acting {
    let may = capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::SETUID));
    let root = Identity { uid: 0, gid: 0 };
    let user = if may { root } else { Identity::current() };
    Acting { user, groups: Vec::new(), new_privileges: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_named_have_their_rights_and_the_hooks_own_user_gains_none() {
        let own = Identity { uid: 61_188, gid: 61_188 };
        let user = ProgramUser::find(None, own).unwrap();
        assert_eq!((user.name.as_str(), user.acting.user), ("vipd-hooks", own));
        assert!(user.acting.groups.is_empty() && !user.acting.new_privileges);
        let user = ProgramUser::find(Some("root"), own).unwrap();
        assert_eq!(user.acting.user, Identity { uid: 0, gid: 0 });
        assert!(user.acting.groups.contains(&0) && user.acting.new_privileges);
        let words = ProgramUser::find(Some("no-such-user-here"), own).unwrap_err().to_string();
        assert_eq!(words, "there is no user \"no-such-user-here\"");
    }
}
