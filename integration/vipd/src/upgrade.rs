//! `vipd upgrade`: has the node that runs become this release, and tells when it has.

use std::path::Path;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};

use crate::clock::now;
use crate::{status, supervisor};

/// What an upgrade may take: a trial, the first checks, and some more.
const LIMIT: Duration = Duration::from_secs(30);

/// How often to look.
const LOOK: Duration = Duration::from_millis(50);

/// What runs: name, release and process of each that answers.
type Programs = Vec<(&'static str, String, u32)>;

/// Exit codes: 0 upgraded, 1 not, and why.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "this is the command's answer")]
pub(crate) fn run(runtime_dir: &Path) -> ExitCode {
    let before = programs(runtime_dir);
    let asked = supervisor::running(runtime_dir)
        .and_then(|supervisor| Ok(kill(supervisor, Signal::SIGUSR2)?));
    if let Err(error) = asked {
        eprintln!("error: cannot ask for an upgrade in {}: {error}", runtime_dir.display());
        return ExitCode::FAILURE;
    }
    let start = now();
    while now() < start + LIMIT {
        let after = programs(runtime_dir);
        let is_new =
            |old: &(&str, String, u32)| after.iter().any(|new| new.0 == old.0 && new.2 != old.2);
        if before.iter().all(is_new) {
            for (name, release, pid) in after {
                println!("{name} {release} serves, process {pid}");
            }
            return ExitCode::SUCCESS;
        }
        sleep(LOOK);
    }
    eprintln!("error: not upgraded within {LIMIT:?}: the log of the node tells why");
    ExitCode::FAILURE
}

fn programs(runtime_dir: &Path) -> Programs {
    let vrrpd = status::vrrpd(runtime_dir).map(|s| ("vrrpd", s.version, s.pid)).ok();
    let lbproxy = status::lbproxy(runtime_dir).map(|s| ("lbproxy", s.version, s.pid)).ok();
    vrrpd.into_iter().chain(lbproxy).collect()
}
