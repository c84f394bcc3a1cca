//! Entering isolation: where an ordinary user may build a lab, and where nothing outlives it.
//!
//! [`enter`] turns one program into three processes that run the same executable:
//!
//! ```text
//! outer   what the user started. In a new user namespace, where it needs one to be allowed the
//!   │     rest; asks for a new process-id and network namespace, starts init, passes signals on,
//!   │     waits. Owns the directory for temporary files
//!   └─ init    process 1 of the new namespace. Starts the program itself, passes signals on, collects
//!        │     orphans. When it ends, the kernel kills everything else in the namespace
//!        └─ inside   the program itself: `enter` returns here, and it goes on as if nothing were
//! ```
//!
//! *Why three*: process 1 must collect whatever orphans it is given, and so waits for any child. The
//! program's own `std::process::Child`ren are not its children, so no status is ever stolen.
//!
//! *How nothing remains.* Network namespaces go with their processes, and processes with init, however
//! they came to be. Init holds one end of a pipe (its standard input) whose other end only outer has:
//! even if outer is killed by SIGKILL, init reads the end of it, kills everybody, removes the temporary
//! files in outer's stead and ends. A parent-death signal would be as fast, but it would kill init
//! before it could clean up. If init is killed, the kernel kills the rest, and outer cleans up.
//!
//! *Signals.* SIGINT, SIGTERM, SIGHUP and SIGQUIT are blocked and read from a descriptor in outer and
//! init, and passed on to the program, which unblocks them. The two inner processes form a process
//! group of their own, so that Ctrl-C reaches them once, through outer, and not a second time by the
//! terminal.
//!
//! The process-id namespace keeps the outer one's `/proc`: mounting a new one is forbidden in many
//! containers. `/proc/self` and `/proc/sys/net` are right in it; other numbers below `/proc` are not.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, stdin};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getegid, geteuid, getpid};
use rustix::event::{PollFd, PollFlags, poll};

use crate::clock::Moment;
use crate::work;

/// Tells the same executable which of the three processes it is.
const STAGE: &str = "VIPD_LAB_STAGE";

/// The stage of init, and of the program itself.
const INIT: &str = "init";
const INSIDE: &str = "inside";

/// Where init finds the directory to remove when outer cannot.
const DIRECTORY: &str = "VIPD_LAB_DIRECTORY";

/// What is passed on to the program.
const PASSED_ON: [Signal; 4] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT];

/// How long killed processes may take to be gone before their files are removed.
const DEATH_LIMIT: Duration = Duration::from_secs(2);

/// What the caller of [`enter`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entered {
    /// The program itself, isolated: go on.
    Inside,
    /// One of the processes around it, which has done its part: end at once with this exit code, the
    /// program's own, or 128 and the number of the signal that killed it.
    Finished(u8),
}

