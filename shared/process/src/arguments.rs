//! What every program is started with by the supervisor.

use crate::identity::Identity;

/// The command line that all programs share.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Args {
    /// The user to become; without it, none
    #[arg(long, hide = true, value_name = "UID:GID")]
    pub user: Option<Identity>,
}
