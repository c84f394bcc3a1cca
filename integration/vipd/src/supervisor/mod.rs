//! The supervisor: starts the programs, watches them, cleans up after them, and has them go over to a new
//! configuration together.
//!
//! ```text
//!   signals, time, ends of processes ─► executor ─► core: what to start, kill, clean up     (pure)
//!   control sockets of the programs  ─►          ─► reload: prepare, commit or abort        (pure)
//!   supervisor.sock                  ─►          ◄─ effects
//! ```
//! `core` decides over `slot`s (one a program) and their `instance`s (one a process); `executor` and
//! `reloading` do what is decided.

mod abandoned;
mod backoff;
mod channels;
mod child;
mod cleanup;
mod core;
mod executor;
mod files;
mod instance;
mod notice;
mod orphans;
mod pause;
mod pid;
mod pid_file;
mod program;
mod reload;
mod reloading;
pub(crate) mod requests;
mod runtime_dir;
mod slot;
mod upgrade;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nix::unistd::Pid;
use process::{scheduling, signals, telemetry};
use tracing::error;

use self::executor::Supervisor;
use self::pid_file::PidFile;
use self::reloading::Generation;
use self::runtime_dir::RuntimeDir;
use crate::trust::files::Rule;
use crate::users;

/// Exit code after a second signal: everything was ended at once.
pub const ENDED_AT_ONCE: u8 = 3;

/// Above the adverts: whoever watches must be awake.
const REALTIME: u8 = 30;

/// What the supervisor is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The configuration.
    pub config: PathBuf,
    /// Where the sockets are made.
    pub runtime_dir: PathBuf,
    /// After an upgrade: the programs run already.
    pub adopt: bool,
}

/// Runs until told to end.
///
/// Exit codes: 0 ended in order; 1 something failed that nothing works without; 2 the configuration
/// is wrong; 3 ended at once by a second signal.
#[must_use]
pub fn run(options: &Options) -> ExitCode {
    signals::hold();
    // After an upgrade there is a node already, which does not end for this.
    let rule = if options.adopt { Rule::Warn } else { Rule::Refuse };
    let (generation, loaded) = match Generation::read(&options.config, 1, rule) {
        Ok(read) => read,
        Err(problems) => {
            complain(&problems.to_string());
            return ExitCode::from(2);
        }
    };
    let _log = telemetry::init();
    loaded.warnings.log();
    match supervise(options, generation) {
        Ok(code) => code,
        Err(failure) => {
            error!(error = format!("{failure:#}"), "stopped");
            ExitCode::FAILURE
        }
    }
}

/// The supervisor that runs in a directory.
///
/// # Errors
/// None does.
pub(crate) fn running(runtime_dir: &Path) -> io::Result<Pid> {
    PidFile::holder(runtime_dir)
}

#[expect(clippy::print_stderr, reason = "there is no log yet")]
fn complain(text: &str) {
    eprint!("{text}");
}

fn supervise(options: &Options, generation: Generation) -> anyhow::Result<ExitCode> {
    use anyhow::Context;
    scheduling::lock_memory();
    scheduling::real_time("the supervisor", REALTIME);
    orphans::become_subreaper();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut adopted = options.adopt.then(upgrade::adopt);
        let lock = adopted.as_mut().and_then(|adopted| adopted.lock.take());
        let (directory, asked) = RuntimeDir::open(&options.runtime_dir, lock)
            .with_context(|| format!("run in {}", options.runtime_dir.display()))?;
        let users = users::choose_for(&options.runtime_dir);
        let supervisor = Supervisor::new(options, generation, directory, users, asked);
        let supervisor = supervisor.context("watch for signals")?;
        signals::release();
        Ok(supervisor.run(adopted).await)
    })
}
