//! The start while there are privileges: everything that needs them, and their end.

use std::io;
use std::os::unix::net::UnixStream as StdStream;

use config::{Config, Files, Problems, ProxyConfig, Snapshot};
use process::channels::Channel;
use process::control::{Control, end_with_parent};
use process::identity::Identity;
use process::privileges::{CapabilitySet, Doubt, Privileges, give_up_all_but};
use process::scheduling;
use vocabulary::Name;

use crate::cli::Args;
use crate::control::handoff::ReceivedSockets;
use crate::control::orders_file::OrdersFile;
use crate::control::{Bound, bind};
use crate::health::CheckError;
use crate::health::check::Check;
use crate::net::descriptors;
use crate::net::listen::ListenError;

/// Why the proxy could not start or go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// The configuration is wrong.
    #[error("{0}")]
    Configuration(#[from] Problems),
    /// The supervisor did not hand a configuration down, or there is none.
    #[error("hear the supervisor: {0}")]
    Supervisor(io::Error),
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
            Self::Configuration(_) | Self::Supervisor(_) | Self::Check(_) => 2,
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
    pub(crate) source: Source,
    pub(crate) checks: Vec<Check>,
    pub(crate) bound: Bound,
    pub(crate) received: Option<ReceivedSockets>,
    /// Where an operator's orders lie, if they can.
    pub(crate) orders: io::Result<OrdersFile>,
    /// Channels that came before the one to the predecessor.
    pub(crate) channels: Vec<(Channel, StdStream)>,
    pub(crate) workers: usize,
    pub(crate) files: u64,
    pub(crate) doubts: Vec<Doubt>,
}

/// What to start with, and where it came from.
pub(crate) struct Source {
    pub(crate) config: Config,
    pub(crate) files: Files,
    pub(crate) control: Control,
}

impl Source {
    /// Waits for what the supervisor hands down.
    ///
    /// # Errors
    /// There is no supervisor, or what it hands down is of no use.
    pub(crate) fn read() -> Result<Self, StartError> {
        let control = Control::inherited().map_err(StartError::Supervisor)?;
        let content = control.start().map_err(StartError::Supervisor)?;
        let snapshot = Snapshot::from_bytes(&content)
            .map_err(|error| StartError::Supervisor(io::Error::other(error)))?;
        let (config, files) = (snapshot.parse()?.config, snapshot.files().clone());
        Ok(Self { config, files, control })
    }
}

/// Does what needs privileges, and gives them up.
///
/// # Errors
/// Nothing works without what failed.
pub(crate) fn prepare(args: &Args, source: Source) -> Result<Prepared, StartError> {
    // Only adverts deserve the real-time class that may be inherited from the supervisor.
    scheduling::ordinary();
    scheduling::spare_no_more();
    let failed = |what| move |source: io::Error| StartError::System { what, source };
    let config = &source.config;
    let workers = descriptors::workers(config.lbproxy.threads);
    let files = descriptors::raise();
    let checks = checks(config, &source.files)?;
    let mut channels = Vec::new();
    let mut received = match args.take_over {
        false => None,
        true => Some(
            take_over(&source.control, &mut channels)
                .map_err(failed("take over from the lbproxy that runs"))?,
        ),
    };
    let bound = bind(config, &Bound::new(), received.as_mut(), workers)?;
    let orders = OrdersFile::open(&args.runtime_dir);
    let (user, unknown) = user(args, config);
    let mut doubts = give_up_all_but(Privileges {
        user,
        // New listeners of a reload may have ports below 1024.
        capabilities: CapabilitySet::NET_BIND_SERVICE,
        new_privileges: false,
    });
    doubts.extend(unknown);
    end_with_parent().map_err(failed("end with the supervisor"))?;
    Ok(Prepared { source, checks, bound, received, orders, channels, workers, files, doubts })
}

/// The user that the file names, or else the one that the supervisor chose.
fn user(args: &Args, config: &Config) -> (Option<Identity>, Option<Doubt>) {
    let Some(name) = &config.lbproxy.user else { return (args.common.user, None) };
    match Identity::named(name) {
        Ok(Some(user)) => (Some(user), None),
        Ok(None) | Err(_) => (args.common.user, Some(Doubt::of_unknown_user(name))),
    }
}

/// Waits for the channel to the predecessor, and asks it for everything.
fn take_over(
    control: &Control,
    others: &mut Vec<(Channel, StdStream)>,
) -> io::Result<ReceivedSockets> {
    ReceivedSockets::claim(control.wait_for(Channel::Handoff, others)?)
}

/// Makes the checks ready.
///
/// # Errors
/// A file that one needs cannot be read or used.
pub(crate) fn checks(config: &Config, files: &Files) -> Result<Vec<Check>, UnfitCheck> {
    let make = |proxy: &ProxyConfig| {
        Check::new(proxy, files).map_err(|source| UnfitCheck { proxy: proxy.name.clone(), source })
    };
    config.proxies.iter().map(make).collect()
}
