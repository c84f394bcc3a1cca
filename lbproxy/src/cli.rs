//! The command line.

use clap::Args as ClapArgs;
use process::arguments::Args as Common;

/// Balances TCP connections over servers that it checks.
#[derive(Clone, Debug, ClapArgs)]
pub struct Args {
    /// What all programs share
    #[command(flatten)]
    pub common: Common,

    /// Take the listening sockets of the proxy that runs over; it ends with its last connection
    #[arg(long)]
    pub take_over: bool,
}
