//! A user by its numbers: what a process runs as.

use std::fmt;
use std::io;
use std::str::FromStr;

use nix::unistd::{User, getegid, geteuid};

/// The numbers of a user and of its own group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The user's.
    pub uid: u32,
    /// The group's.
    pub gid: u32,
}

impl Identity {
    /// What this thread runs as.
    #[must_use]
    pub fn current() -> Self {
        Self { uid: geteuid().as_raw(), gid: getegid().as_raw() }
    }

    /// The user of this name, if there is one.
    ///
    /// # Errors
    /// The system's list of users cannot be read.
    pub fn named(name: &str) -> io::Result<Option<Self>> {
        Ok(User::from_name(name)?.map(|user| Self::from(&user)))
    }

    /// Whether it may do anything.
    #[must_use]
    pub fn is_root(self) -> bool {
        self.uid == 0
    }
}

impl From<&User> for Identity {
    fn from(user: &User) -> Self {
        Self { uid: user.uid.as_raw(), gid: user.gid.as_raw() }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.uid, self.gid)
    }
}

impl FromStr for Identity {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The kernel takes -1 for "as it is".
        let number = |text: &str| text.parse().ok().filter(|number| *number != u32::MAX);
        let (uid, gid) = text.split_once(':').ok_or("not UID:GID")?;
        let (uid, gid) = number(uid).zip(number(gid)).ok_or("not UID:GID")?;
        Ok(Self { uid, gid })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_as_it_is_read() {
        let identity = Identity { uid: 61_184, gid: 100 };
        assert_eq!(identity.to_string(), "61184:100");
        assert_eq!("61184:100".parse(), Ok(identity));
        for wrong in ["", "0", "0:", "root:root", "1:4294967295", "4294967295:1", "-1:1", "1:1:1"] {
            assert_eq!(wrong.parse::<Identity>(), Err("not UID:GID"), "{wrong}");
        }
    }

    #[test]
    fn root_has_a_name() {
        assert_eq!(Identity::named("root").unwrap(), Some(Identity { uid: 0, gid: 0 }));
        assert_eq!(Identity::named("no-such-user-here").unwrap(), None);
    }
}
