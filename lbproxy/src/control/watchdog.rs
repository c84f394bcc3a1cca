//! Ticks into the supervisor's socket.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use config::Config;
use process::messages::{HEARTBEAT, Tick, line};
use tokio::net::UnixStream;
use tokio::sync::watch;
use tracing::warn;

/// A hung proxy is replaced after so long where an address depends on it: its clients are reset by
/// its death as long as the address is here.
const TRACKED: Duration = Duration::from_millis(300);

/// Elsewhere nobody can take over, and a stalled machine shall not cost connections.
const ALONE: Duration = Duration::from_secs(2);

/// Time between two heartbeats: `vrrpd` waits for so many of them, and the supervisor longer where there
/// is none.
pub(crate) fn pace(config: &Config) -> Duration {
    if config.routers.is_empty() { ALONE / 8 } else { HEARTBEAT }
}

/// How long the supervisor shall wait for a tick.
pub(crate) fn patience(config: &Config) -> Duration {
    let tracked = config.routers.iter().any(|router| !router.track.is_empty());
    if tracked { TRACKED } else { ALONE }
}

/// Tells the supervisor that a successor serves, though it be slow to read.
pub(crate) async fn retire(socket: Arc<UnixStream>) {
    let tick = line(&Tick { retired: true, ..Tick::default() });
    while socket.writable().await.is_ok() {
        match socket.try_write(&tick) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(_) | Err(_) => return,
        }
    }
}

/// Ticks at every beat while the workers live, until the supervisor is gone.
pub(crate) async fn run(
    socket: Arc<UnixStream>,
    mut beat: watch::Receiver<bool>,
    patience: watch::Receiver<Duration>,
) {
    while beat.changed().await.is_ok() {
        if !*beat.borrow_and_update() {
            continue;
        }
        let patience_ms = u64::try_from(patience.borrow().as_millis()).unwrap_or(u64::MAX);
        match socket.try_write(&line(&Tick { patience_ms, ..Tick::default() })) {
            Ok(_) => {}
            // It has not read the last ones yet; a newer one would say nothing more.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => {
                warn!(%error, "lost the supervisor: going on until told to stop");
                return;
            }
        }
    }
}
