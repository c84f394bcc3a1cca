//! The configuration file: TOML in, a [`Config`] that is right or every problem it has out.
//!
//! [`load`] reads a file as `vipd check` shows it; what is handed from one program to another is a
//! [`Snapshot`], which comes to the same result anywhere. Nothing behind it checks a range again.

mod across;
mod check;
mod code;
mod command;
mod fault;
mod include;
mod lint;
mod notify;
mod places;
mod problem;
mod proxy;
mod raw;
mod read;
mod reference;
mod schema;
mod snapshot;
mod spanned;
mod track;
mod variables;
mod vrrp;

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::check::{Check, count_in, duration_in, endpoint, word};
pub use self::code::Code;
pub use self::command::{CommandLine, NamedProgram};
use self::fault::Fault;
pub use self::include::{Included, Surroundings};
pub use self::notify::{FifoConfig, HooksConfig, NotifyConfig};
use self::places::Places;
pub use self::problem::{Place, Problem, Problems, Severity};
pub use self::proxy::{
    Access, AgentConfig, Backups, Balance, CheckConfig, CheckKind, ClientCertificate, Followed,
    HeaderVersion, HttpCheck, Limits, NamePattern, OnDown, ProxyConfig, ProxyRoute, QueueConfig,
    ServerConfig, Statuses, Verify,
};
use self::raw::{RawFile, RawLbproxy, RawMetrics};
pub use self::reference::reference;
pub use self::schema::schema;
pub use self::snapshot::{Files, Snapshot};
use self::spanned::Spanned;
pub use self::track::{GatewayConfig, ScriptConfig, Tracked, TrackerConfig, TrackerKind};
pub use self::vrrp::{
    AddressConfig, Announce, Audience, Auth, Checksum, Dialect, Lease, ManagedResources, Password,
    Preempt, Refresh, RouteConfig, RouterConfig, RuleConfig, Scope,
};
use vocabulary::Name;

/// Where the configuration is unless `--config` says otherwise.
pub const DEFAULT_PATH: &str = "/etc/vipd/vipd.toml";

/// Where sockets are unless `--runtime-dir` says otherwise.
pub const DEFAULT_RUNTIME_DIR: &str = "/run/vipd";

/// A file larger than this is no configuration, in bytes.
const SIZE_LIMIT: u64 = 1024 * 1024;

/// A whole configuration, ready to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Virtual routers, one for each family of each `[[vrrp]]` table.
    pub routers: Vec<RouterConfig>,
    /// What priorities follow besides proxies.
    pub trackers: Vec<TrackerConfig>,
    /// Proxies.
    pub proxies: Vec<ProxyConfig>,
    /// The proxy process.
    pub lbproxy: LbproxyConfig,
    /// Who is told of changes of state.
    pub notify: NotifyConfig,
    /// Where metrics are told over HTTP.
    pub metrics: Option<SocketAddr>,
}

/// How the proxy process runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LbproxyConfig {
    /// The user it becomes when started by root; none: one of its own.
    pub user: Option<String>,
    /// Worker threads; none: one for each processor, and at most 8.
    pub threads: Option<NonZeroUsize>,
    /// How access lines are written; none: not at all.
    pub log_format: Option<LogFormat>,
    /// How long connections may last after an upgrade.
    pub drain_timeout: Duration,
}

/// What an access line looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// `KEY=VALUE …`.
    Words,
    /// A JSON object.
    Json,
    /// As HAProxy's `option tcplog`.
    Haproxy,
}

/// A usable file, and what is doubtful in it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Warnings only.
    pub warnings: Problems,
    /// The programs that it names.
    pub programs: Vec<NamedProgram>,
    /// The files that it includes.
    pub included: Vec<PathBuf>,
    /// The patterns that found them, and may find others.
    pub include_patterns: Vec<String>,
    places: Places,
}

impl Loaded {
    /// Finds fault with a program; a file that needs it is then an error.
    pub fn object(&mut self, program: &NamedProgram, fault: &str, help: &str) {
        let needed = program.is_needed;
        let code = if needed { Code::ProgramUnusable } else { Code::HookUnusable };
        self.warnings.tell(code, program.span.clone(), fault, help);
    }

    /// Finds fault with the file, or with one that belongs to it.
    pub fn object_to_file(&mut self, code: Code, fault: &str, help: &str) {
        self.warnings.tell_of_file(code, fault, help);
    }

    /// Finds fault with a key of a router's table, or with the table where the key is left out.
    pub fn fault(&mut self, router: &Name, key: &'static str, code: Code, title: &str, help: &str) {
        let place = self.places.find(router.as_str(), key);
        self.warnings.tell(code, place, title, help);
    }

    /// What it is, unless something makes the file unusable.
    ///
    /// # Errors
    /// Everything that was found.
    pub fn confirmed(mut self) -> Result<Self, Problems> {
        self.warnings.sort();
        if self.warnings.any_error() { Err(self.warnings) } else { Ok(self) }
    }
}

/// Reads and checks the file at `path`, of whatever node it is.
///
/// # Errors
/// Everything that is wrong with it, each at its place.
pub fn load(path: &Path) -> Result<Loaded, Problems> {
    load_on(path, &[])
}

/// The same, on the node that it is for, which has the addresses `own`.
///
/// # Errors
/// Everything that is wrong with it, each at its place.
pub fn load_on(path: &Path, own: &[IpAddr]) -> Result<Loaded, Problems> {
    Snapshot::read(path, own).map(|(_, loaded)| loaded)
}

