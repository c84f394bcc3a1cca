//! One notice, told through its hooks.

use config::HooksConfig;
use process::throttle::{SharedThrottle, Throttle};
use tracing::{debug, warn};
use vocabulary::RouterId;

use super::program;
use super::word::Notice;
use crate::clock::now;

/// Hooks that failed, in the log.
static FAILED: SharedThrottle = SharedThrottle::new(Throttle::changes());

/// Tells a notice through the hooks, one after the other. What goes wrong is logged, and the next runs.
pub(super) async fn tell(notice: Notice, hooks: HooksConfig) {
    let environment = notice.environment();
    for hook in notice.programs(&hooks) {
        let (program, router, state) = (hook.program.display(), &notice.router, notice.word);
        match program::run(&hook, &hooks.user, hooks.timeout, &environment).await {
            Ok(()) => {
                debug!(router = %router.name, family = %router.family, %program, %state, "a hook has run")
            }
            Err(error) => {
                if let Some(times) = FAILED.take(now()) {
                    let RouterId { name, family } = router;
                    warn!(router = %name, %family, %program, %state, user = %hooks.user, %error, times, "a hook failed");
                }
            }
        }
    }
}
