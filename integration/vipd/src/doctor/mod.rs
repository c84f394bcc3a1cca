//! `vipd doctor`: looks at the host, item by item, and says what is wrong and what mends it.
//!
//! Each item is a file with one function over a [`Context`]. Nothing that is done here can disturb a
//! running pair: nothing is advertised, no address is taken, no setting is changed.

mod arp;
mod capabilities;
mod context;
mod dad;
mod descriptors;
mod files;
mod firewall;
mod interface;
mod lan;
mod managers;
mod network;
mod nonlocal;
mod ports;
mod realtime;
mod report;
mod reverse_path;
mod servers;
mod service;
mod source;
mod sysctl;
mod unit;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use config::{Config, load_on};
use vrrp::follow_network;

use self::context::Context;
use self::network::Network;
pub use self::report::{Finding, Report, Verdict};
use crate::cli::Node;
use crate::host;
use crate::status;
use crate::trust::files::Sources;
use crate::trust::programs::look_at_programs;

/// What to look at.
#[derive(Args, Clone, Debug)]
pub struct Options {
    #[command(flatten)]
    node: Node,

    /// A name that clients know the service by, such as kubeadm's controlPlaneEndpoint; those that
    /// /etc/hosts and /etc/kubernetes tell of are known
    #[arg(long, value_name = "NAME")]
    endpoint: Vec<String>,

    /// As one JSON object
    #[arg(long)]
    json: bool,
}

/// Looks at everything and tells it.
///
/// Exit codes: 0 nothing is wrong, 1 something is.
#[must_use]
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "this is the command's answer")]
pub fn run(options: &Options) -> ExitCode {
    let report = match findings(options) {
        Ok(findings) => Report::new(findings),
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    if options.json {
        println!("{}", serde_json::to_string(&report).unwrap_or_default());
    } else {
        print!("{}", report.render());
    }
    if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn findings(options: &Options) -> anyhow::Result<Vec<Finding>> {
    let Node { config: path, runtime_dir } = options.node.clone();
    let loaded = match load_on(&path, &host::addresses()).and_then(look_at_programs) {
        Ok(loaded) => loaded,
        Err(problems) => {
            let seen = format!("it cannot be used\n{problems}");
            let why = "nothing else can be looked at before it is right";
            let command = format!("sudoedit {}", path.display());
            let finding = Finding::failure("configuration", path.display(), seen, why);
            return Ok(vec![finding.remedy(command)]);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let network = Network::read().await.context("ask the kernel for its interfaces")?;
        let mut found = vec![configuration(&path, &loaded.warnings.to_string())];
        let writable = Sources::of(&path, &loaded).writable();
        let routers = follow_network::settled(&loaded.config.routers, &[], &network.interfaces);
        let context = Context {
            path,
            writable,
            included: loaded.included,
            config: Config { routers, ..loaded.config },
            endpoints: options.endpoint.clone(),
            vrrpd: status::vrrpd(&runtime_dir).ok(),
            lbproxy: status::lbproxy(&runtime_dir).ok(),
            runtime_dir,
            network,
            root: nix::unistd::geteuid().is_root(),
        };
        found.extend(items(&context).await);
        Ok(found)
    })
}

fn configuration(path: &Path, warnings: &str) -> Finding {
    let path = path.display().to_string();
    if warnings.is_empty() {
        return Finding::ok("configuration", path, "it is right");
    }
    let seen = format!("it is doubtful\n{warnings}");
    let command = format!("sudoedit {path}");
    Finding::warning("configuration", path, seen, "it may not do what was meant").remedy(command)
}

/// Every item, in the order in which one would mend them.
async fn items(context: &Context) -> Vec<Finding> {
    let mut found = files::look(context);
    found.extend(capabilities::look(context));
    found.extend(descriptors::look(context));
    found.extend(realtime::look(context));
    found.extend(interface::look(context));
    found.extend(source::look(context));
    found.extend(arp::look(context));
    found.extend(reverse_path::look(context));
    found.extend(dad::look(context));
    found.extend(nonlocal::look(context));
    found.extend(managers::look(context));
    found.extend(firewall::look(context));
    found.extend(ports::look(context));
    let (heard, served, asked) =
        tokio::join!(lan::look(context), servers::look(context), service::look(context));
    found.extend(heard);
    found.extend(served);
    found.extend(asked);
    found
}
