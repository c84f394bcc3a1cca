//! Isolation as a whole program sees it: as root and as an ordinary user, and with every one of its
//! processes killed in turn. Nothing may remain.
//!
//! This needs a `main` of its own, because isolation is entered before any thread is started.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test's results, and what the test's programs tell it"
)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;
use std::{env, process, thread};

use lab::node::signal;
use lab::probe::ping::answers;
use lab::{Entered, Lab, OwnerWatch, Ping, enter, wait_until};
use nix::sys::signal::Signal;
use nix::unistd::geteuid;

type Test = (&'static str, fn() -> Outcome);
type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Longer than anything here takes.
const SOON: Duration = Duration::from_secs(10);

/// "nobody" on most systems; it need not have a name.
const ORDINARY_USER: u32 = 65_534;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["subject", action, mark] => subject(action, mark),
        ["hold", _mark] => loop {
            thread::sleep(SOON);
        },
        _ => drive(&arguments),
    }
}

/// The program under test: isolated, it builds a lab, leaves programs running in it, and then ends or
/// waits, as told.
fn subject(action: &str, mark: &str) -> ExitCode {
    match enter() {
        Ok(Entered::Inside) => {}
        Ok(Entered::Finished(code)) => return ExitCode::from(code),
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    }
    match inside(action, mark) {
        Ok(()) => ExitCode::from(7),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn inside(action: &str, mark: &str) -> Outcome {
    // The first runtime of a process leaves it two sockets for signals.
    drop(Lab::new()?);
    let before = held();
    build(action, mark)?;
    // Threads and descriptors are given back by the time the lab's values are gone.
    if held() != before {
        return Err(format!("{before:?} threads and descriptors have become {:?}", held()).into());
    }
    Ok(())
}

/// How many threads and descriptors this process has.
fn held() -> [usize; 2] {
    ["/proc/self/task", "/proc/self/fd"]
        .map(|directory| fs::read_dir(directory).into_iter().flatten().count())
}

fn build(action: &str, mark: &str) -> Outcome {
    let lab = Lab::new()?;
    let (one, other) = (lab.host("one", 1)?, lab.host("other", 2)?);
    for address in other.addresses() {
        wait_until("the hosts see each other", SOON, || answers(&one, address).unwrap_or(false))?;
    }
    let watch = OwnerWatch::start(&[&one, &other], other.ipv4().into())?;
    let ping = Ping::start(&one, other.ipv4().into())?;
    thread::sleep(Duration::from_millis(50));
    let answered = ping.stop().echoes.iter().filter(|echo| echo.good()).count();
    let owners = watch.stop()?.events.len();
    if answered == 0 || owners != 1 {
        return Err(format!("{answered} answers and {owners} events").into());
    }
    let hold = |command: &mut Command| one.start("holder", command.args(["hold", mark]));
    let _child = hold(&mut Command::new(env::current_exe()?))?;
    // This one leaves its process group: only the process-id namespace holds it.
    let escaped = hold(Command::new("setsid").arg("--fork").arg(env::current_exe()?))?;
    wait_until("one program has escaped", SOON, || escaped.exit_status().is_some())?;
    println!("ready {}", lab.directory().display());
    if action == "wait" {
        loop {
            thread::sleep(SOON);
        }
    }
    Ok(())
}

/// Runs what the arguments ask for, as test programs do: names that contain the first word.
fn drive(arguments: &[String]) -> ExitCode {
    let tests: [Test; 5] = [
        ("a_program_ends_and_its_code_is_passed_on", ends),
        ("signals_are_passed_on", is_signalled),
        ("nothing_remains_of_a_killed_outer_process", || is_killed(Victim::Outer)),
        ("nothing_remains_of_a_killed_init", || is_killed(Victim::Init)),
        ("nothing_remains_of_a_killed_program", || is_killed(Victim::Inside)),
    ];
    let (mut filter, mut skip) = (None, None);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--skip" => skip = rest.next(),
            "--test-threads" => _ = rest.next(),
            option if option.starts_with('-') => {}
            _ => filter = Some(argument),
        }
    }
    let has = |name: &str, part: Option<&String>| part.map(|part| name.contains(part.as_str()));
    let is_chosen = |name: &str| has(name, filter) != Some(false) && has(name, skip) != Some(true);
    let chosen = tests.iter().filter(|(name, _)| is_chosen(name));
    if arguments.iter().any(|argument| argument == "--list") {
        chosen.for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let mut failed = false;
    for (name, test) in chosen {
        let outcome = test();
        println!("test {name} ... {}", if outcome.is_ok() { "ok" } else { "FAILED" });
        if let Err(error) = outcome {
            failed = true;
            println!("  {error}");
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// A subject that is ready, and how to recognize what belongs to it.
struct Subject {
    outer: Child,
    mark: String,
    directory: PathBuf,
    /// A copy that an ordinary user may execute, wherever this one lies.
    _executable: tempfile::TempDir,
}

/// The users to try it as: an ordinary one always, and root if this is root.
fn users() -> Vec<Option<u32>> {
    if geteuid().is_root() { vec![None, Some(ORDINARY_USER)] } else { vec![None] }
}

fn start(action: &str, user: Option<u32>) -> Result<Subject, Box<dyn std::error::Error>> {
    let copy = tempfile::tempdir()?;
    fs::set_permissions(copy.path(), fs::Permissions::from_mode(0o755))?;
    let executable = copy.path().join("subject");
    fs::copy(env::current_exe()?, &executable)?;
    let mark = format!("mark-{}-{}", process::id(), copy.path().display());
    // A shell that runs the tests in the background has them ignore SIGINT.
    let mut command = Command::new("env");
    command.arg("--default-signal").arg(&executable);
    command.args(["subject", action, &mark]).stdin(Stdio::null()).stdout(Stdio::piped());
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    let mut outer = command.spawn()?;
    let stdout = outer.stdout.take().ok_or("no standard output")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    let directory = line.trim_end().strip_prefix("ready ").ok_or_else(|| line.clone())?.into();
    Ok(Subject { outer, mark, directory, _executable: copy })
}

impl Subject {
    /// All its processes, in the order of their start.
    fn processes(&self) -> Vec<u32> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let ours = |pid: &u32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(&self.mark)
        };
        let mut pids: Vec<u32> = pids.filter(ours).collect();
        pids.sort_unstable();
        pids
    }

    fn expect_code(&mut self, expected: i32) -> Outcome {
        let code = self.outer.wait()?.code();
        if code == Some(expected) { Ok(()) } else { Err(format!("it ended with {code:?}").into()) }
    }

    fn expect_nothing_remains(&self) -> Outcome {
        wait_until("all its processes were gone", SOON, || self.processes().is_empty())?;
        let above = self.directory.parent().ok_or("no directory above the lab's")?;
        wait_until("its files were gone", SOON, || !above.exists())?;
        Ok(())
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        // Whatever a failed test leaves.
        for process in self.processes() {
            drop(signal(process, Signal::SIGKILL));
        }
        drop(self.outer.wait());
        drop(self.directory.parent().map(fs::remove_dir_all));
    }
}

fn ends() -> Outcome {
    for user in users() {
        let mut subject = start("end", user)?;
        subject.expect_code(7)?;
        subject.expect_nothing_remains()?;
    }
    Ok(())
}

fn is_signalled() -> Outcome {
    for user in users() {
        for sent in [Signal::SIGINT, Signal::SIGTERM] {
            let mut subject = start("wait", user)?;
            signal(subject.outer.id(), sent)?;
            subject.expect_code(128 + sent as i32)?;
            subject.expect_nothing_remains()?;
        }
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Victim {
    Outer,
    Init,
    Inside,
}

fn is_killed(victim: Victim) -> Outcome {
    for user in users() {
        let mut subject = start("wait", user)?;
        let [outer, init, inside, ..] = subject.processes()[..] else {
            return Err("it has fewer than three processes".into());
        };
        assert_eq!(outer, subject.outer.id());
        assert!(Path::new(&format!("/proc/{inside}")).exists());
        match victim {
            Victim::Outer => {
                signal(outer, Signal::SIGKILL)?;
                assert_eq!(subject.outer.wait()?.signal(), Some(9));
            }
            Victim::Init => {
                signal(init, Signal::SIGKILL)?;
                subject.expect_code(137)?;
            }
            Victim::Inside => {
                signal(inside, Signal::SIGKILL)?;
                subject.expect_code(137)?;
            }
        }
        subject.expect_nothing_remains()?;
    }
    Ok(())
}
