//! The start while there are privileges: everything that needs them, and their end.

use std::io;
use std::num::NonZeroUsize;
use std::os::unix::net::UnixListener as StdListener;
use std::path::PathBuf;

use config::{Config, Files, Loaded, Problems, ProxyConfig, Snapshot, load};
use process::control;
use process::messages::LBPROXY_SOCKET;
use vocabulary::Name;

use crate::cli::Args;
use crate::control::admin;
use crate::control::estate::Inheritance;
use crate::control::privilege::{self, Doubt};
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
    /// The supervisor did not hand a configuration down.
    #[error("hear the supervisor: {0}")]
    Supervisor(io::Error),
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
            Self::Configuration(_) | Self::Supervisor(_) | Self::Check(_) => 2,
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
    pub(crate) source: Source,
    pub(crate) checks: Vec<Check>,
    pub(crate) bound: Bound,
    pub(crate) inheritance: Option<Inheritance>,
    pub(crate) admin: StdListener,
    pub(crate) workers: usize,
    pub(crate) files: u64,
    pub(crate) users: Vec<u32>,
    pub(crate) doubts: Vec<Doubt>,
}

/// What to start with, and where it came from.
pub(crate) struct Source {
    pub(crate) loaded: Loaded,
    pub(crate) files: Files,
    /// The supervisor's, if there is one.
    pub(crate) control: Option<control::Control>,
}

impl Source {
    /// From the supervisor, or from the file.
    ///
    /// # Errors
    /// Neither is of any use.
    pub(crate) fn read(args: &Args) -> Result<Self, StartError> {
        if !args.supervised {
            let loaded = load(&args.config)?;
            let files = Files::of(&loaded.config);
            return Ok(Self { loaded, files, control: None });
        }
        let control = control::Control::inherited().map_err(StartError::Supervisor)?;
        let content = control.start().map_err(StartError::Supervisor)?;
        let snapshot = Snapshot::from_bytes(&content)
            .map_err(|error| StartError::Supervisor(io::Error::other(error)))?;
        let (loaded, files) = (snapshot.parse()?, snapshot.files().clone());
        Ok(Self { loaded, files, control: Some(control) })
    }
}

/// Does what needs privileges, and gives them up.
///
/// # Errors
/// Nothing works without what failed.
pub(crate) fn prepare(args: &Args, source: Source) -> Result<Prepared, StartError> {
    let mut doubts: Vec<Doubt> = privilege::leave_real_time().into_iter().collect();
    let config = &source.loaded.config;
    let workers = config.lbproxy.threads.map_or_else(processors, NonZeroUsize::get);
    let files = descriptors::raise();
    let checks = checks(config, &source.files)?;
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
    if args.supervised {
        // After the change of user, which would undo it.
        doubts.extend(privilege::end_with_parent());
    }
    let mut users = vec![0, started_by.as_raw(), nix::unistd::geteuid().as_raw()];
    users.dedup();
    Ok(Prepared { source, checks, bound, inheritance, admin, workers, files, users, doubts })
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
pub(crate) fn checks(config: &Config, files: &Files) -> Result<Vec<Check>, UnfitCheck> {
    let make = |proxy: &ProxyConfig| {
        Check::new(proxy, files).map_err(|source| UnfitCheck { proxy: proxy.name.clone(), source })
    };
    config.proxies.iter().map(make).collect()
}
