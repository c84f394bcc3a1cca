//! The pair under drill: two nodes, three backends and a client, with real programs and real files.

use std::fmt::Write;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use vocabulary::{AdvertInterval, Usability};
use vrrp::election::StateName;

use crate::status;
use lab::node::{NodeError, signal};
use lab::{Certificates, Endpoint, Host, Lab, OwnerWatch, Running, wait_until};
use nix::sys::signal::Signal;

/// The address under drill.
pub(super) const VIP: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 200);

/// The port of the service.
const PORT: u16 = 6443;

/// Priorities of the two nodes.
pub(super) const PRIORITIES: [u8; 2] = [150, 100];

/// How often the drill's proxies check their backends, and how long a check may take.
pub(super) const CHECK_INTERVAL: Duration = Duration::from_millis(200);

/// Failed checks that make a backend down.
pub(super) const CHECK_FALL: u32 = 3;

/// How long the pair may take to stand.
const SETTLE_LIMIT: Duration = Duration::from_secs(20);

/// How long a node may take to end in order, at the longest interval that a drill makes sense with.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// How much of a node's log is worth a look when something went wrong.
const LOG_LINES: usize = 40;

/// The pair, running.
pub(super) struct Pair {
    pub(super) lab: Lab,
    pub(super) nodes: [Node; 2],
    pub(super) backends: Vec<Backend>,
    pub(super) client: Host,
    pub(super) endpoint: Endpoint,
}

/// A load balancer node.
pub(super) struct Node {
    pub(super) host: Host,
    pub(super) vipd: Option<Running>,
    config: PathBuf,
    /// What stands in it.
    text: String,
    runtime_dir: PathBuf,
}

/// A backend.
pub(super) struct Backend {
    pub(super) host: Host,
    pub(super) server: Running,
    certificates: Certificates,
}

/// One of a node's programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Vrrpd,
    Lbproxy,
}

impl Pair {
    /// Builds the lab, starts everything, and waits until the first node serves and the second could.
    pub(super) fn build(interval: AdvertInterval) -> anyhow::Result<Self> {
        let lab = Lab::new()?;
        let client = lab.host("client", 100)?;
        let lb1 = lab.host("lb1", 11)?;
        let lb2 = lab.host("lb2", 12)?;
        let webs = [(1, 21), (2, 22), (3, 23)]
            .map(|(place, number)| lab.host(&format!("web{place}"), number));
        let webs = webs.into_iter().collect::<Result<Vec<Host>, _>>()?;

        let mut names = vec![IpAddr::V4(VIP)];
        names.extend(webs.iter().map(|web| IpAddr::V4(web.ipv4())));
        let certificates = Certificates::write(lab.directory(), &names)?;
        let endpoint = Endpoint::new(SocketAddr::from((VIP, PORT)), &certificates.ca)?;
        let backends = webs
            .into_iter()
            .map(|host| Backend::start(host, &certificates))
            .collect::<anyhow::Result<Vec<_>>>()?;

        let mut nodes = Vec::new();
        for (host, priority) in [lb1, lb2].into_iter().zip(PRIORITIES) {
            let config = config(priority, interval, &backends, &certificates.ca)?;
            nodes.push(Node::start(&lab, host, &config)?);
        }
        let Ok(nodes) = <[Node; 2]>::try_from(nodes) else { anyhow::bail!("two nodes were made") };
        let pair = Self { lab, nodes, backends, client, endpoint };
        pair.settle()?;
        Ok(pair)
    }

    /// Watches who has the address.
    pub(super) fn watch_owners(&self) -> anyhow::Result<OwnerWatch> {
        let [lb1, lb2] = &self.nodes;
        Ok(OwnerWatch::start(&[&lb1.host, &lb2.host], IpAddr::V4(VIP))?)
    }

    /// Waits until the first node has the address, and both could serve it.
    pub(super) fn settle(&self) -> anyhow::Result<()> {
        let [lb1, lb2] = &self.nodes;
        let stands = || lb1.stands(StateName::Active) && lb2.stands(StateName::Backup);
        let settled = wait_until("both nodes were ready", SETTLE_LIMIT, stands);
        settled.map_err(|error| anyhow::anyhow!("{error}\n{}", self.log()))?;
        Ok(())
    }

    /// The last that the two nodes said.
    pub(super) fn log(&self) -> String {
        self.nodes.iter().map(Node::log).collect()
    }
}

impl Node {
    fn start(lab: &Lab, host: Host, config: &str) -> anyhow::Result<Self> {
        let runtime_dir = lab.directory().join(host.name());
        fs::create_dir_all(&runtime_dir)?;
        let text = config.to_owned();
        let config = lab.write(&format!("{}.toml", host.name()), config)?;
        let mut node = Self { host, vipd: None, config, text, runtime_dir };
        node.run()?;
        Ok(node)
    }

