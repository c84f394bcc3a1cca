//! The users that the programs run as: each of its own, which nothing else on the host uses
//! (docs/adr/0029-users.md). The choice is pure; [`host`] looks at the system.

mod host;
mod id_map;
#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;

use process::identity::Identity;

pub(crate) use self::host::choose_for;
use self::id_map::IdMap;

/// Numbers that systemd keeps for users that come and go (`DynamicUser=`); packages and people have none.
const DYNAMIC: RangeInclusive<u32> = 61_184..=65_519;

/// The kernel's number for whom it does not know, and that of `nobody`.
const OVERFLOW: u32 = 65_534;

/// Who runs as a user of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Speaks VRRP.
    Vrrpd,
    /// Balances TCP.
    Lbproxy,
    /// Answers operators and monitoring.
    Console,
    /// Runs hooks and scripts.
    Runner,
    /// What the runner runs, where the file names no user.
    Hooks,
}

impl Role {
    const ALL: [Self; 5] = [Self::Vrrpd, Self::Lbproxy, Self::Console, Self::Runner, Self::Hooks];

    /// The system user of configs/vipd.sysusers.conf.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Vrrpd => "vipd-vrrp",
            Self::Lbproxy => "vipd-proxy",
            Self::Console => "vipd-console",
            Self::Runner => "vipd-runner",
            Self::Hooks => "vipd-hooks",
        }
    }
}

/// Who runs as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Users([Identity; Role::ALL.len()]);

impl Users {
    /// Whom a role runs as.
    pub(crate) fn of(&self, role: Role) -> Identity {
        self.0[role as usize]
    }

    fn all(one: Identity) -> Self {
        Self([one; Role::ALL.len()])
    }
}

/// What the choice depends on.
struct Host<'a> {
    /// What we run as.
    own: Identity,
    /// Whether we may become others (`CAP_SETUID` and `CAP_SETGID`).
    may_become_others: bool,
    /// The users and groups that there are in our user namespace.
    users: IdMap,
    groups: IdMap,
    /// A user by its name.
    installed: &'a dyn Fn(&str) -> Option<Identity>,
    /// Whether a number is somebody's.
    is_taken: &'a dyn Fn(u32) -> bool,
    /// Which of the [dynamic](DYNAMIC) numbers to try first, counted from the beginning.
    first: u32,
}

impl Host<'_> {
    fn has(&self, user: Identity) -> bool {
        self.users.has(user.uid) && self.groups.has(user.gid)
    }
}

/// Chooses; and says in words what is not as it should be.
fn choose(host: &Host<'_>) -> (Users, Vec<String>) {
    let mut doubts = Vec::new();
    if host.users.len() <= 1 {
        // As the drill of an ordinary user has it.
        return (Users::all(host.own), doubts);
    }
    if !host.may_become_others {
        doubts.push(format!(
            "all programs run as user {}: no CAP_SETUID and CAP_SETGID to give each its own",
            host.own.uid
        ));
        return (Users::all(host.own), doubts);
    }
    let count = DYNAMIC.end() - DYNAMIC.start() + 1;
    let mut numbers = (0..count)
        .map(|step| DYNAMIC.start() + (host.first + step) % count)
        .map(|number| Identity { uid: number, gid: number })
        .filter(|user| host.has(*user) && !(host.is_taken)(user.uid));
    let mut chosen: Vec<Identity> = Vec::new();
    for role in Role::ALL {
        let user = installed(role, host, &chosen, &mut doubts).or_else(|| numbers.next());
        chosen.push(user.unwrap_or_else(|| {
            let name = role.name();
            doubts.push(format!("{name} runs as user {}: no number is free", host.own.uid));
            host.own
        }));
    }
    // As many as there are roles.
    let mut users = Users::all(host.own);
    users.0.iter_mut().zip(chosen).for_each(|(user, chosen)| *user = chosen);
    (users, doubts)
}

/// The system user of a role, if there is one and nobody else is it.
fn installed(
    role: Role,
    host: &Host<'_>,
    others: &[Identity],
    doubts: &mut Vec<String>,
) -> Option<Identity> {
    let name = role.name();
    let user = (host.installed)(name)?;
    let fault = if user.is_root() {
        "is root"
    } else if user.uid == OVERFLOW {
        "is nobody"
    } else if others.iter().any(|other| other.uid == user.uid) {
        "is another program's user as well"
    } else if !host.has(user) {
        "is not in this user namespace"
    } else {
        return Some(user);
    };
    doubts.push(format!("the system user {name} {fault}: a number of its own is used instead"));
    None
}
