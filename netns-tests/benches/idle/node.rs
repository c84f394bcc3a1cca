//! A node of either make: its configuration, its servers, its processes.

use std::fmt;
use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use anyhow::Context;
use lab::{Certificates, Host, Lab, Running, wait_until};
use netns_tests::usage::{self, Thread};
use netns_tests::{LIMIT, peer};

/// The servers' ports, and the proxy's.
const SERVERS: [u16; 3] = [8_081, 8_082, 8_083];
const PORT: u16 = 6_443;

/// After the start: announcements and first checks are over by then.
const SETTLE: Duration = Duration::from_secs(7);

const VIP: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 200);

/// Whose programs run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Contender {
    Ours,
    /// keepalived and HAProxy
    Peers,
}

/// How servers are checked, once a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Check {
    Tcp,
    Https,
}

/// A node to be measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) contender: Contender,
    pub(crate) adverts: Duration,
    pub(crate) workers: u16,
    pub(crate) check: Check,
}

impl Node {
    /// Context switches and milliseconds of processor time in a second that ours may use.
    pub(crate) fn bar(&self) -> Option<(u16, f64)> {
        match (self.contender, self.adverts.as_millis()) {
            (Contender::Ours, 1000..) => Some((60, 2.5)),
            (Contender::Ours, 100..) => Some((120, 4.0)),
            (Contender::Ours, _) | (Contender::Peers, _) => None,
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let program = match self.contender {
            Contender::Ours => "vipd",
            Contender::Peers => "peers",
        };
        let check = match self.check {
            Check::Tcp => "tcp",
            Check::Https => "https",
        };
        let (adverts, workers) = (self.adverts.as_millis(), self.workers);
        write!(f, "{program:7}  {adverts:4} ms  {workers:7}  {check:5}")
    }
}

/// A host for the node, and one with the servers.
pub(crate) struct Network {
    lab: Lab,
    node: Host,
    server: Host,
    certificates: Certificates,
    ours: PathBuf,
    _web: Running,
}

/// A node at work, stopped when dropped.
pub(crate) struct AtWork {
    programs: Vec<Running>,
    processes: Vec<u32>,
}

impl Network {
    pub(crate) fn new(ours: PathBuf) -> anyhow::Result<Self> {
        let lab = Lab::new()?;
        let (node, server) = (lab.host("lb1", 11)?, lab.host("server", 21)?);
        let certificates = Certificates::write(lab.directory(), &[server.ipv4().into()])?;
        let config = lab.write("server.conf", &web_server(&lab, &certificates))?;
        let web = server.start("nginx", Command::new(peer("nginx")).arg("-c").arg(config))?;
        let network = Self { lab, node, server, certificates, ours, _web: web };
        network.node.run(|| {
            wait_until("the servers answer", LIMIT, || {
                TcpStream::connect((network.server.ipv4(), SERVERS[2])).is_ok()
            })
        })??;
        Ok(network)
    }

    /// Starts a node and waits until it has the address, serves there, and has nothing more to do.
    pub(crate) fn start(&self, node: &Node) -> anyhow::Result<AtWork> {
        let programs = match node.contender {
            Contender::Ours => vec![self.ours(node)?],
            Contender::Peers => vec![self.keepalived(node)?, self.haproxy(node)?],
        };
        let logs = || programs.iter().map(Running::log).collect::<String>();
        let client = || TcpStream::connect((VIP, PORT)).is_ok();
        let served = self.node.run(|| {
            wait_until("the address serves", LIMIT, || {
                sleep(Duration::from_millis(50));
                client()
            })
        })?;
        served.with_context(logs)?;
        sleep(SETTLE);
        let mut processes = Vec::new();
        for program in &programs {
            processes.extend(usage::family(program)?);
        }
        Ok(AtWork { programs, processes })
    }

