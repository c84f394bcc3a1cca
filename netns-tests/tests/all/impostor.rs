//! What anybody but root can do to a running node, with every file, socket and process of it: nothing.
//!
//! Each attempt is made by a thread that is another user, as a process of that user would be.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lab::{Running, wait_until};
use netns_tests::users::{open_to_everyone, programs, user_of};
use netns_tests::web::Web;
use netns_tests::{Duel, LIMIT, binary};
use nix::fcntl::OFlag;
use process::identity::Identity;
use process::privileges::{Acting, as_user};
use rustix::process::{
    Pid, PidfdFlags, PidfdGetfdFlags, Resource, getrlimit, pidfd_getfd, pidfd_open, prlimit,
    test_kill_process,
};
use vipd::status;

const VIP: &str = "10.77.0.200";

/// Everything that a running node has in its runtime directory, with the FIFO and the mark of a pause.
const FILES: [&str; 6] =
    ["notify.fifo", "orders", "paused", "supervisor.sock", "vipd.pid", "vipd.sock"];

/// Those under supervision, by the names of their processes.
const PROGRAMS: [&str; 4] = ["vrrpd", "lbproxy", "console", "runner"];

/// Nobody is it.
const STRANGER: u32 = 54_321;

fn acting(uid: u32, groups: &[u32]) -> Acting {
    let user = Identity { uid, gid: uid };
    Acting { user, groups: groups.to_vec(), new_privileges: true }
}

