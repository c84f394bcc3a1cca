//! Who is measured, how each is configured, and what they proxy to.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;
use std::{env, fs};

use anyhow::Context;
use lab::{Host, Lab, Running, wait_until};
use netns_tests::{LIMIT, peer};

use crate::load;

/// Ports of the HTTP server and of the senders, and of the proxy before each.
const WEB: u16 = 8_080;
const BULK: u16 = 9_000;

/// Where Debian has the module that proxies TCP.
const STREAM_MODULE: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";

/// A program that is measured, or the way without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum)]
pub(crate) enum Contender {
    Direct,
    /// The least that a proxy of this kind costs
    Floor,
    Ours,
    Haproxy,
    Nginx,
}

impl Contender {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Floor => "floor",
            Self::Ours => "lbproxy",
            Self::Haproxy => "haproxy",
            Self::Nginx => "nginx",
        }
    }
}

/// Three hosts on a switch.
pub(crate) struct Bench<'a> {
    lab: &'a Lab,
    client: Host,
    proxy: Host,
    server: Host,
    ours: PathBuf,
    logs: bool,
    /// Whether thousands of connections stay open.
    many: bool,
}

impl<'a> Bench<'a> {
    pub(crate) fn new(lab: &'a Lab, ours: PathBuf, logs: bool, many: bool) -> anyhow::Result<Self> {
        let client = lab.host("client", 100)?;
        // Otherwise closed connections use up the ports.
        client.namespace().sysctl("net/ipv4/ip_local_port_range", "1024 65535")?;
        let proxy = lab.host("proxy", 11)?;
        proxy.namespace().sysctl("net/ipv4/ip_local_port_range", "10000 65535")?;
        let server = lab.host("server", 21)?;
        Ok(Self { lab, client, proxy, server, ours, logs, many })
    }

    pub(crate) fn client(&self) -> &Host {
        &self.client
    }

    /// Where HTTP is served, through the proxy or not.
    pub(crate) fn web(&self, contender: Contender) -> SocketAddr {
        (self.entrance(contender), WEB).into()
    }

    /// Where bytes are sent.
    pub(crate) fn bulk(&self, contender: Contender) -> SocketAddr {
        (self.entrance(contender), BULK).into()
    }

    fn entrance(&self, contender: Contender) -> std::net::Ipv4Addr {
        match contender {
            Contender::Direct => self.server.ipv4(),
            Contender::Floor | Contender::Ours | Contender::Haproxy | Contender::Nginx => {
                self.proxy.ipv4()
            }
        }
    }

    /// Starts the servers behind the proxies; they last as long as the value does.
    pub(crate) fn serve(&self) -> anyhow::Result<Running> {
        let config = self.lab.write("server.conf", &self.web_server())?;
        let web = self.server.start("nginx", Command::new(peer("nginx")).arg("-c").arg(config))?;
        let listener = self.server.run(|| TcpListener::bind(("0.0.0.0", BULK)))??;
        thread::spawn(move || load::send_for_ever(listener));
        self.wait_for(self.web(Contender::Direct)).with_context(|| web.log())?;
        Ok(web)
    }

    /// Starts a proxy and waits until a connection goes through it.
    pub(crate) fn start(&self, contender: Contender) -> anyhow::Result<Option<Running>> {
        let mut command = match contender {
            Contender::Direct => return Ok(None),
            Contender::Floor => {
                let mut command = Command::new(env::current_exe()?);
                command.arg("--floor").arg(self.web(Contender::Direct).to_string());
                command
            }
            Contender::Ours => self.ours()?,
            Contender::Haproxy => {
                let config = self.lab.write("haproxy.cfg", &self.haproxy())?;
                let mut command = Command::new(peer("haproxy"));
                command.arg("-db").arg("-f").arg(config);
                command
            }
            Contender::Nginx => {
                let config = self.lab.write("nginx.conf", &self.nginx())?;
                let mut command = Command::new(peer("nginx"));
                command.arg("-c").arg(config);
                command
            }
        };
        let running = self.proxy.start(contender.name(), &mut command)?;
        self.wait_for(self.web(contender)).with_context(|| running.log())?;
        Ok(Some(running))
    }