    /// Starts the node's programs.
    pub(super) fn run(&mut self) -> Result<(), NodeError> {
        let mut command = this_binary();
        command.arg("run").arg("--config").arg(&self.config);
        command.arg("--runtime-dir").arg(&self.runtime_dir);
        self.vipd = Some(self.host.start("vipd", &mut command)?);
        Ok(())
    }

    /// Ends the node's programs in order.
    pub(super) fn stop(&mut self) -> Result<(), NodeError> {
        if let Some(vipd) = &mut self.vipd {
            vipd.stop(STOP_LIMIT)?;
        }
        Ok(())
    }

    /// Sends a signal to the node's programs, all at once.
    pub(super) fn signal_all(&self, signal: Signal) -> Result<(), NodeError> {
        self.vipd.as_ref().map_or(Ok(()), |vipd| vipd.signal_all(signal))
    }

    /// Sends a signal to the supervisor alone.
    pub(super) fn signal_vipd(&self, signal: Signal) -> Result<(), NodeError> {
        self.vipd.as_ref().map_or(Ok(()), |vipd| vipd.signal(signal))
    }

    /// Sends a signal to one of the node's programs.
    pub(super) fn signal(&self, part: Part, what: Signal) -> anyhow::Result<()> {
        let pid = match part {
            Part::Vrrpd => status::vrrpd(&self.runtime_dir)?.pid,
            Part::Lbproxy => status::lbproxy(&self.runtime_dir)?.pid,
        };
        Ok(signal(pid, what)?)
    }

    /// Its configuration's file.
    pub(super) fn config(&self) -> &Path {
        &self.config
    }

    /// Its configuration as it was written first.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Where its programs have what they need while they run.
    pub(super) fn runtime_dir(&self) -> &Path {
        &self.runtime_dir
    }

    /// Whether the node's router is in `state`, and its proxy could serve.
    fn stands(&self, state: StateName) -> bool {
        let Ok(status) = status::vrrpd(&self.runtime_dir) else { return false };
        status.routers.iter().all(|router| {
            let trackers = &router.trackers;
            let usable =
                |t: &vocabulary::TrackerHealth| t.state == Usability::Usable && t.usable == 3;
            router.state == state && !trackers.is_empty() && trackers.iter().all(usable)
        })
    }

    /// Whether its log has these words.
    pub(super) fn has_said(&self, words: &str) -> bool {
        self.vipd.as_ref().is_some_and(|vipd| vipd.log().contains(words))
    }

    /// The last it said, without the access log, which would drown it.
    fn log(&self) -> String {
        let log = self.vipd.as_ref().map(Running::log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().filter(|line| !line.contains(" end=")).collect();
        let last = &lines[lines.len().saturating_sub(LOG_LINES)..];
        format!("{}:\n{}\n", self.host.name(), last.join("\n"))
    }
}

impl Backend {
    fn start(host: Host, certificates: &Certificates) -> anyhow::Result<Self> {
        let server = Self::serve(&host, certificates)?;
        Ok(Self { host, server, certificates: certificates.clone() })
    }

    /// Starts it again, once it has ended.
    pub(super) fn restart(&mut self) -> Result<(), NodeError> {
        self.server = Self::serve(&self.host, &self.certificates)?;
        Ok(())
    }

    fn serve(host: &Host, certificates: &Certificates) -> Result<Running, NodeError> {
        let mut command = this_binary();
        command.arg("lab-backend").arg(SocketAddr::from((host.ipv4(), PORT)).to_string());
        command.arg(&certificates.certificate).arg(&certificates.key).arg(host.name());
        host.start("backend", &mut command)
    }
}

/// The running program itself: it holds all the others.
fn this_binary() -> Command {
    Command::new("/proc/self/exe")
}

/// A node's configuration, as an operator would write it.
fn config(
    priority: u8,
    interval: AdvertInterval,
    backends: &[Backend],
    ca: &Path,
) -> Result<String, std::fmt::Error> {
    let mut servers = String::new();
    for backend in backends {
        write!(servers, "\"{}:{PORT}\", ", backend.host.ipv4())?;
    }
    let check = humantime::format_duration(CHECK_INTERVAL);
    Ok(format!(
        r#"[[vrrp]]
name = "api"
interface = "eth0"
vrid = 51
priority = {priority}
addresses = ["{VIP}"]
advert_interval = "{interval}"
track = ["apiserver"]

[[proxy]]
name = "apiserver"
listen = ["{VIP}:{PORT}"]
servers = [{servers}]
check = {{ https = "/readyz", ca = "{}", interval = "{check}", fall = {CHECK_FALL} }}
"#,
        ca.display()
    ))
}
