//! The start while there are privileges: everything that needs them, and their end.

use std::io;
use std::num::NonZeroUsize;
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::path::PathBuf;

use config::{Config, Loaded, ProxyConfig};
use process::messages::LBPROXY_SOCKET;
use vocabulary::Name;

use crate::cli::Args;
use crate::control::estate::Inheritance;
use crate::control::privilege::{self, Doubt};
use crate::control::{Bound, bind};
use crate::control::{admin, watchdog};
use crate::health::CheckError;
use crate::health::check::Check;
use crate::net::descriptors;
use crate::net::listen::ListenError;

/// Why the proxy could not start or go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// What was given as standard input.
    #[error("--watchdog needs the supervisor's socket as standard input: {0}")]
    NoWatchdog(io::Error),
    #[error(transparent)]
    Check(#[from] UnfitCheck),
    #[error("take over from the lbproxy at {}: {source}", path.display())]
    TakeOver { path: PathBuf, source: io::Error },
    #[error("listen on {}: {source}", path.display())]
    Admin { path: PathBuf, source: io::Error },
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
            Self::TakeOver { .. }
            | Self::Admin { .. }
            | Self::Listen(_)
            | Self::System { .. }
            | Self::WorkerEnded => 1,
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
    pub(crate) admin: StdListener,
    pub(crate) watchdog: Option<StdStream>,
    pub(crate) workers: usize,
    pub(crate) files: u64,
    pub(crate) users: Vec<u32>,
    pub(crate) doubts: Vec<Doubt>,
}

/// Does what needs privileges, and gives them up.
///
/// # Errors
/// Nothing works without what failed.
pub(crate) fn prepare(args: &Args, loaded: Loaded) -> Result<Prepared, StartError> {
    let mut doubts: Vec<Doubt> = privilege::leave_real_time().into_iter().collect();
    let watchdog =
        if args.watchdog { Some(watchdog::take().map_err(StartError::NoWatchdog)?) } else { None };
    let config = &loaded.config;
    let workers = config.lbproxy.threads.map_or_else(processors, NonZeroUsize::get);
    let files = descriptors::raise();
    let checks = checks(config)?;
    let path = admin_path(args);
    let mut inheritance = match args.take_over {
        false => None,
        true => {
            let claimed = Inheritance::claim(&path);
            Some(claimed.map_err(|source| StartError::TakeOver { path: path.clone(), source })?)
        }
    };
    let admin = inheritance.as_mut().and_then(|theirs| theirs.admin.take());
    let admin = admin::bind(&path, &config.lbproxy.user, admin)
        .map_err(|source| StartError::Admin { path, source })?;
    let bound = bind(config, &Bound::new(), inheritance.as_mut(), workers)?;
    let started_by = nix::unistd::geteuid();
    doubts.extend(privilege::drop_all(&config.lbproxy.user));
    if args.watchdog {
        // After the change of user, which would undo it.
        doubts.extend(privilege::end_with_parent());
    }
    let mut users = vec![0, started_by.as_raw(), nix::unistd::geteuid().as_raw()];
    users.dedup();
    Ok(Prepared {
        loaded,
        checks,
        bound,
        inheritance,
        admin,
        watchdog,
        workers,
        files,
        users,
        doubts,
    })
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Where the admin socket is.
pub(crate) fn admin_path(args: &Args) -> PathBuf {
    args.runtime_dir.join(LBPROXY_SOCKET)
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
