//! Who runs as whom, in tables.

use super::host::{Process, read, uids_of_others};
use super::*;

const ROOT: Identity = Identity { uid: 0, gid: 0 };

fn one(number: u32) -> Identity {
    Identity { uid: number, gid: number }
}

/// The choice as root of a whole host where nobody is installed and nothing is taken, but for `change`.
fn chosen(change: impl FnOnce(&mut Host<'_>)) -> (Vec<u32>, Vec<String>) {
    let all = IdMap::parse("0 0 4294967295");
    let mut host = Host {
        own: ROOT,
        may_become_others: true,
        users: all.clone(),
        groups: all,
        installed: &|_| None,
        is_taken: &|_| false,
        first: 0,
    };
    change(&mut host);
    let (users, doubts) = choose(&host);
    (Role::ALL.map(|role| users.of(role).uid).to_vec(), doubts)
}

#[test]
fn free_numbers_are_taken_one_for_each() {
    let fine = |numbers: [u32; 5]| (numbers.to_vec(), Vec::<String>::new());
    assert_eq!(chosen(|_| {}), fine([61_184, 61_185, 61_186, 61_187, 61_188]));
    assert_eq!(
        chosen(|host| host.is_taken = &|number| [61_184, 61_186, 61_190].contains(&number)),
        fine([61_185, 61_187, 61_188, 61_189, 61_191])
    );
    // From the end of the range on to its beginning: 65519 is the last of 4336 numbers.
    assert_eq!(chosen(|host| host.first = 4_334), fine([65_518, 65_519, 61_184, 61_185, 61_186]));
    assert_eq!(
        chosen(|host| host.first = 4_336 * 2 + 1),
        fine([61_185, 61_186, 61_187, 61_188, 61_189])
    );
}

/// As the package's sysusers file has them.
fn all_installed(name: &str) -> Option<Identity> {
    const USERS: [(&str, u32); 5] = [
        ("vipd-vrrp", 990),
        ("vipd-proxy", 991),
        ("vipd-console", 992),
        ("vipd-runner", 993),
        ("vipd-hooks", 994),
    ];
    USERS.iter().find(|(user, _)| *user == name).map(|(_, uid)| one(*uid))
}

#[test]
fn system_users_come_first_where_they_are_installed() {
    let all = (vec![990, 991, 992, 993, 994], vec![]);
    assert_eq!(chosen(|host| host.installed = &all_installed), all);
    assert_eq!(
        chosen(|host| {
            host.installed = &|name| all_installed(name).filter(|user| user.uid % 2 == 0);
        }),
        (vec![990, 61_184, 992, 61_185, 994], vec![])
    );
}

#[test]
fn a_system_user_that_is_not_its_own_is_not_used() {
    for (uid, fault) in [
        (0, "is root"),
        (65_534, "is nobody"),
        (990, "is another program's user as well"),
        (2_000_000_000, "is not in this user namespace"),
    ] {
        let (users, doubts) = chosen(|host| {
            host.installed = match uid {
                0 => &|name| (name == "vipd-proxy").then(|| one(0)),
                65_534 => &|name| (name == "vipd-proxy").then(|| one(65_534)),
                990 => &|name| ["vipd-vrrp", "vipd-proxy"].contains(&name).then(|| one(990)),
                _ => &|name| (name == "vipd-proxy").then(|| one(2_000_000_000)),
            };
            host.users = IdMap::parse("0 100000 65536");
        });
        assert!((61_184..=65_519).contains(&users[1]), "{uid}: {users:?}");
        let words =
            format!("the system user vipd-proxy {fault}: a number of its own is used instead");
        assert_eq!(doubts, [words]);
    }
}

#[test]
fn where_there_is_one_user_all_are_that_one() {
    // The drill without root.
    let single = |host: &mut Host<'_>| {
        host.users = IdMap::parse("0 1000 1");
        host.groups = IdMap::parse("0 1000 1");
    };
    assert_eq!(chosen(single), (vec![0; 5], vec![]));
    // A container without the capabilities, and an ordinary user.
    let (users, doubts) = chosen(|host| host.may_become_others = false);
    assert_eq!(users, [0; 5]);
    assert_eq!(
        doubts,
        ["all programs run as user 0: no CAP_SETUID and CAP_SETGID to give each its own"]
    );
    let (users, _) = chosen(|host| {
        host.own = one(1000);
        host.may_become_others = false;
    });
    assert_eq!(users, [1000; 5]);
}

#[test]
fn numbers_that_are_not_mapped_are_none() {
    // A container with 65,536 users has the range; one with a thousand has not.
    let usual = chosen(|host| host.users = IdMap::parse("0 100000 65536"));
    assert_eq!(usual.0, [61_184, 61_185, 61_186, 61_187, 61_188]);
    let (users, doubts) = chosen(|host| host.users = IdMap::parse("0 100000 1000"));
    assert_eq!(users, [0; 5]);
    assert_eq!(doubts[0], "vipd-vrrp runs as user 0: no number is free");
    // Groups count as well.
    let (users, _) = chosen(|host| host.groups = IdMap::parse("0 100000 61187"));
    assert_eq!(users, [61_184, 61_185, 61_186, 0, 0]);
}

#[test]
fn others_processes_take_numbers_and_our_own_programs_do_not() {
    let process = |pid, parent, uid| Process { pid, parent, uids: vec![uid; 4] };
    let processes = [
        process(1, 0, 0),
        process(700, 1, 61_500),
        // Ours: the supervisor, its programs, a hook; and what it left on purpose, our child by now.
        process(500, 1, 0),
        process(501, 500, 61_184),
        process(502, 500, 61_187),
        process(30, 502, 61_188),
        process(31, 30, 61_190),
        process(32, 500, 61_189),
    ];
    assert_eq!(uids_of_others(&processes, 500).into_iter().collect::<Vec<_>>(), [0, 61_500]);
    let all = uids_of_others(&processes, 9_999);
    assert_eq!(all.len(), 7);
}

#[test]
fn what_the_kernel_says_of_a_process_is_read() {
    let text = "Name:\tlbproxy\nPid:\t42\nPPid:\t7\nUid:\t1\t2\t3\t4\nGid:\t5\t5\t5\t5\n";
    assert_eq!(read(42, text), Some(Process { pid: 42, parent: 7, uids: vec![1, 2, 3, 4] }));
    assert_eq!(read(42, "Name:\tx\n"), None);
}
