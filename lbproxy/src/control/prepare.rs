//! The start while there are privileges: everything that needs them, and their end.

use std::io;
use std::os::unix::net::UnixStream as StdStream;
use std::time::Duration;

use config::{Config, Loaded, ProxyConfig};
use process::channels::{self, Channel};
use process::privileges::{CapabilitySet, Doubt, Kept, give_up_all_but};
use process::scheduling;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use vocabulary::Name;

use crate::cli::Args;
use crate::control::estate::Inheritance;
use crate::control::{Bound, bind};
use crate::health::CheckError;
use crate::health::check::Check;
use crate::net::descriptors;
use crate::net::listen::ListenError;

/// How long the supervisor may take to hand over the channel to the predecessor.
const CHANNEL_LIMIT: Duration = Duration::from_secs(2);

/// Why the proxy could not start or go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// What was given as standard input.
    #[error("--watchdog needs the supervisor's socket as standard input: {0}")]
    NoWatchdog(io::Error),
    #[error(transparent)]
    Check(#[from] UnfitCheck),
    #[error("{0}: {source}", source = .0.source)]
    Listen(#[from] ListenError),
    /// Of the operating system.
    #[error("{what}: {source}")]
    System { what: &'static str, source: io::Error },
    #[error("a worker thread ended; ending as well, to be started anew")]
    WorkerEnded,
}

impl StartError {
    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::NoWatchdog(_) | Self::Check(_) => 2,
            Self::Listen(_) | Self::System { .. } | Self::WorkerEnded => 1,
        }
    }
}

/// A proxy's check cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("check of proxy {proxy}: {source}")]
pub(crate) struct UnfitCheck {
    proxy: Name,
    source: CheckError,
}

/// What was made while there were privileges.
pub(crate) struct Prepared {
    pub(crate) loaded: Loaded,
    pub(crate) checks: Vec<Check>,
    pub(crate) bound: Bound,
    pub(crate) inheritance: Option<Inheritance>,
    /// The supervisor's socket.
    pub(crate) supervisor: Option<StdStream>,
    /// Channels that came before the one to the predecessor.
    pub(crate) channels: Vec<(Channel, StdStream)>,
    pub(crate) workers: usize,
    pub(crate) files: u64,
    pub(crate) doubts: Vec<Doubt>,
}

/// Does what needs privileges, and gives them up.
///
/// # Errors
/// Nothing works without what failed.
pub(crate) fn prepare(args: &Args, loaded: Loaded) -> Result<Prepared, StartError> {
    // Only adverts deserve the real-time class that may be inherited from the supervisor.
    scheduling::ordinary();
    scheduling::spare_no_more();
    let supervisor = args.common.watchdog.then(channels::supervisor).transpose();
    let supervisor = supervisor.map_err(StartError::NoWatchdog)?;
    let failed = |what| move |source: io::Error| StartError::System { what, source };
    let config = &loaded.config;
    let workers = descriptors::workers(config.lbproxy.threads);
    let files = descriptors::raise();
    let checks = checks(config)?;
    let mut channels = Vec::new();
    let mut inheritance = match args.take_over {
        false => None,
        true => Some(
            take_over(supervisor.as_ref(), &mut channels)
                .map_err(failed("take over from the lbproxy that runs"))?,
        ),
    };
    let bound = bind(config, &Bound::new(), inheritance.as_mut(), workers)?;
    let doubts = give_up_all_but(Kept {
        user: Some(&config.lbproxy.user),
        // New listeners of a reload may have ports below 1024.
        capabilities: CapabilitySet::NET_BIND_SERVICE,
        new_privileges: false,
    });
    if args.common.watchdog {
        channels::end_with_parent().map_err(failed("end with the supervisor"))?;
    }
    Ok(Prepared {
        loaded,
        checks,
        bound,
        inheritance,
        supervisor,
        channels,
        workers,
        files,
        doubts,
    })
}

/// Waits for the channel to the predecessor, and asks it for everything.
fn take_over(
    supervisor: Option<&StdStream>,
    others: &mut Vec<(Channel, StdStream)>,
) -> io::Result<Inheritance> {
    let supervisor = supervisor.ok_or_else(|| io::Error::other("there is no supervisor"))?;
    let limit = Timespec::try_from(CHANNEL_LIMIT).map_err(io::Error::other)?;
    loop {
        let mut ready = [PollFd::new(supervisor, PollFlags::IN)];
        if poll(&mut ready, Some(&limit))? == 0 {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "nothing came of the supervisor"));
        }
        match channels::receive(supervisor, &mut [0; 4096])? {
            Some((Channel::Handoff, predecessor)) => return Inheritance::claim(predecessor),
            Some(other) => others.push(other),
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// Makes the checks ready.
///
/// # Errors
/// A file that one needs cannot be read or used.
pub(crate) fn checks(config: &Config) -> Result<Vec<Check>, UnfitCheck> {
    let make = |proxy: &ProxyConfig| {
        Check::new(proxy).map_err(|source| UnfitCheck { proxy: proxy.name.clone(), source })
    };
    config.proxies.iter().map(make).collect()
}
