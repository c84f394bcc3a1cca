//! What every program is started with by the supervisor.

use std::path::PathBuf;

/// The command line that all programs share.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Args {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,

    /// Where the node's files are
    #[arg(long, value_name = "DIR")]
    pub runtime_dir: PathBuf,

    /// Standard input is the supervisor's socket: tick into it, and end when the supervisor dies
    #[arg(long, hide = true)]
    pub watchdog: bool,
}