    fn wait_for(&self, address: SocketAddr) -> anyhow::Result<()> {
        let what = format!("{address} answers");
        self.client.run(|| {
            wait_until(&what, LIMIT, || {
                thread::sleep(Duration::from_millis(20));
                TcpStream::connect(address).is_ok()
            })
        })??;
        Ok(())
    }

    fn ours(&self) -> anyhow::Result<Command> {
        let server = self.server.ipv4();
        let format = if self.logs { "words" } else { "off" };
        let mut text = format!("[lbproxy]\nlog_format = \"{format}\"\n");
        for (name, port) in [("web", WEB), ("bulk", BULK)] {
            text.push_str(&format!(
                "[[proxy]]\nname = \"{name}\"\nlisten = [\"0.0.0.0:{port}\"]\n\
                 servers = [\"{server}:{port}\"]\ncheck = {{ tcp = true }}\n"
            ));
        }
        let config = self.lab.write("vipd.toml", &text)?;
        let runtime = self.lab.directory().join("run");
        fs::create_dir_all(&runtime)?;
        let mut command = Command::new(&self.ours);
        if self.ours.file_name().is_some_and(|name| name == "vipd") {
            command.arg("lbproxy");
        }
        command.arg("--config").arg(config).arg("--runtime-dir").arg(runtime);
        Ok(command)
    }

    fn haproxy(&self) -> String {
        let server = self.server.ipv4();
        let log = if self.logs { "  log stdout format raw local0\n  option tcplog\n" } else { "" };
        // Two files a connection, two a pipe, and 20,000 files.
        let most = if self.many { "9000\n  maxpipes 500" } else { "7000" };
        let mut text = format!(
            "global\n  maxconn {most}\n  user nobody\n\
             defaults\n  mode tcp\n  option splice-auto\n{log}  timeout connect 3s\n  \
             timeout client 10m\n  timeout server 10m\n"
        );
        for (name, port) in [("web", WEB), ("bulk", BULK)] {
            text.push_str(&format!(
                "listen {name}\n  bind 0.0.0.0:{port}\n  server s {server}:{port} check\n"
            ));
        }
        text
    }

    fn nginx(&self) -> String {
        let server = self.server.ipv4();
        let directory = self.lab.directory().display();
        let log = if self.logs {
            "log_format line '$remote_addr:$remote_port $time_iso8601 $status $bytes_sent \
             $bytes_received $session_time $upstream_addr $upstream_connect_time';\n\
             access_log /dev/stdout line;\n"
        } else {
            ""
        };
        let most = if self.many { 18_000 } else { 8_000 };
        let mut text = format!(
            "load_module {STREAM_MODULE};\nuser nobody nogroup;\ndaemon off;\n\
             pid {directory}/proxy.pid;\nerror_log stderr;\nworker_processes auto;\n\
             worker_rlimit_nofile 20000;\n\
             events {{ worker_connections {most}; }}\nstream {{\n{log}"
        );
        for port in [WEB, BULK] {
            text.push_str(&format!(
                "server {{ listen {port} reuseport backlog=4096; proxy_pass {server}:{port}; }}\n"
            ));
        }
        text.push_str("}\n");
        text
    }

    fn web_server(&self) -> String {
        let directory = self.lab.directory().display();
        format!(
            "user nobody nogroup;\ndaemon off;\npid {directory}/server.pid;\nerror_log stderr;\n\
             worker_processes 1;\nworker_rlimit_nofile 20000;\n\
             events {{ worker_connections 16000; }}\n\
             http {{ access_log off; keepalive_requests 1000000000; keepalive_timeout 1h;\n\
             server {{ listen {WEB} backlog=4096; location / {{ return 200 \"ok\\n\"; }} }} }}\n"
        )
    }
}
