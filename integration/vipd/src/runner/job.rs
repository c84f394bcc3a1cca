//! One notice, told through its hooks.

use config::HooksConfig;
use process::identity::Identity;
use tracing::{debug, warn};

use super::program;
use super::word::Notice;
use crate::users::Role;

/// Tells a notice through the hooks, one after the other. What goes wrong is logged, and the next runs.
pub(super) async fn tell(notice: Notice, hooks: HooksConfig, own: Identity) {
    let environment = notice.environment();
    let user = hooks.user.as_deref();
    for hook in notice.programs(&hooks) {
        let (program, router, state) = (hook.program.display(), &notice.router, notice.word);
        match program::run(&hook, (user, own), hooks.timeout, &environment).await {
            Ok(()) => debug!(%program, %router, %state, "a hook has run"),
            Err(error) => {
                warn!(%program, %router, %state, user = user.unwrap_or(Role::Hooks.name()), %error, "a hook failed");
            }
        }
    }
}
