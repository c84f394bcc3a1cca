//! One notice, told through its hooks.

use config::HooksConfig;
use process::identity::Identity;
use process::throttle::{SharedThrottle, Throttle};
use tracing::{debug, warn};
use vocabulary::RouterId;

use super::program;
use super::word::Notice;
use crate::clock::now;
use crate::users::Role;

/// Hooks that failed, in the log.
static FAILED: SharedThrottle = SharedThrottle::new(Throttle::changes());

/// Tells a notice through the hooks, one after the other. What goes wrong is logged, and the next runs.
pub(super) async fn tell(notice: Notice, hooks: HooksConfig, own: Identity) {
    let environment = notice.environment();
    let user = hooks.user.as_deref();
    for hook in notice.programs(&hooks) {
        let (program, router, state) = (hook.program.display(), &notice.router, notice.word);
        match program::run(&hook, (user, own), hooks.timeout, &environment).await {
            Ok(()) => {
                debug!(router = %router.name, family = %router.family, %program, %state, "a hook has run");
            }
            Err(error) => {
                if let Some(times) = FAILED.take(now()) {
                    let RouterId { name, family } = router;
                    let user = user.unwrap_or(Role::Hooks.name());
                    warn!(router = %name, %family, %program, %state, user, %error, times, "a hook failed");
                }
            }
        }
    }
}
