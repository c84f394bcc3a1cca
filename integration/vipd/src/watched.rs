//! What every small program under the supervisor shares: what it starts with, and its ticks.

use std::io;
use std::time::Duration;

use config::{Config, Snapshot};
use process::control::{Control, end_with_parent};
use process::messages::{Tick, line};
use process::transaction::Transaction;
use tokio::net::UnixStream;
use tokio::time::{Interval, interval};

/// Time between two ticks, and how long the supervisor shall wait for one.
const TICK: Duration = Duration::from_millis(500);
const PATIENCE_MS: u64 = 5_000;

/// What a program starts with.
pub(crate) struct Source {
    pub(crate) config: Config,
    control: Control,
}

impl Source {
    /// What the supervisor hands down.
    ///
    /// # Errors
    /// It is wrong, or the supervisor cannot be heard; in words.
    pub(crate) fn read() -> Result<Self, String> {
        let failed = |error: io::Error| format!("hear the supervisor: {error}");
        let control = Control::inherited().map_err(failed)?;
        let config = parse(&control.start().map_err(failed)?)?;
        Ok(Self { config, control })
    }

    /// The configuration, and the supervisor: when that dies, this process shall end. Not before a change of
    /// user, which would undo it.
    ///
    /// # Errors
    /// The runtime cannot take the socket.
    pub(crate) fn split<T>(self) -> io::Result<(Config, Ticker, Transaction<T>)> {
        end_with_parent()?;
        let socket = UnixStream::from_std(self.control.socket()?)?;
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

/// Ticks into the supervisor's socket.
#[derive(Debug)]
pub(crate) struct Ticker {
    socket: UnixStream,
    ticks: Interval,
}

impl Ticker {
    /// Waits for the time of the next tick and sends it. Cancel-safe.
    pub(crate) async fn tick(&mut self) {
        self.ticks.tick().await;
        let tick = Tick { patience_ms: PATIENCE_MS, ..Tick::default() };
        // A full socket has ticks enough; a supervisor that is gone has sent us a signal.
        self.socket.try_write(&line(&tick)).ok();
    }
}
