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
mod seats;
mod sources;

use std::io;
use std::process::ExitCode;

use config::{Config, load};
use process::arguments::Args;
use process::channels::{self, Inbox};
use process::messages::Tick;
use process::privileges::{CapabilitySet, Kept, give_up_all_but};
use process::signals::{self, Request, Requests};
use process::{scheduling, telemetry};
use tokio::sync::watch;
use tokio::time::interval;
use tracing::{error, warn};

use self::http::Http;
use self::operator::{Operator, Orderers};
use self::sources::{Sources, Wanted};
use crate::watched::{PATIENCE_MS, TICK};

/// Runs until told to end.
///
/// Exit codes: 0 ended in order; 1 it cannot listen; 2 the configuration is wrong.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    signals::hold();
    let config = match load(&args.config) {
        Ok(loaded) => loaded.config,
        Err(problems) => {
            let _log = telemetry::init();
            error!("{problems}");
            return ExitCode::from(2);
        }
    };
    let prepared = Prepared::new(args);
    // As long as there is one thread. It meets strangers, and needs nothing.
    scheduling::ordinary();
    scheduling::spare_no_more();
    let doubts = give_up_all_but(Kept {
        user: Some(&config.lbproxy.user),
        capabilities: CapabilitySet::NET_BIND_SERVICE,
        new_privileges: false,
    });
    let tied = channels::end_with_parent();
    let _log = telemetry::init();
    doubts.iter().for_each(|doubt| warn!("{doubt}"));
    let served = prepared.and_then(|prepared| {
        tied?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(serve(args, config, prepared))
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!(%error, "nobody can ask how this node is");
            ExitCode::FAILURE
        }
    }
}

/// What needs privileges.
struct Prepared {
    supervisor: std::os::unix::net::UnixStream,
    operator: std::os::unix::net::UnixListener,
    orderers: Orderers,
}

impl Prepared {
    fn new(args: &Args) -> io::Result<Self> {
        let operator = operator::bind(&args.runtime_dir.join(request::SOCKET))?;
        Ok(Self { supervisor: channels::supervisor()?, operator, orderers: Orderers::now() })
    }
}

async fn serve(args: &Args, config: Config, prepared: Prepared) -> io::Result<()> {
    let mut requests = Requests::watch()?;
    let mut inbox = Inbox::new(Some(prepared.supervisor))?;
    let mut ticks = interval(TICK);
    let (wanted, watched) = watch::channel(Wanted::by(&config));
    let sources = Sources::new(watched);
    let operator = Operator::new(prepared.operator, prepared.orderers, sources.clone())?;
    tokio::spawn(operator.run());
    let mut http = Http::new(sources.clone());
    http.listen(config.metrics).await?;
    loop {
        tokio::select! {
            biased;
            request = requests.next() => match request {
                Request::End(_) => {
                    sources.farewell().await;
                    return Ok(());
                }
                Request::Reload => {
                    // What is wrong with the file, the others say.
                    let Ok(loaded) = load(&args.config) else { continue };
                    wanted.send_replace(Wanted::by(&loaded.config));
                    http.listen(loaded.config.metrics).await?;
                }
            },
            _ = ticks.tick() => {
                inbox.tick(&Tick { patience_ms: PATIENCE_MS, ..Tick::default() });
            }
            (channel, stream) = inbox.next() => sources.connect(channel, stream).await,
            () = http.accept() => {}
        }
    }
}
