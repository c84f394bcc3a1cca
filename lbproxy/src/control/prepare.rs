//! The start while there are privileges: everything that needs them, and their end.

use std::io;
use std::num::NonZeroUsize;
use std::os::unix::net::UnixStream as StdStream;
use std::time::Duration;

use config::{Config, Loaded};
use process::channels::{self, Channel};
use process::privileges::{CapabilitySet, Doubt, Kept, give_up_all_but};
use process::scheduling;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::cli::Args;
use crate::control::estate::Inheritance;
use crate::control::{Bound, bind};
use crate::health::probe::Probe;
use crate::net::descriptors;

/// How long the supervisor may take to hand over the channel to the predecessor.
const CHANNEL_LIMIT: Duration = Duration::from_secs(2);

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
pub(crate) fn prepare(args: &Args, loaded: Loaded) -> Result<Prepared, Failure> {
    // Only adverts deserve the real-time class that may be inherited from the supervisor.
    scheduling::ordinary();
    scheduling::spare_no_more();
    let supervisor =
        args.common.watchdog.then(channels::supervisor).transpose().map_err(|error| {
            Failure::usage("--watchdog needs the supervisor's socket as standard input", &error)
        })?;
    let config = &loaded.config;
    let workers = config.lbproxy.threads.map_or_else(processors, NonZeroUsize::get);
    let files = descriptors::raise();
    let probes = probes(config).map_err(|words| Failure { code: 2, words })?;
    let mut channels = Vec::new();
    let mut inheritance = match args.take_over {
        false => None,
        true => Some(
            take_over(supervisor.as_ref(), &mut channels)
                .map_err(|error| Failure::run("take over from the lbproxy that runs", &error))?,
        ),
    };
    let bound = bind(config, &Bound::new(), inheritance.as_mut(), workers)
        .map_err(|error| Failure::run(&error.to_string(), &error.source))?;
    let doubts = give_up_all_but(Kept {
        user: Some(&config.lbproxy.user),
        // New listeners of a reload may have ports below 1024.
        capabilities: CapabilitySet::NET_BIND_SERVICE,
        new_privileges: false,
    });
    if args.common.watchdog
        && let Err(error) = channels::end_with_parent()
    {
        return Err(Failure::run("end with the supervisor", &error));
    }
    Ok(Prepared {
        loaded,
        probes,
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

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Makes the checks ready; the error says which proxy's cannot be.
pub(crate) fn probes(config: &Config) -> Result<Vec<Probe>, String> {
    let make = |proxy: &config::ProxyConfig| {
        Probe::new(proxy).map_err(|error| format!("check of proxy {}: {error}", proxy.name))
    };
    config.proxies.iter().map(make).collect()
}
