//! What the tests of `lbproxy` start, as the supervisor would `vipd lbproxy`.

use std::process::ExitCode;

use clap::Parser;
use lbproxy::cli::Args;

#[derive(Parser)]
#[command(name = "lbproxy", version)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

fn main() -> ExitCode {
    lbproxy::control::daemon::run(&Cli::parse().args)
}
