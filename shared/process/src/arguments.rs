//! What every program is started with by the supervisor.

use std::path::PathBuf;

use crate::identity::Identity;

/// The command line that all programs share.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Args {
    /// The configuration, where no supervisor hands it down
    #[arg(long, value_name = "FILE", default_value = "/dev/null")]
    pub config: PathBuf,

    /// Where the node's files are
    #[arg(long, value_name = "DIR")]
    pub runtime_dir: PathBuf,

    /// The user to become; without it, none
    #[arg(long, hide = true, value_name = "UID:GID")]
    pub user: Option<Identity>,

    /// Standard input is the supervisor's control socket: start with what comes by it, tick into it, and
    /// end when the supervisor dies
    #[arg(long, hide = true)]
    pub supervised: bool,

    /// Standard input is a control socket for ticks and channels only
    #[arg(long, hide = true)]
    pub channels: bool,
}