/// A node that has everything, and the process numbers of its programs.
fn whole_node(duel: &mut Duel, web: &Web) -> (Running, Vec<i32>) {
    let directory = duel.runtime_dir(0);
    let fifo = format!("[notify]\nfifo = \"{}\"\n", directory.join("notify.fifo").display());
    let metrics = "[metrics]\nlisten = \"127.0.0.1:9105\"\n";
    let vipd = duel.vipd(0, &format!("{fifo}{metrics}{}", web.node(150, "")));
    duel.wait_for(&[0]);
    // Nobody is there to take it; the node rests all the same.
    let mut pause = Command::new(binary("vipd"));
    pause.arg("pause").arg("--runtime-dir").arg(&directory).output().unwrap();
    wait_until("everything is there", LIMIT, || names(&directory) == FILES).unwrap();
    let children = PROGRAMS.iter().flat_map(|name| programs(vipd.pid(), name));
    let pids: Vec<u32> = std::iter::once(vipd.pid()).chain(children).collect();
    assert_eq!(pids.len(), 5, "{pids:?}");
    (vipd, pids.into_iter().map(|pid| i32::try_from(pid).unwrap()).collect())
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// What of these was possible.
fn possible(attempts: Vec<(String, io::Result<()>)>) -> Vec<String> {
    attempts.into_iter().filter(|(_, outcome)| outcome.is_ok()).map(|(what, _)| what).collect()
}

/// Opens, connects, locks, changes, replaces and removes; all that is refused leaves no trace.
fn attempts_at_a_file(path: &Path) -> Vec<(String, io::Result<()>)> {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let other = path.with_extension("other");
    // A FIFO without a reader would have us wait.
    let at_once = || OpenOptions::new().custom_flags(OFlag::O_NONBLOCK.bits()).clone();
    let read = at_once().read(true).open(path);
    let write = at_once().write(true).open(path);
    let refused = |error: &io::Error| io::Error::from(error.kind());
    let lock = read.as_ref().map_err(refused).and_then(|file| Ok(file.try_lock()?));
    vec![
        (format!("lock {name}"), lock),
        (format!("read {name}"), read.map(drop)),
        (format!("write {name}"), write.map(drop)),
        (format!("connect to {name}"), UnixStream::connect(path).map(drop)),
        (
            format!("open {name} to everyone"),
            fs::set_permissions(path, fs::Permissions::from_mode(0o777)),
        ),
        (format!("own {name}"), std::os::unix::fs::chown(path, Some(STRANGER), None)),
        (format!("move {name}"), fs::rename(path, &other)),
        (format!("replace {name}"), UnixListener::bind(path).map(drop)),
        (format!("remove {name}"), fs::remove_file(path)),
    ]
}

fn attempts_at_the_directory(directory: &Path) -> Vec<(String, io::Result<()>)> {
    let here = |name: &str| directory.join(name);
    vec![
        ("make a file".to_owned(), File::create(here("vipd.new")).map(drop)),
        ("make a directory".to_owned(), fs::create_dir(here("new"))),
        ("make a socket".to_owned(), UnixListener::bind(here("new.sock")).map(drop)),
        ("make a link".to_owned(), std::os::unix::fs::symlink("/etc/passwd", here("link"))),
        ("move it".to_owned(), fs::rename(directory, directory.with_extension("moved"))),
        (
            "open it to everyone".to_owned(),
            fs::set_permissions(directory, fs::Permissions::from_mode(0o777)),
        ),
    ]
}

/// Looks into a process, changes it, takes what it has open. Who may open `mem` may trace it (ptrace(2)).
fn attempts_at_a_process(pid: i32) -> Vec<(String, io::Result<()>)> {
    let process = Pid::from_raw(pid).unwrap();
    let proc = PathBuf::from(format!("/proc/{pid}"));
    let taken = pidfd_open(process, PidfdFlags::empty())
        .and_then(|held| pidfd_getfd(held, 0, PidfdGetfdFlags::empty()));
    let limits = getrlimit(Resource::Nofile);
    let memory = OpenOptions::new().read(true).write(true).open(proc.join("mem"));
    let open = |file: &str| File::open(proc.join(file)).map(drop);
    vec![
        (format!("signal {pid}"), test_kill_process(process).map_err(io::Error::from)),
        (format!("trace {pid}"), memory.map(drop)),
        (format!("list what {pid} has open"), fs::read_dir(proc.join("fd")).map(drop)),
        (format!("open what {pid} has open"), open("fd/0")),
        (format!("read the environment of {pid}"), {
            let mut text = Vec::new();
            File::open(proc.join("environ")).and_then(|mut f| f.read_to_end(&mut text)).map(drop)
        }),
        (format!("take what {pid} has open"), taken.map(drop).map_err(io::Error::from)),
        (
            format!("limit {pid}"),
            prlimit(Some(process), Resource::Nofile, limits).map(drop).map_err(io::Error::from),
        ),
    ]
}

#[test]
fn nobody_but_root_reaches_anything() {
    let mut duel = Duel::new(VIP);
    let web = Web::new(&duel, &[6443]);
    let (vipd, pids) = whole_node(&mut duel, &web);
    let directory = duel.runtime_dir(0);
    // What refuses is the node, and not the way to it.
    open_to_everyone(&directory);
    assert_eq!(directory.metadata().unwrap().mode() & 0o7777, 0o755);
    let hooks = directory.join("notify.fifo").metadata().unwrap().uid();
    let programs: Vec<(i32, u32)> =
        pids.iter().map(|pid| (*pid, user_of(u32::try_from(*pid).unwrap()))).collect();
    let log = vipd.log().len();
    let mut impostors: Vec<u32> = programs[1..].iter().map(|(_, user)| *user).collect();
    impostors.extend([hooks, 65_534, STRANGER]);
    for user in impostors {
        let done = as_user(&acting(user, &[]), || {
            let mut attempts = attempts_at_the_directory(&directory);
            for name in names(&directory) {
                assert!(FILES.contains(&name.as_str()), "what may be done with {name}?");
                // The FIFO is there for its reader.
                if (name.as_str(), user) != ("notify.fifo", hooks) {
                    attempts.extend(attempts_at_a_file(&directory.join(name)));
                }
            }
            // Of its own program a user is the master, as far as signals go.
            for (pid, owner) in &programs {
                let own = |(what, _): &(String, _)| {
                    *owner == user && (what.starts_with("signal") || what.starts_with("limit"))
                };
                attempts.extend(attempts_at_a_process(*pid).into_iter().filter(|one| !own(one)));
            }
            Ok(possible(attempts))
        });
        assert_eq!(done.unwrap(), Vec::<String>::new(), "as user {user}");
    }
    assert_eq!(names(&directory), FILES);
    let after: Vec<u32> = PROGRAMS.iter().flat_map(|name| programs_of(&vipd, name)).collect();
    let before: Vec<u32> = pids[1..].iter().map(|pid| u32::try_from(*pid).unwrap()).collect();
    assert_eq!(after, before, "{}", vipd.log());
    assert!(status::node(&directory).unwrap().missing.is_empty());
    assert_eq!(duel.owners.owners(), ["lb1"]);
    let said = vipd.log()[log..].to_owned();
    assert!(!said.contains("WARN") && !said.contains("ERROR"), "{said}");
}

fn programs_of(vipd: &Running, name: &str) -> Vec<u32> {
    programs(vipd.pid(), name)
}

/// `/etc/passwd` and `/etc/group` with the users and the group of configs/vipd.sysusers.conf.
fn with_users(duel: &Duel) -> [PathBuf; 2] {
    let names = ["vipd-vrrp", "vipd-proxy", "vipd-console", "vipd-runner", "vipd-hooks"];
    let installed = include_str!("../../../configs/vipd.sysusers.conf");
    let mut passwd = fs::read_to_string("/etc/passwd").unwrap();
    let mut group = fs::read_to_string("/etc/group").unwrap();
    for (name, number) in names.iter().zip(40_001..) {
        assert!(installed.contains(&format!("\nu {name} ")), "{name} is installed");
        passwd.push_str(&format!("{name}:x:{number}:{number}::/:/usr/sbin/nologin\n"));
        group.push_str(&format!("{name}:x:{number}:\n"));
    }
    assert!(installed.contains("\ng vipd "));
    group.push_str("vipd:x:40000:\n");
    [duel.lab.write("passwd", &passwd).unwrap(), duel.lab.write("group", &group).unwrap()]
}

/// What the console answers to a line.
fn asked(socket: &Path, request: &str) -> io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn installed_users_are_used_and_members_of_the_group_may_ask_and_not_order() {
    let mut duel = Duel::new(VIP);
    let web = Web::new(&duel, &[6443]);
    let [passwd, group] = with_users(&duel);
    let directory = duel.runtime_dir(0);
    let fifo = format!("[notify]\nfifo = \"{}\"\n", directory.join("notify.fifo").display());
    let run = duel.command(0, &format!("{fifo}{}", web.node(150, "")));
    // A host of its own, as far as users go.
    let mut command = Command::new("unshare");
    let mounts = format!(
        "mount --bind {} /etc/passwd && mount --bind {} /etc/group && exec \"$@\"",
        passwd.display(),
        group.display()
    );
    command.args(["--mount", "--propagation", "private", "sh", "-c", &mounts, "sh"]);
    command.arg(run.get_program()).args(run.get_args());
    let vipd = duel.hosts[0].start("vipd", &mut command).unwrap();
    duel.wait_for(&[0]);
    wait_until("the console answers", LIMIT, || status::node(&directory).is_ok()).unwrap();
    let users = PROGRAMS.map(|name| user_of(programs(vipd.pid(), name)[0]));
    assert_eq!(users, [40_001, 40_002, 40_003, 40_004], "{}", vipd.log());
    let reader = || directory.join("notify.fifo").metadata().is_ok_and(|pipe| pipe.uid() == 40_005);
    wait_until("the FIFO is the hooks' user's", LIMIT, reader).unwrap();

    open_to_everyone(&directory);
    let socket = directory.join("vipd.sock");
    let metadata = socket.metadata().unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!((metadata.uid(), metadata.gid(), metadata.mode() & 0o777), (0, 40_000, 0o660));
    let member = acting(STRANGER, &[40_000]);
    let answer = as_user(&member, || asked(&socket, "{\"type\":\"status\"}\n")).unwrap();
    assert!(answer.starts_with("{\"answer\":{\"vrrpd\":{"), "{answer}");
    for order in [
        r#"{"type":"vrrpd","request":{"type":"pause"}}"#,
        r#"{"type":"vrrpd","request":{"type":"hand_over","router":null}}"#,
        r#"{"type":"lbproxy","request":{"type":"server","proxy":"apiserver","server":"10.77.0.21:6443","order":"maint"}}"#,
    ] {
        let answer = as_user(&member, || asked(&socket, &format!("{order}\n"))).unwrap();
        assert_eq!(answer, "{\"refused\":\"only root may give orders\"}\n", "{order}");
    }
    let reload = directory.join("supervisor.sock");
    let closed = |acting: &Acting, path: &Path| {
        as_user(acting, || UnixStream::connect(path)).unwrap_err().kind()
    };
    assert_eq!(closed(&member, &reload), io::ErrorKind::PermissionDenied);
    assert_eq!(closed(&acting(STRANGER, &[]), &socket), io::ErrorKind::PermissionDenied);
    assert!(!status::vrrpd(&directory).unwrap().paused);
    assert_eq!(duel.owners.owners(), ["lb1"]);
}

#[test]
fn nobody_but_a_supervisor_starts_a_program() {
    for program in PROGRAMS {
        let mut alone = Command::new(binary("vipd"));
        alone.arg(program);
        if ["lbproxy", "console"].contains(&program) {
            alone.args(["--runtime-dir", "/nowhere"]);
        }
        let output = alone.stdin(Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{program}: {output:?}");
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(words.contains("this program is started by `vipd run` only"), "{program}: {words}");
    }
}
