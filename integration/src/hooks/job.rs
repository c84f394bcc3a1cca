//! One hook at work: as its user, for a limited time, with everything it starts.

use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, User, geteuid};
use shared::config::{Hook, HooksConfig};
use tokio::process::Command;
use tracing::{debug, warn};

use super::trust::{Distrust, resolve};
use super::word::Notice;

/// What systemd and the supervisor tell us is not for hooks: one could speak in our name.
const OURS: [&str; 4] = ["NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_FDS"];

/// Why a hook did not do its work.
#[derive(Debug, thiserror::Error)]
enum JobError {
    #[error("there is no user {0:?}")]
    NoUser(String),
    #[error("not run as root: {0}")]
    Distrusted(#[from] Distrust),
    #[error("start {program}: {source}")]
    Start { program: PathBuf, source: io::Error },
    #[error("it ran for more than {0:?} and was killed")]
    Late(Duration),
    #[error("{0}")]
    Failed(ExitStatus),
}

/// Tells a notice through the hooks, one after the other. What goes wrong is logged, and the next runs.
pub(super) async fn tell(notice: Notice, hooks: HooksConfig) {
    for hook in notice.programs(&hooks) {
        let (program, router, state) = (hook.program.clone(), &notice.router, notice.word);
        match run(hook, &notice, &hooks).await {
            Ok(()) => debug!(program = %program.display(), %router, %state, "a hook has run"),
            Err(error) => {
                warn!(program = %program.display(), %router, %state, user = %hooks.user, %error, "a hook failed");
            }
        }
    }
}

async fn run(hook: Hook, notice: &Notice, hooks: &HooksConfig) -> Result<(), JobError> {
    let user = User::from_name(&hooks.user).ok().flatten();
    let user = user.ok_or_else(|| JobError::NoUser(hooks.user.clone()))?;
    let program = resolve(&hook.program, user.uid.is_root())?;
    let mut command = Command::new(&program);
    command.arg0(&hook.program).args(&hook.arguments).envs(notice.environment());
    for name in OURS {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).process_group(0);
    if user.uid != geteuid() {
        // Supplementary groups go with the user.
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    let mut process =
        command.spawn().map_err(|source| JobError::Start { program: hook.program, source })?;
    let group = Group::of(process.id());
    let ended = tokio::time::timeout(hooks.timeout, process.wait()).await;
    match ended {
        Ok(Ok(status)) => {
            group.leave();
            if status.success() { Ok(()) } else { Err(JobError::Failed(status)) }
        }
        Ok(Err(source)) => Err(JobError::Start { program, source }),
        Err(_) => Err(JobError::Late(hooks.timeout)),
    }
}

/// A hook's process group, killed unless it is left in peace.
struct Group(Option<Pid>);

impl Group {
    fn of(leader: Option<u32>) -> Self {
        Self(leader.and_then(|pid| i32::try_from(pid).ok()).map(Pid::from_raw))
    }

    /// The hook ended by itself; what it left running on purpose goes on.
    fn leave(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0.take()
            && let Err(error) = killpg(group, Signal::SIGKILL)
        {
            warn!(%group, %error, "cannot kill a hook");
        }
    }
}
