//! The command line of `vipd`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use shared::config::{DEFAULT_PATH, DEFAULT_RUNTIME_DIR, load};

use crate::supervisor;

/// One virtual address, two nodes: VRRP failover and a TCP load balancer in one.
#[derive(Debug, Parser)]
#[command(name = "vipd", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run this node: VRRP, proxies and the supervisor of both
    Run(Node),
    /// Tell whether a configuration is right, and everything that is wrong with it
    Check(Check),
    /// Speak VRRP (started by `run`)
    #[command(hide = true)]
    Vrrpd(vrrpd::cli::Args),
}

/// Which node of this machine.
#[derive(Args, Clone, Debug)]
pub struct Node {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = DEFAULT_PATH)]
    pub config: PathBuf,

    /// Where the node's sockets are
    #[arg(long, value_name = "DIR", default_value = DEFAULT_RUNTIME_DIR)]
    pub runtime_dir: PathBuf,
}

#[derive(Args, Debug)]
struct Check {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = DEFAULT_PATH)]
    config: PathBuf,
}

impl Cli {
    /// Does what was asked.
    #[must_use]
    pub fn run(self) -> ExitCode {
        match self.command {
            Command::Run(Node { config, runtime_dir }) => {
                supervisor::run(&supervisor::Options { config, runtime_dir })
            }
            Command::Check(check) => check_config(&check),
            Command::Vrrpd(args) => {
                name_process(c"vrrpd");
                vrrpd::daemon::run(&args)
            }
        }
    }
}

/// All programs are one binary; what runs shall be told apart in `ps` and `pkill`.
fn name_process(name: &std::ffi::CStr) {
    // The name is for people; nothing depends on it.
    rustix::thread::set_name(name).ok();
}

/// Exit codes: 0 right, 2 wrong.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "this is the command's answer")]
fn check_config(check: &Check) -> ExitCode {
    match load(&check.config) {
        Ok(loaded) => {
            eprint!("{}", loaded.warnings);
            let (routers, proxies) = (loaded.config.routers.len(), loaded.config.proxies.len());
            println!(
                "{} is right: virtual routers {routers}, proxies {proxies}",
                check.config.display()
            );
            ExitCode::SUCCESS
        }
        Err(problems) => {
            eprint!("{problems}");
            ExitCode::from(2)
        }
    }
}
