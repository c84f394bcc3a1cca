//! One program at work: as its user, for a limited time, with everything it starts.

use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use config::CommandLine;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use process::identity::Identity;
use process::privileges::as_user;
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tracing::warn;

use super::user::{NoUser, ProgramUser};
use crate::trust::programs::{Distrust, resolve};

/// Where programs are looked for. Of our own environment nothing is for others: whoever has systemd's
/// part of it could speak in our name.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Why a program did not do its work.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProgramError {
    #[error(transparent)]
    NoUser(#[from] NoUser),
    #[error("become user {name}: {source}")]
    User { name: String, source: io::Error },
    #[error("not run as root: {0}")]
    Distrusted(#[from] Distrust),
    #[error("start {program}: {source}")]
    Start { program: PathBuf, source: io::Error },
    #[error("it ran for more than {0:?} and was killed")]
    Late(Duration),
    #[error("{0}")]
    Failed(ExitStatus),
}

/// Runs a program until it ends, for `limit` at most: as the user of this name, without a name as the hooks'
/// own.
pub(super) async fn run(
    line: &CommandLine,
    (name, own): (Option<&str>, Identity),
    limit: Duration,
    environment: &[(&str, String)],
) -> Result<(), ProgramError> {
    let user = ProgramUser::find(name, own)?;
    let runtime = Handle::current();
    // What is looked at and started, is so with the user's rights.
    let started = as_user(&user.acting, || {
        let _runtime = runtime.enter();
        Ok(start(line, &user, environment))
    });
    let name = user.name.clone();
    let mut process = started.map_err(|source| ProgramError::User { name, source })??;
    let group = Group::of(process.id());
    let ended = tokio::time::timeout(limit, process.wait()).await;
    match ended {
        Ok(Ok(status)) => {
            group.leave();
            if status.success() { Ok(()) } else { Err(ProgramError::Failed(status)) }
        }
        Ok(Err(source)) => Err(ProgramError::Start { program: line.program.clone(), source }),
        Err(_) => Err(ProgramError::Late(limit)),
    }
}

/// By the user itself.
fn start(
    line: &CommandLine,
    user: &ProgramUser,
    environment: &[(&str, String)],
) -> Result<Child, ProgramError> {
    let program = resolve(&line.program, user.acting.user.is_root())?;
    let mut command = Command::new(&program);
    command.arg0(&line.program).args(&line.arguments);
    command.env_clear().env("PATH", PATH);
    command.env("HOME", &user.home).env("USER", &user.name).env("LOGNAME", &user.name);
    command.envs(environment.iter().map(|(name, value)| (*name, value)));
    command.stdin(Stdio::null()).process_group(0);
    command.spawn().map_err(|source| ProgramError::Start { program: line.program.clone(), source })
}

/// A program's process group, killed unless it is left in peace.
struct Group(Option<Pid>);

impl Group {
    fn of(leader: Option<u32>) -> Self {
        Self(leader.and_then(|pid| i32::try_from(pid).ok()).map(Pid::from_raw))
    }

    /// The program ended by itself; what it left running on purpose goes on.
    fn leave(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0.take()
            && let Err(error) = killpg(group, Signal::SIGKILL)
        {
            warn!(%group, %error, "cannot kill a hook or script and what it started");
        }
    }
}
