//! `vrrpd` alone: a VRRP daemon in the place of keepalived's.

use std::process::ExitCode;

use clap::Parser;
use vrrpd::cli::Args;

#[derive(Parser)]
#[command(name = "vrrpd", version)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

fn main() -> ExitCode {
    vrrpd::daemon::run(&Cli::parse().args)
}
