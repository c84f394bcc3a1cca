//! The command line of `vipd`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use shared::Name;
use shared::config::{DEFAULT_PATH, DEFAULT_RUNTIME_DIR, load};

use crate::lab::backend;
use crate::{drill, import, orders, status, supervisor};

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
    /// Make a configuration of those of keepalived, HAProxy and nginx, and account for every line
    Import(import::Options),
    /// Tell how a running node is
    Status(Status),
    /// Hand the addresses over to a peer, and stay behind it until it fails or `vipd resume`
    Handover(Handover),
    /// Hand everything over, and take nothing that another node can serve: for maintenance
    Pause(Running),
    /// Take part as before `vipd pause` or `vipd handover`
    Resume(Running),
    /// Build a pair in network namespaces, inject faults, and measure what a client sees of them
    Drill(drill::Options),
    /// Speak VRRP (started by `run`)
    #[command(hide = true)]
    Vrrpd(vrrpd::cli::Args),
    /// Balance TCP (started by `run`)
    #[command(hide = true)]
    Lbproxy(lbproxy::cli::Args),
    /// Serve HTTPS as a backend (started by `drill`)
    #[command(hide = true)]
    LabBackend(LabBackend),
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

#[derive(Args, Debug)]
struct Status {
    #[command(flatten)]
    node: Running,

    /// As one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct Handover {
    /// Only the virtual router of this name
    router: Option<String>,

    #[command(flatten)]
    node: Running,
}

/// A node that runs.
#[derive(Args, Debug)]
struct Running {
    /// Where the node's sockets are
    #[arg(long, value_name = "DIR", default_value = DEFAULT_RUNTIME_DIR)]
    runtime_dir: PathBuf,
}

#[derive(Args, Debug)]
struct LabBackend {
    listen: SocketAddr,
    certificate: PathBuf,
    key: PathBuf,
    name: String,
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
            Command::Import(options) => import::run(&options),
            Command::Status(asked) => tell_status(&asked),
            Command::Handover(Handover { router, node }) => hand_over(router, &node.runtime_dir),
            Command::Pause(node) => orders::pause(&node.runtime_dir),
            Command::Resume(node) => orders::resume(&node.runtime_dir),
            Command::Drill(options) => drill::run(&options),
            Command::LabBackend(LabBackend { listen, certificate, key, name }) => {
                match backend::serve(listen, &certificate, &key, &name) {
                    Err(error) => fail(&error.into()),
                }
            }
            Command::Lbproxy(args) => {
                name_process(c"lbproxy");
                lbproxy::daemon::run(&args)
            }
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

/// Exit codes: 0 everything that is configured answers, 1 something does not.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "this is the command's answer")]
fn tell_status(asked: &Status) -> ExitCode {
    let runtime_dir = &asked.node.runtime_dir;
    let (vrrpd, lbproxy) = (status::vrrpd(runtime_dir), status::lbproxy(runtime_dir));
    if let (Err(vrrpd), Err(lbproxy)) = (&vrrpd, &lbproxy) {
        eprintln!("error: neither program answers\n  {vrrpd}\n  {lbproxy}");
        return ExitCode::FAILURE;
    }
    let status = status::Status { vrrpd: vrrpd.ok(), lbproxy: lbproxy.ok() };
    if asked.json {
        println!("{}", serde_json::to_string(&status).unwrap_or_default());
    } else {
        print!("{}", status::render(&status));
    }
    ExitCode::SUCCESS
}

fn hand_over(router: Option<String>, runtime_dir: &Path) -> ExitCode {
    match router.map(|name| Name::try_from(name.as_str())).transpose() {
        Ok(name) => orders::hand_over(runtime_dir, name),
        Err(error) => fail(&anyhow::anyhow!("the router's name {error}")),
    }
}

#[expect(clippy::print_stderr, reason = "this is the command's answer")]
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}
