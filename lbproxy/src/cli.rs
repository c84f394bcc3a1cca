//! The command line.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use config::{DEFAULT_PATH, DEFAULT_RUNTIME_DIR};

/// Balances TCP connections over servers that it checks.
#[derive(Clone, Debug, ClapArgs)]
pub struct Args {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = DEFAULT_PATH)]
    pub config: PathBuf,

    /// Where the daemon's socket is made and vrrpd's is found
    #[arg(long, value_name = "DIR", default_value = DEFAULT_RUNTIME_DIR)]
    pub runtime_dir: PathBuf,

    /// Standard input is the supervisor's watchdog: tick into it, and end when the supervisor dies
    #[arg(long, hide = true)]
    pub watchdog: bool,

    /// Take the listening sockets of the proxy that runs over; it ends with its last connection
    #[arg(long)]
    pub take_over: bool,
}
