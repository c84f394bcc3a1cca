//! The start while there are privileges: everything that needs them, and their end.

use std::num::NonZeroUsize;
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::path::PathBuf;

use config::{Config, Loaded};
use process::messages::LBPROXY_SOCKET;

use crate::cli::Args;
use crate::control::estate::Inheritance;
use crate::control::privilege::{self, Doubt};
use crate::control::{Bound, bind};
use crate::control::{admin, watchdog};
use crate::health::probe::Probe;
use crate::net::descriptors;

/// Why the proxy could not start or go on.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) words: String,
}

impl Failure {
    pub(crate) fn run(what: &str, error: &dyn std::fmt::Display) -> Self {
        Self { code: 1, words: format!("{what}: {error}") }
    }

    pub(crate) fn usage(what: &str, error: &dyn std::fmt::Display) -> Self {
        Self { code: 2, words: format!("{what}: {error}") }
    }
}

/// What was made while there were privileges.
pub(crate) struct Prepared {
    pub(crate) loaded: Loaded,
    pub(crate) probes: Vec<Probe>,
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
pub(crate) fn prepare(args: &Args, loaded: Loaded) -> Result<Prepared, Failure> {
    let mut doubts: Vec<Doubt> = privilege::leave_real_time().into_iter().collect();
    let watchdog = if args.watchdog {
        Some(watchdog::take().map_err(|error| {
            Failure::usage("--watchdog needs the supervisor's socket as standard input", &error)
        })?)
    } else {
        None
    };
    let config = &loaded.config;
    let workers = config.lbproxy.threads.map_or_else(processors, NonZeroUsize::get);
    let files = descriptors::raise();
    let probes = probes(config).map_err(|words| Failure { code: 2, words })?;
    let path = admin_path(args);
    let mut inheritance = match args.take_over {
        false => None,
        true => Some(Inheritance::claim(&path).map_err(|error| {
            Failure::run(&format!("take over from the lbproxy at {}", path.display()), &error)
        })?),
    };
    let admin = inheritance.as_mut().and_then(|theirs| theirs.admin.take());
    let admin = admin::bind(&path, &config.lbproxy.user, admin)
        .map_err(|error| Failure::run(&format!("listen on {}", path.display()), &error))?;
    let bound = bind(config, &Bound::new(), inheritance.as_mut(), workers)
        .map_err(|error| Failure::run(&error.to_string(), &error.source))?;
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
        probes,
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

/// Makes the checks ready; the error says which proxy's cannot be.
pub(crate) fn probes(config: &Config) -> Result<Vec<Probe>, String> {
    let make = |proxy: &config::ProxyConfig| {
        Probe::new(proxy).map_err(|error| format!("check of proxy {}: {error}", proxy.name))
    };
    config.proxies.iter().map(make).collect()
}
