//! The command line.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use process::arguments::Args as Common;

/// Balances TCP connections over servers that it checks.
#[derive(Clone, Debug, ClapArgs)]
pub struct Args {
    /// What all programs share
    #[command(flatten)]
    pub common: Common,

    /// Where what an operator orders is remembered
    #[arg(long, hide = true, value_name = "DIR")]
    pub runtime_dir: PathBuf,

    /// Take the listening sockets of the proxy that runs over; it ends with its last connection
    #[arg(long)]
    pub take_over: bool,
}
