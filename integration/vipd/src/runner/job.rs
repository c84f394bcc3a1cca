//! One notice, told through its hooks.

use config::HooksConfig;
use tracing::{debug, warn};

use super::program;
use super::word::Notice;

/// Tells a notice through the hooks, one after the other. What goes wrong is logged, and the next runs.
pub(super) async fn tell(notice: Notice, hooks: HooksConfig) {
    let environment = notice.environment();
    for hook in notice.programs(&hooks) {
        let (program, router, state) = (hook.program.display(), &notice.router, notice.word);
        match program::run(&hook, &hooks.user, hooks.timeout, &environment).await {
            Ok(()) => debug!(%program, %router, %state, "a hook has run"),
            Err(error) => {
                warn!(%program, %router, %state, user = %hooks.user, %error, "a hook failed");
            }
        }
    }
}