/// Why isolation could not be entered.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// The system does not let this user make namespaces.
    #[error(
        "this system does not let the user make network namespaces ({tried}: {source})\n  \
         run it as root:  sudo {command}\n  {hint}"
    )]
    Forbidden {
        /// What the kernel refused.
        tried: &'static str,
        /// Its answer.
        source: io::Error,
        /// The command as it was given.
        command: String,
        /// What else would permit it.
        hint: String,
    },
    /// The program has started threads: it called `enter` too late.
    #[error("a program with threads cannot enter a user namespace")]
    Threads,
    /// No directory for temporary files.
    #[error("make a directory in {path}")]
    Directory {
        /// Where it was to be.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The next process did not start.
    #[error("start the program again, isolated")]
    Start(#[source] io::Error),
    /// Signals or children could not be waited for.
    #[error("wait for the isolated program")]
    Wait(#[source] io::Error),
    /// The environment says that this is process 1, and it is not.
    #[error("{STAGE}={INIT} is set by hand")]
    NotInit,
}

/// Isolates this program, see the module's description. Must be called first thing in `main`, before
/// any thread is started; for an ordinary user a later call fails. Inside, standard input is empty, and
/// the directory for temporary files (`TMPDIR`) is one that is removed at the end. An ordinary user is
/// root there and knows no other user: no program can become one.
///
/// # Errors
/// The system forbids it to this user, or has no processes or descriptors left.
pub fn enter() -> Result<Entered, EnterError> {
    match env::var_os(STAGE) {
        None => outer(),
        Some(stage) if stage == INIT => init(),
        Some(_) => {
            signals().thread_unblock().map_err(wait_error)?;
            Ok(Entered::Inside)
        }
    }
}

/// Takes the marks of isolation from a command's environment, so that a program which the lab starts
/// does not take itself for a part of it.
pub(crate) fn unmark(command: &mut Command) {
    command.env_remove(STAGE).env_remove(DIRECTORY);
}

fn outer() -> Result<Entered, EnterError> {
    isolate()?;
    let directory = work::temporary()
        .map_err(|source| EnterError::Directory { path: env::temp_dir(), source })?;
    let signals = Signals::block()?;
    let mut init = again(INIT)
        .env(DIRECTORY, directory.path())
        .env("TMPDIR", directory.path())
        .stdin(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(EnterError::Start)?;
    // The leash's other end stays here, and nobody else has it.
    let _leash = init.stdin.take();
    loop {
        if let Wake::Signals(received) = signals.wait(None)? {
            pass_on(&received, &init);
        }
        if let Some(status) = init.try_wait().map_err(EnterError::Wait)? {
            let killed = status.signal().map(|signal| signal + 128);
            return Ok(Entered::Finished(code(status.code().or(killed).unwrap_or(1))));
        }
    }
}

fn init() -> Result<Entered, EnterError> {
    // As anything else this would kill processes that are none of the lab's.
    if getpid().as_raw() != 1 {
        return Err(EnterError::NotInit);
    }
    let signals = Signals::block()?;
    let program = again(INSIDE).stdin(Stdio::null()).spawn().map_err(EnterError::Start)?;
    let leash = stdin();
    loop {
        match signals.wait(Some(leash.as_fd()))? {
            Wake::Signals(received) => pass_on(&received, &program),
            Wake::Leash => {
                clean_up();
                return Ok(Entered::Finished(code(128 + Signal::SIGKILL as i32)));
            }
        }
        while let Some(status) = reap() {
            if status.pid() == Some(process(&program)) {
                return Ok(Entered::Finished(wait_code(status)));
            }
        }
    }
}

/// Makes new namespaces for the children of this process, by its own right or in a user namespace
/// where it is root.
fn isolate() -> Result<(), EnterError> {
    let own = CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNET;
    let tried = "make namespaces";
    match unshare(own) {
        Ok(()) => return Ok(()),
        Err(Errno::EPERM) => {}
        Err(errno) => return Err(forbidden(tried, errno.into())),
    }
    let (uid, gid) = (geteuid(), getegid());
    match unshare(CloneFlags::CLONE_NEWUSER) {
        Ok(()) => {}
        Err(Errno::EINVAL) => return Err(EnterError::Threads),
        Err(errno) => return Err(forbidden("make a user namespace", errno.into())),
    }
    // Without this the kernel lets nobody write the group map.
    for (file, content) in [
        ("setgroups", "deny".to_owned()),
        ("uid_map", format!("0 {uid} 1")),
        ("gid_map", format!("0 {gid} 1")),
    ] {
        fs::write(Path::new("/proc/self").join(file), content)
            .map_err(|source| forbidden("be root in a user namespace", source))?;
    }
    // Where a user namespace gives no rights (Ubuntu's AppArmor rule), this fails.
    unshare(own).map_err(|errno| forbidden("make namespaces in a user namespace", errno.into()))
}

fn forbidden(tried: &'static str, source: io::Error) -> EnterError {
    let arguments: Vec<_> = env::args_os().map(|a| a.to_string_lossy().into_owned()).collect();
    let setting = |path: &str| fs::read_to_string(Path::new("/proc/sys").join(path)).ok();
    EnterError::Forbidden { tried, source, command: arguments.join(" "), hint: hint(setting) }
}

/// What would permit it to an ordinary user, by the kernel's settings.
fn hint(setting: impl Fn(&str) -> Option<String>) -> String {
    let locks = [
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),
        ("kernel/unprivileged_userns_clone", "0", "1"),
        ("user/max_user_namespaces", "0", "10000"),
        ("user/max_net_namespaces", "0", "10000"),
    ];
    let locked = locks
        .into_iter()
        .find(|(path, locked, _)| setting(path).is_some_and(|value| value.trim() == *locked));
    match locked {
        Some((path, _, open)) => {
            let name = path.replace('/', ".");
            format!("or permit it to every user:  sudo sysctl -w {name}={open}")
        }
        None => "in a container: start the container with --privileged".to_owned(),
    }
}

/// This program once more, with its arguments, as another stage.
fn again(stage: &str) -> Command {
    let mut arguments = env::args_os();
    let name = arguments.next().unwrap_or_else(|| OsString::from("vipd"));
    let mut command = Command::new("/proc/self/exe");
    command.arg0(name).args(arguments).env(STAGE, stage);
    command
}

fn process(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX))
}

