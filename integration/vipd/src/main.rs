//! `vipd`: one virtual address, two nodes, one product.

use std::process::ExitCode;

use clap::Parser;
use vipd::cli::Cli;

fn main() -> ExitCode {
    Cli::parse().run()
}
