//! The console: tells operators and monitoring how the node is, and passes orders on. A program of its own
//! under the supervisor, off the path of adverts and clients: it may die or hang, and only who asks sees it.
//!
//! ```text
//! RUNTIME_DIR/vipd.sock ─► Operator ─┐              ┌─► Peer: vrrpd
//!                                    ├─► Sources ───┼─► Peer: lbproxy
//! HTTP, /metrics …      ─► Http ─────┘              └─◄ what happens
//! ```
//! Owns: both listening sockets, our ends of the channels. Stops: when told to.

mod http;
mod metrics;
mod operator;
mod peer;
pub mod request;
mod slots;
mod sources;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use config::Config;
use process::privileges::{CapabilitySet, Privileges, give_up_all_but};
use process::signals::{self, Request, Requests};
use process::transaction::Step;
use process::{scheduling, telemetry};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::{error, warn};

use self::http::Http;
use self::operator::{Operator, Orderers};
use self::sources::{Sources, Wanted};
use crate::watched::{Source, parse};

/// The command line.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// What all programs share
    #[command(flatten)]
    pub common: process::arguments::Args,

    /// Where the socket is made
    #[arg(long, hide = true, value_name = "DIR")]
    pub runtime_dir: PathBuf,
}

/// Runs until told to end.
///
/// Exit codes: 0 ended in order; 1 it cannot listen; 2 the configuration is wrong.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    signals::hold();
    let source = match Source::read() {
        Ok(source) => source,
        Err(words) => {
            let _log = telemetry::init();
            error!(reason = words, "cannot start");
            return ExitCode::from(2);
        }
    };
    let prepared = Prepared::new(args);
    // As long as there is one thread. It meets strangers, and needs nothing.
    scheduling::ordinary();
    scheduling::spare_no_more();
    let doubts = give_up_all_but(Privileges {
        user: args.common.user,
        capabilities: CapabilitySet::NET_BIND_SERVICE,
        new_privileges: false,
    });
    let _log = telemetry::init();
    doubts.iter().for_each(|doubt| warn!(reason = %doubt, "cannot give a privilege up"));
    let served = prepared.and_then(|prepared| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(serve(source, prepared))
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!(%error, "console failed");
            ExitCode::FAILURE
        }
    }
}

/// What needs privileges.
struct Prepared {
    operator: std::os::unix::net::UnixListener,
    orderers: Orderers,
}

impl Prepared {
    fn new(args: &Args) -> io::Result<Self> {
        let operator = operator::bind(&args.runtime_dir.join(request::SOCKET))?;
        Ok(Self { operator, orderers: Orderers::now() })
    }
}

/// What can be gone over to: the address for monitoring is listened on.
type Staged = (Config, Option<TcpListener>);

async fn serve(source: Source, prepared: Prepared) -> io::Result<()> {
    let mut requests = Requests::watch()?;
    let (config, mut ticker, mut transaction) = source.split::<Staged>()?;
    let (wanted, watched) = watch::channel(Wanted::by(&config));
    let sources = Sources::new(watched);
    let operator = Operator::new(prepared.operator, prepared.orderers, sources.clone())?;
    tokio::spawn(operator.run());
    let mut http = Http::new(sources.clone());
    let bound = http.bind(config.metrics).await.map_err(io::Error::other)?;
    http.go_over_to(config.metrics, bound);
    loop {
        tokio::select! {
            biased;
            request = requests.next() => match request {
                Request::End(_) => {
                    sources.farewell().await;
                    return Ok(());
                }
                // The supervisor is who reloads.
                Request::Reload => {}
            },
            () = ticker.tick() => {}
            step = transaction.next() => match step {
                Step::Prepare(generation, content) => {
                    let staged = match parse(&content) {
                        Ok(config) => http.bind(config.metrics).await.map(|bound| (config, bound)),
                        Err(words) => Err(words),
                    };
                    transaction.prepared(generation, staged);
                }
                Step::Commit(generation, (config, bound)) => {
                    wanted.send_replace(Wanted::by(&config));
                    http.go_over_to(config.metrics, bound);
                    transaction.committed(generation);
                }
                Step::Channel(channel, stream) => sources.connect(channel, stream).await,
            },
            () = http.accept() => {}
        }
    }
}
