//! The command line of `vipd`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use config::{DEFAULT_PATH, DEFAULT_RUNTIME_DIR, reference, schema};
use vocabulary::Name;

#[cfg(feature = "drill")]
use crate::drill;
use crate::trust::programs::look_at_programs;
use crate::{
    check, console, doctor, events, handover, orders, reload, runner, status, supervisor, upgrade,
};
#[cfg(feature = "drill")]
use lab::backend;

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
    Run(Run),
    /// Tell whether a configuration is right, and everything that is wrong with it
    Check(check::Options),
    /// Print the JSON Schema of the configuration, for editors, or a page of every key
    Schema(Schema),
    /// Make a configuration of those of keepalived, HAProxy and nginx, and account for every line
    Import(import::Options),
    /// Look at this host, and say what is wrong with it and what mends it
    Doctor(doctor::Options),
    /// Tell how a running node is
    Status(Status),
    /// Tell why each router is what it is, and how it came to that
    Why(Why),
    /// Tell what happened on a running node, or what happens
    Events(Events),
    /// Hand the addresses over to a peer, and stay behind it until it fails or `vipd resume`
    Handover(Handover),
    /// Hand everything over, and take nothing that another node can serve: for maintenance
    Pause(Running),
    /// Take part as before `vipd pause` or `vipd handover`
    Resume(Running),
    /// Have the node that runs go over to what its file says now, all of it or nothing
    Reload(Running),
    /// Have the node that runs become this release, without a lost connection
    Upgrade(Running),
    /// Take a server out of its proxy, bring it back, or change its share
    #[command(subcommand)]
    Server(orders::Server),
    /// End connections
    #[command(subcommand)]
    Sessions(orders::Sessions),
    /// Build a pair in network namespaces, inject faults, and measure what a client sees of them
    #[cfg(feature = "drill")]
    Drill(drill::Options),
    /// Speak VRRP (started by `run`)
    #[command(hide = true)]
    Vrrpd(vrrpd::cli::Args),
    /// Balance TCP (started by `run`)
    #[command(hide = true)]
    Lbproxy(lbproxy::cli::Args),
    /// Run hooks and script trackers, write the FIFO (started by `run`)
    #[command(hide = true)]
    Runner(runner::Args),
    /// Answer operators and monitoring (started by `run`)
    #[command(hide = true)]
    Console(console::Args),
    /// Serve HTTPS as a backend (started by `drill`)
    #[cfg(feature = "drill")]
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
struct Run {
    #[command(flatten)]
    node: Node,

    /// The programs run already: this one was another before
    #[arg(long, hide = true)]
    adopt: bool,
}

#[derive(Args, Debug)]
struct Schema {
    /// As a page of every key, docs/reference.md
    #[arg(long)]
    markdown: bool,
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
struct Why {
    /// The router's name in the configuration; without it, every router
    name: Option<String>,

    #[command(flatten)]
    node: Running,
}

#[derive(Args, Debug)]
struct Events {
    /// Tell what happens from now on, until vrrpd ends; without it, the changes that it remembers
    #[arg(long)]
    follow: bool,

    /// As a JSON object a line
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    node: Running,
}

#[derive(Args, Debug)]
struct Handover {
    /// Only the virtual router of this name
    router: Option<String>,

