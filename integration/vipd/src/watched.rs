//! What every small program under the supervisor shares: its command line, its ticks, and an end when
//! the supervisor dies.

use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Duration;

use config::{DEFAULT_PATH, DEFAULT_RUNTIME_DIR};
use process::messages::{Tick, line};
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

    /// Standard input is the supervisor's watchdog: tick into it, and end when the supervisor dies
    #[arg(long, hide = true)]
    pub(crate) watchdog: bool,
}

/// Ticks into the supervisor's socket, if there is one.
#[derive(Debug)]
pub(crate) struct Ticker {
    socket: Option<UnixStream>,
    ticks: Interval,
}

impl Ticker {
    /// With `watched`, the supervisor's socket has taken the place of standard input, and its death ends
    /// this process.
    ///
    /// # Errors
    /// Standard input is no socket.
    pub(crate) fn new(watched: bool) -> io::Result<Self> {
        let socket = watched.then(socket).transpose()?;
        Ok(Self { socket, ticks: interval(TICK) })
    }

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

fn socket() -> io::Result<UnixStream> {
    set_parent_process_death_signal(Some(Signal::TERM))?;
    let socket = std::os::unix::net::UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    socket.set_nonblocking(true)?;
    UnixStream::from_std(socket)
}
