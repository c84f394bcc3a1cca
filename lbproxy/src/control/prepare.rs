//! The start while there are privileges: everything that needs them, and their end.

use std::num::NonZeroUsize;
use std::os::unix::net::UnixListener as StdListener;
use std::path::PathBuf;

use config::{Config, Files, Loaded, Snapshot, load};
use process::messages::LBPROXY_SOCKET;

use crate::cli::Args;
use crate::control::admin;
use crate::control::estate::Inheritance;
use crate::control::privilege::{self, Doubt};
use crate::control::{Bound, bind};
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
    pub(crate) source: Source,
    pub(crate) probes: Vec<Probe>,
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
    pub(crate) control: Option<process::control::Control>,
}

impl Source {
    /// From the supervisor, or from the file.
    ///
    /// # Errors
    /// Neither is of any use.
    pub(crate) fn read(args: &Args) -> Result<Self, Failure> {
        let failed = |error: &dyn std::fmt::Display| Failure::usage("start", error);
        if !args.supervised {
            let loaded = load(&args.config)
                .map_err(|problems| Failure { code: 2, words: problems.to_string() })?;
            let files = Files::of(&loaded.config);
            return Ok(Self { loaded, files, control: None });
        }
        let control = process::control::Control::inherited().map_err(|error| failed(&error))?;
        let content = control.start().map_err(|error| failed(&error))?;
        let snapshot = Snapshot::from_bytes(&content).map_err(|error| failed(&error))?;
        let loaded = snapshot.parse().map_err(|problems| failed(&problems))?;
        Ok(Self { loaded, files: snapshot.files().clone(), control: Some(control) })
    }
}

/// Does what needs privileges, and gives them up.
///
/// # Errors
/// Nothing works without what failed.
pub(crate) fn prepare(args: &Args, source: Source) -> Result<Prepared, Failure> {
    let mut doubts: Vec<Doubt> = privilege::leave_real_time().into_iter().collect();
    let config = &source.loaded.config;
    let workers = config.lbproxy.threads.map_or_else(processors, NonZeroUsize::get);
    let files = descriptors::raise();
    let probes = probes(config, &source.files).map_err(|words| Failure { code: 2, words })?;
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
    if args.supervised {
        // After the change of user, which would undo it.
        doubts.extend(privilege::end_with_parent());
    }
    let mut users = vec![0, started_by.as_raw(), nix::unistd::geteuid().as_raw()];
    users.dedup();
    Ok(Prepared { source, probes, bound, inheritance, admin, workers, files, users, doubts })
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Where the admin socket is.
pub(crate) fn admin_path(args: &Args) -> PathBuf {
    args.runtime_dir.join(LBPROXY_SOCKET)
}

/// Makes the checks ready; the error says which proxy's cannot be.
pub(crate) fn probes(config: &Config, files: &Files) -> Result<Vec<Probe>, String> {
    let make = |proxy: &config::ProxyConfig| {
        Probe::new(proxy, files).map_err(|error| format!("check of proxy {}: {error}", proxy.name))
    };
    config.proxies.iter().map(make).collect()
}
