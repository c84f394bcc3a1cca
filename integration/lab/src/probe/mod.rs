//! What a client measures, and who owns an address meanwhile.

pub mod connection;
mod http;
pub mod https;
mod icmp;
pub mod owners;
pub mod ping;
pub mod service;
pub mod silence;
mod subscription;
pub mod watch;

use std::io;
use std::panic::resume_unwind;
use std::thread::JoinHandle;

use crate::host::Host;
use crate::namespace::NamespaceError;
use crate::probe::https::Failure;

/// Why a probe could not start.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// No thread in the host's namespace.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// A socket or a runtime was not to be had.
    #[error("open {what} on {host}")]
    Open {
        /// What was to be opened.
        what: &'static str,
        /// The host.
        host: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A connected client did not get connected.
    #[error("connect to the service: {0}")]
    Connect(Failure),
    /// A probe's thread did not start or ended early.
    #[error("keep the thread of the probe `{probe}`")]
    Thread {
        /// Which probe.
        probe: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl ProbeError {
    fn open(what: &'static str, host: &Host) -> impl FnOnce(io::Error) -> Self {
        let host = host.name().to_owned();
        move |source| Self::Open { what, host, source }
    }
}

/// The value of a thread of ours; its panic goes on in the caller.
fn join<T>(thread: JoinHandle<T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}