    /// Only to this peer, by the address that it speaks VRRP from; once for each family
    #[arg(long, value_name = "PEER")]
    to: Vec<IpAddr>,

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

#[cfg(feature = "drill")]
#[derive(Args, Debug)]
struct LabBackend {
    listen: std::net::SocketAddr,
    certificate: PathBuf,
    key: PathBuf,
    name: String,
}

impl Cli {
    /// Does what was asked.
    #[must_use]
    pub fn run(self) -> ExitCode {
        match self.command {
            Command::Run(Run { node: Node { config, runtime_dir }, adopt }) => {
                supervisor::run(&supervisor::Options { config, runtime_dir, adopt })
            }
            Command::Check(options) => check::run(&options),
            Command::Schema(form) => print_schema(&form),
            Command::Import(options) => import::run(&options, look_at_programs),
            Command::Doctor(options) => doctor::run(&options),
            Command::Status(asked) => tell_status(&asked),
            Command::Why(asked) => tell_why(&asked),
            Command::Events(asked) => tell_events(&asked),
            Command::Handover(asked) => hand_over(asked),
            Command::Pause(node) => handover::pause(&node.runtime_dir),
            Command::Resume(node) => handover::resume(&node.runtime_dir),
            Command::Reload(node) => reload::run(&node.runtime_dir),
            Command::Upgrade(node) => upgrade::run(&node.runtime_dir),
            Command::Server(order) => orders::server(&order),
            Command::Sessions(order) => orders::sessions(&order),
            #[cfg(feature = "drill")]
            Command::Drill(options) => drill::run(&options),
            #[cfg(feature = "drill")]
            Command::LabBackend(LabBackend { listen, certificate, key, name }) => {
                match backend::serve(listen, &certificate, &key, &name) {
                    Err(error) => fail(&error.into()),
                }
            }
            Command::Lbproxy(args) => {
                name_process(c"lbproxy");
                lbproxy::control::daemon::run(&args)
            }
            Command::Runner(args) => {
                name_process(c"runner");
                runner::run(&args)
            }
            Command::Console(args) => {
                name_process(c"console");
                console::run(&args)
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

#[expect(clippy::print_stdout, reason = "this is the command's answer")]
fn print_schema(form: &Schema) -> ExitCode {
    if form.markdown {
        print!("{}", reference());
    } else {
        println!("{:#}", schema());
    }
    ExitCode::SUCCESS
}

/// Exit codes: 0 everything that is configured answers, 1 something does not or we may not ask, 3 no node
/// runs.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "this is the command's answer")]
fn tell_status(asked: &Status) -> ExitCode {
    let status = match status::node(&asked.node.runtime_dir) {
        Ok(status) => status,
        Err(error) => return not_told(error),
    };
    if asked.json {
        println!("{}", serde_json::to_string(&status).unwrap_or_default());
    } else {
        print!("{}", status::render(&status));
    }
    if status.missing.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("error: does not answer: {}", status.missing.join(", "));
    ExitCode::FAILURE
}

/// Exit codes: 0 told, 1 vrrpd does not answer or has no such router, 3 no node runs.
#[expect(clippy::print_stdout, reason = "this is the command's answer")]
fn tell_why(asked: &Why) -> ExitCode {
    let status = match status::vrrpd(&asked.node.runtime_dir) {
        Ok(status) => status,
        Err(error) => return not_told(error),
    };
    let meant = |name: &str| asked.name.as_ref().is_none_or(|wanted| wanted == name);
    let routers: Vec<_> = status.routers.iter().filter(|r| meant(r.id.name.as_str())).collect();
    if let (true, Some(name)) = (routers.is_empty(), &asked.name) {
        let known: Vec<&str> = status.routers.iter().map(|r| r.id.name.as_str()).collect();
        return fail(&anyhow::anyhow!("no router {name:?} runs; there is {}", known.join(", ")));
    }
    routers.into_iter().for_each(|router| print!("{}", status::why(router)));
    ExitCode::SUCCESS
}

/// Exit codes: 0 told until vrrpd ended, 1 vrrpd does not answer, or nobody reads; 3 no node runs.
fn tell_events(asked: &Events) -> ExitCode {
    let form = if asked.json { events::Form::Json } else { events::Form::Words };
    let tell = if asked.follow { events::follow } else { events::past };
    match tell(&asked.node.runtime_dir, form, &mut std::io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(events::EventsError::Ask(error)) => not_told(error),
        Err(error) => fail(&error.into()),
    }
}

fn not_told(error: status::StatusError) -> ExitCode {
    let code = error.exit_code();
    fail(&error.into());
    ExitCode::from(code)
}

fn hand_over(Handover { router, to, node }: Handover) -> ExitCode {
    match router.map(|name| Name::try_from(name.as_str())).transpose() {
        Ok(name) => handover::hand_over(&node.runtime_dir, name, &to),
        Err(error) => fail(&anyhow::anyhow!("the router's name {error}")),
    }
}

#[expect(clippy::print_stderr, reason = "this is the command's answer")]
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}