/// Checks a configuration's text, which stands alone: there is no environment, and no other file.
/// `name` stands for the file in what is reported.
///
/// # Errors
/// Everything that is wrong with it, each at its place.
pub fn parse(name: &str, source: &str) -> Result<Loaded, Problems> {
    parse_in(&Surroundings::NONE, name, source)
}

/// The same, of a text that may refer to its surroundings.
///
/// # Errors
/// Everything that is wrong with it and with what it includes, each at its place.
pub fn parse_in(
    surroundings: &Surroundings<'_>,
    name: &str,
    source: &str,
) -> Result<Loaded, Problems> {
    let mut problems = Problems::new(name, source);
    let read = read::read(source, surroundings, &mut problems);
    let (mut programs, mut included, mut places) = (Vec::new(), Vec::new(), Places::default());
    let mut patterns = Vec::new();
    let config = read.map(|read| {
        places = Places::of(&read.file);
        included = read.included.into_iter().map(PathBuf::from).collect();
        let given = read.file.include.iter().flat_map(|list| list.get_ref());
        patterns = given.map(|pattern| pattern.get_ref().clone()).collect();
        let mut check = Check::new(&read.file, read.cut, &mut problems);
        let config = config(&read.file, surroundings.own, &mut check);
        programs = check.programs;
        config
    });
    if !problems.any_error() {
        problems.tell_unused();
    }
    problems.sort();
    match config.flatten() {
        Some(config) if !problems.any_error() => {
            let include_patterns = patterns;
            Ok(Loaded { config, warnings: problems, programs, included, include_patterns, places })
        }
        _ => Err(problems),
    }
}

fn read_limited(path: &Path) -> std::io::Result<String> {
    String::from_utf8(read_bytes(path)?)
        .map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidData, error.utf8_error()))
}

fn read_bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    let size = std::fs::metadata(path)?.len();
    if size > SIZE_LIMIT {
        return Err(std::io::Error::other(format!("it has {size} bytes, more than {SIZE_LIMIT}")));
    }
    std::fs::read(path)
}

fn config(file: &RawFile, own: &[IpAddr], check: &mut Check<'_>) -> Option<Config> {
    allow(file, check);
    let known = track::check::known(file, check);
    let mut routers: Vec<RouterConfig> =
        file.vrrp.iter().flat_map(|raw| vrrp::check::routers(raw, &known, check)).collect();
    vrrp::group::bring_together(&mut routers);
    let proxies = proxy::check::proxies(&file.proxy, check);
    let lbproxy = lbproxy(file.lbproxy.as_ref().map(Spanned::get_ref), check);
    let notify = notify::check::notify(file, check);
    let metrics = metrics(file.metrics.as_ref(), check);
    if file.vrrp.is_empty() && file.proxy.is_empty() {
        let help = "write a [[vrrp]] table for a virtual address, a [[proxy]] table for a load balancer, or both";
        check.problems.tell(Code::NothingConfigured, 0..0, "the file configures nothing", help);
    }
    vrrp::virtual_mac::differ(&file.vrrp, &routers, check);
    across::across(file, (&routers, &known.trackers), &proxies, own, check);
    track::check::all_exist(file, check);
    lint::lint(file, &routers, &known.trackers, &proxies, check);
    Some(Config { routers, trackers: known.trackers, proxies, lbproxy: lbproxy?, notify, metrics })
}

/// What the file wants to hear nothing of.
fn allow(file: &RawFile, check: &mut Check<'_>) {
    let help = "such as \"W0101\"; `vipd check` shows the code of each warning";
    let codes = check.each("allow", &file.allow, help, |text| match Code::from_text(text) {
        Some(code) if code.severity() == Severity::Warning => Ok(code),
        Some(_) => {
            Err(Fault::new(Code::NotAllowable, "must be a warning's code, and this is an error's"))
        }
        None => Err(Fault::new(Code::NotAllowable, "must be a warning's code")),
    });
    for code in codes {
        check.problems.allow(*code.get_ref(), code.span());
    }
}

fn lbproxy(raw: Option<&RawLbproxy>, check: &mut Check<'_>) -> Option<LbproxyConfig> {
    let default = RawLbproxy::default();
    let raw = raw.unwrap_or(&default);
    let user = command::user("user", &raw.user, None, check);
    let threads = check.optional("threads", &raw.threads, "", None, |number| {
        count_in(1..=256)(number).map(|threads| NonZeroUsize::new(threads as usize))
    });
    let drain = Duration::from_secs(300);
    let limits = duration_in(Duration::ZERO..=Duration::from_secs(86_400));
    let drain = check.optional("drain_timeout", &raw.drain_timeout, "", drain, limits);
    let format = word(&[
        ("words", Some(LogFormat::Words)),
        ("json", Some(LogFormat::Json)),
        ("haproxy", Some(LogFormat::Haproxy)),
        ("off", None),
    ]);
    let format = check.optional("log_format", &raw.log_format, "", Some(LogFormat::Words), format);
    Some(LbproxyConfig {
        user: user?,
        threads: threads?,
        log_format: format?,
        drain_timeout: drain?,
    })
}

fn metrics(table: Option<&Spanned<RawMetrics>>, check: &mut Check<'_>) -> Option<SocketAddr> {
    let table = table?;
    let help =
        "where monitoring asks, such as \"127.0.0.1:9105\"; leave [metrics] out to tell nobody";
    check.required(&table.span(), "listen", &table.get_ref().listen, help, |text| endpoint(text))
}
