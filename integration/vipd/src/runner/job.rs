//! One notice, told through its hooks.

use config::{CommandLine, HooksConfig};
use process::identity::Identity;
use process::throttle::{SharedThrottle, Throttle};
use tracing::{debug, warn};
use vocabulary::RouterId;

use super::program;
use super::retry::Try;
use crate::clock::now;
use crate::users::Role;

/// Hooks that failed, in the log.
static FAILED: SharedThrottle = SharedThrottle::new(Throttle::changes());

/// What came of a try: the programs that failed, and why the last of them did.
pub(super) type Failed = Option<(Vec<CommandLine>, String)>;

/// Tells a notice through the hooks, one after the other. What goes wrong is logged, and the next runs.
pub(super) async fn tell(attempt: &Try, hooks: &HooksConfig, own: Identity) -> Failed {
    let Try { notice, only, number, .. } = attempt;
    let (environment, user) = (notice.environment(), hooks.user.as_deref());
    let mut failed: Failed = None;
    for hook in notice.programs(hooks) {
        if only.as_ref().is_some_and(|only| !only.contains(&hook)) {
            continue;
        }
        let (program, router, state) = (hook.program.display(), &notice.router, notice.word);
        match program::run(&hook, (user, own), hooks.timeout, &environment).await {
            Ok(()) => {
                debug!(router = %router.name, family = %router.family, %program, %state, "a hook has run");
            }
            Err(error) => {
                if let Some(times) = FAILED.take(now()) {
                    let RouterId { name, family } = router;
                    let user = user.unwrap_or(Role::Hooks.name());
                    warn!(router = %name, %family, %program, %state, user, tries = number, %error, times, "a hook failed");
                }
                let (programs, last) = failed.get_or_insert_default();
                *last = error.to_string();
                programs.push(hook);
            }
        }
    }
    failed
}