    fn ours(&self, node: &Node) -> anyhow::Result<Running> {
        let server = self.server.ipv4();
        let servers = SERVERS.map(|port| format!("\"{server}:{port}\"")).join(", ");
        let check = match node.check {
            Check::Tcp => "{ tcp = true, interval = \"1s\" }".to_owned(),
            Check::Https => {
                let ca = self.certificates.ca.display();
                format!("{{ https = \"/readyz\", ca = \"{ca}\", interval = \"1s\" }}")
            }
        };
        let (adverts, workers) = (node.adverts.as_millis(), node.workers);
        let text = format!(
            "[lbproxy]\nthreads = {workers}\n\
             [[vrrp]]\nname = \"api\"\ninterface = \"eth0\"\nvrid = 51\npriority = 150\n\
             addresses = [\"{VIP}/24\"]\nadvert_interval = \"{adverts}ms\"\ntrack = [\"apiserver\"]\n\
             [[proxy]]\nname = \"apiserver\"\nlisten = [\"{VIP}:{PORT}\"]\n\
             servers = [{servers}]\ncheck = {check}\n"
        );
        let config = self.lab.write("vipd.toml", &text)?;
        let runtime = self.lab.directory().join("run");
        fs::create_dir_all(&runtime)?;
        let mut command = Command::new(&self.ours);
        command.arg("run").arg("--config").arg(config).arg("--runtime-dir").arg(runtime);
        Ok(self.node.start("vipd", &mut command)?)
    }

    fn keepalived(&self, node: &Node) -> anyhow::Result<Running> {
        let seconds = node.adverts.as_secs_f64();
        let text = format!(
            "global_defs {{\nvrrp_version 3\n}}\nvrrp_instance api {{\nstate BACKUP\ninterface eth0\n\
             virtual_router_id 51\npriority 150\nadvert_int {seconds}\n\
             virtual_ipaddress {{\n{VIP}/24\n}}\n}}\n"
        );
        let config = self.lab.write("keepalived.conf", &text)?;
        let mut command = Command::new(peer("keepalived"));
        command.args(["--dont-fork", "--log-console", "--vrrp", "--use-file"]).arg(config);
        for (option, kind) in [("--pid", "p"), ("--vrrp_pid", "r")] {
            command.arg(option).arg(self.lab.directory().join(format!("{kind}.pid")));
        }
        Ok(self.node.start("keepalived", &mut command)?)
    }

    fn haproxy(&self, node: &Node) -> anyhow::Result<Running> {
        let server = self.server.ipv4();
        let (probe, check) = match node.check {
            Check::Tcp => ("", "check".to_owned()),
            Check::Https => (
                "  option httpchk GET /readyz\n",
                format!(
                    "check check-ssl verify required ca-file {}",
                    self.certificates.ca.display()
                ),
            ),
        };
        let mut text = format!(
            "global\n  nbthread {}\n  user nobody\n\
             defaults\n  mode tcp\n  timeout connect 3s\n  timeout client 10m\n  timeout server 10m\n\
             listen apiserver\n  bind {VIP}:{PORT} transparent\n{probe}",
            node.workers
        );
        for port in SERVERS {
            text.push_str(&format!("  server s{port} {server}:{port} {check} inter 1s\n"));
        }
        let config = self.lab.write("haproxy.cfg", &text)?;
        let mut command = Command::new(peer("haproxy"));
        command.arg("-db").arg("-f").arg(config);
        Ok(self.node.start("haproxy", &mut command)?)
    }
}

impl AtWork {
    /// All threads as they are now.
    pub(crate) fn threads(&self) -> anyhow::Result<Vec<Thread>> {
        let logs = || self.programs.iter().map(Running::log).collect::<String>();
        usage::threads(&self.processes).with_context(logs)
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        for program in self.programs.iter_mut().rev() {
            // What does not end is killed.
            drop(program.stop(LIMIT));
        }
    }
}

fn web_server(lab: &Lab, certificates: &Certificates) -> String {
    let directory = lab.directory().display();
    let (certificate, key) = (certificates.certificate.display(), certificates.key.display());
    let servers = SERVERS.map(|port| {
        format!(
            "server {{ listen {port} ssl; ssl_certificate {certificate}; ssl_certificate_key {key};\n\
             location / {{ return 200 \"ok\\n\"; }} }}\n"
        )
    });
    format!(
        "daemon off;\npid {directory}/server.pid;\nerror_log stderr;\nworker_processes 1;\n\
         events {{ worker_connections 1000; }}\nhttp {{ access_log off;\n{}}}\n",
        servers.concat()
    )
}
