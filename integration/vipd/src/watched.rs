//! What every small program under the supervisor shares: its command line, its ticks, and an end when
//! the supervisor dies.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use config::{Config, DEFAULT_PATH, DEFAULT_RUNTIME_DIR, Snapshot, load};
use process::control::Control;
use process::messages::{Tick, line};
use process::transaction::Transaction;
use rustix::process::{Signal, set_parent_process_death_signal};
use tokio::net::UnixStream;
use tokio::time::{Interval, interval};

/// Time between two ticks, and how long the supervisor shall wait for one.
const TICK: Duration = Duration::from_millis(500);
const PATIENCE_MS: u64 = 5_000;

/// The command line.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = DEFAULT_PATH)]
    pub(crate) config: PathBuf,

    /// Where the node's sockets are
    #[arg(long, value_name = "DIR", default_value = DEFAULT_RUNTIME_DIR)]
    pub(crate) runtime_dir: PathBuf,

    /// Standard input is the supervisor's control socket
    #[arg(long, hide = true)]
    pub(crate) supervised: bool,
}

/// What a program starts with.
pub(crate) struct Source {
    pub(crate) config: Config,
    control: Option<Control>,
}

impl Source {
    /// What the supervisor hands down, whose death ends this process; or what the file holds.
    ///
    /// # Errors
    /// It is wrong, or the supervisor cannot be heard; in words.
    pub(crate) fn read(args: &Args) -> Result<Self, String> {
        if !args.supervised {
            let loaded = load(&args.config).map_err(|problems| problems.to_string())?;
            return Ok(Self { config: loaded.config, control: None });
        }
        let failed = |error: io::Error| format!("hear the supervisor: {error}");
        let control = Control::inherited().map_err(failed)?;
        let config = parse(&control.start().map_err(failed)?)?;
        Ok(Self { config, control: Some(control) })
    }

    /// The configuration, and the supervisor: when that dies, this process shall end. Not before a change of
    /// user, which would undo it.
    ///
    /// # Errors
    /// The runtime cannot take the socket.
    pub(crate) fn split<T>(self) -> io::Result<(Config, Ticker, Transaction<T>)> {
        if self.control.is_some() {
            set_parent_process_death_signal(Some(Signal::TERM))?;
        }
        let socket = self.control.as_ref().map(Control::socket).transpose()?;
        let socket = socket.map(UnixStream::from_std).transpose()?;
        let ticker = Ticker { socket, ticks: interval(TICK) };
        Ok((self.config, ticker, Transaction::new(self.control)?))
    }
}

/// What the supervisor handed down.
///
/// # Errors
/// It is wrong, in words. The supervisor has looked at the very same text before.
pub(crate) fn parse(content: &[u8]) -> Result<Config, String> {
    let snapshot = Snapshot::from_bytes(content).map_err(|error| error.to_string())?;
    snapshot.parse().map(|loaded| loaded.config).map_err(|problems| problems.to_string())
}

/// Ticks into the supervisor's socket, if there is one.
#[derive(Debug)]
pub(crate) struct Ticker {
    socket: Option<UnixStream>,
    ticks: Interval,
}

impl Ticker {
    /// Waits for the time of the next tick and sends it. Cancel-safe.
    pub(crate) async fn tick(&mut self) {
        self.ticks.tick().await;
        if let Some(socket) = &self.socket {
            let tick = Tick { patience_ms: PATIENCE_MS, resumable: Vec::new() };
            // A full socket has ticks enough; a supervisor that is gone has sent us a signal.
            socket.try_write(&line(&tick)).ok();
        }
    }
}