fn pass_on(signals: &[Signal], child: &Child) {
    for signal in signals {
        // A child that has ended is not collected yet, so the number is still its own.
        kill(process(child), *signal).ok();
    }
}

/// The next child that has ended.
fn reap() -> Option<WaitStatus> {
    waitpid(None, Some(WaitPidFlag::WNOHANG)).ok().filter(|status| status.pid().is_some())
}

/// What init does last when outer was killed: everybody dies, and the temporary files go.
fn clean_up() {
    // For process 1 this means all other processes of its namespace, and no others.
    kill(Pid::from_raw(-1), Signal::SIGKILL).ok();
    let start = Moment::now();
    // Until there is no child left: a process that is about to die may still write a file.
    while !matches!(waitpid(None, Some(WaitPidFlag::WNOHANG)), Err(Errno::ECHILD))
        && start.elapsed() < DEATH_LIMIT
    {
        thread::sleep(Duration::from_millis(1));
    }
    if let Some(directory) = env::var_os(DIRECTORY) {
        // Nobody is left to tell.
        drop(fs::remove_dir_all(directory));
    }
}

fn wait_code(status: WaitStatus) -> u8 {
    match status {
        WaitStatus::Exited(_, exit) => code(exit),
        WaitStatus::Signaled(_, signal, _) => code(128 + signal as i32),
        WaitStatus::Stopped(..)
        | WaitStatus::PtraceEvent(..)
        | WaitStatus::PtraceSyscall(_)
        | WaitStatus::Continued(_)
        | WaitStatus::StillAlive => 1,
    }
}

fn code(code: i32) -> u8 {
    u8::try_from(code).unwrap_or(1)
}

/// The signals that are read instead of taken.
struct Signals(SignalFd);

enum Wake {
    /// These have come, if any; a child may have ended.
    Signals(Vec<Signal>),
    /// The other end of the leash is gone.
    Leash,
}

impl Signals {
    /// Blocks them: they wait in the descriptor, and children inherit that until they unblock them.
    fn block() -> Result<Self, EnterError> {
        let set = signals();
        set.thread_block().map_err(wait_error)?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        SignalFd::with_flags(&set, flags).map(Self).map_err(wait_error)
    }

    /// Waits until a signal comes, a child ends or the leash breaks.
    fn wait(&self, leash: Option<BorrowedFd<'_>>) -> Result<Wake, EnterError> {
        let mut polled = vec![PollFd::new(&self.0, PollFlags::IN)];
        polled.extend(leash.map(|leash| PollFd::from_borrowed_fd(leash, PollFlags::empty())));
        match poll(&mut polled, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(EnterError::Wait(errno.into())),
        }
        if polled.get(1).is_some_and(|leash| !leash.revents().is_empty()) {
            return Ok(Wake::Leash);
        }
        let mut received = Vec::new();
        while let Some(info) = self.0.read_signal().map_err(wait_error)? {
            let number = i32::try_from(info.ssi_signo).unwrap_or_default();
            let signal = Signal::try_from(number).ok();
            received.extend(signal.filter(|signal| PASSED_ON.contains(signal)));
        }
        Ok(Wake::Signals(received))
    }
}

fn signals() -> SigSet {
    PASSED_ON.into_iter().chain([Signal::SIGCHLD]).collect()
}

fn wait_error(errno: Errno) -> EnterError {
    EnterError::Wait(errno.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_names_the_setting_that_is_in_the_way() {
        let hint_with = |path: &'static str, value: &'static str| {
            hint(|asked| (asked == path).then(|| value.to_owned()))
        };
        assert_eq!(
            hint_with("kernel/apparmor_restrict_unprivileged_userns", "1\n"),
            "or permit it to every user:  \
             sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
        );
        assert_eq!(
            hint_with("user/max_user_namespaces", "0\n"),
            "or permit it to every user:  sudo sysctl -w user.max_user_namespaces=10000"
        );
        let container = "in a container: start the container with --privileged";
        assert_eq!(hint_with("user/max_user_namespaces", "96365\n"), container);
    }

    #[test]
    fn the_error_names_the_way_out() {
        let error = EnterError::Forbidden {
            tried: "make a user namespace",
            source: Errno::EPERM.into(),
            command: "vipd drill".to_owned(),
            hint: "or else".to_owned(),
        };
        assert_eq!(
            error.to_string(),
            "this system does not let the user make network namespaces \
             (make a user namespace: Operation not permitted (os error 1))\n  \
             run it as root:  sudo vipd drill\n  or else"
        );
    }
}
