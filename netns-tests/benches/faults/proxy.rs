//! The proxies, each with three servers and its default settings.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use lab::{Host, Lab};
use netns_tests::peer;

/// Where the servers listen, and the proxy.
pub(crate) const PORT: u16 = 6_443;

/// Where Debian has the module that proxies TCP.
const STREAM_MODULE: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";

/// A program, and how it checks its servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Proxy {
    OursTcp,
    OursHttps,
    HaproxyTcp,
    HaproxyHttps,
    /// It has no checks of its own
    Nginx,
}

impl Proxy {
    pub(crate) fn is_ours(self) -> bool {
        matches!(self, Self::OursTcp | Self::OursHttps)
    }

    pub(crate) fn command(
        self,
        lab: &Lab,
        ours: &Path,
        webs: &[Host],
        ca: &Path,
    ) -> anyhow::Result<Command> {
        let servers: Vec<String> =
            webs.iter().map(|web| format!("{}:{PORT}", web.ipv4())).collect();
        Ok(match self {
            Self::OursTcp => lbproxy(lab, ours, &servers, "tcp = true")?,
            Self::OursHttps => {
                lbproxy(lab, ours, &servers, &format!("https = \"/readyz\", ca = {ca:?}"))?
            }
            Self::HaproxyTcp => haproxy(lab, &servers, "", "check")?,
            Self::HaproxyHttps => {
                let check = format!("check check-ssl ca-file {}", ca.display());
                haproxy(lab, &servers, "  option httpchk GET /readyz\n", &check)?
            }
            Self::Nginx => nginx(lab, &servers)?,
        })
    }
}

fn lbproxy(lab: &Lab, ours: &Path, servers: &[String], check: &str) -> anyhow::Result<Command> {
    let text = format!(
        "[[proxy]]\nname = \"api\"\nlisten = [\"0.0.0.0:{PORT}\"]\nservers = {servers:?}\n\
         check = {{ {check} }}\n"
    );
    let config = lab.write("vipd.toml", &text)?;
    let runtime = lab.directory().join("run");
    fs::create_dir_all(&runtime)?;
    let mut command = Command::new(ours);
    command.args(["lbproxy", "--config"]).arg(config).arg("--runtime-dir").arg(runtime);
    Ok(command)
}

fn haproxy(lab: &Lab, servers: &[String], option: &str, check: &str) -> anyhow::Result<Command> {
    let mut text = format!(
        "global\n  user nobody\ndefaults\n  mode tcp\n  option redispatch\n  timeout connect 5s\n  \
         timeout client 10m\n  timeout server 10m\nlisten api\n  bind 0.0.0.0:{PORT}\n{option}"
    );
    for (number, server) in servers.iter().enumerate() {
        // Writing to a string does not fail.
        writeln!(text, "  server s{number} {server} {check}").ok();
    }
    let config = lab.write("haproxy.cfg", &text)?;
    let mut command = Command::new(peer("haproxy"));
    command.arg("-db").arg("-f").arg(config);
    Ok(command)
}

fn nginx(lab: &Lab, servers: &[String]) -> anyhow::Result<Command> {
    let directory = lab.directory().display();
    let servers: String = servers.iter().map(|server| format!("server {server}; ")).collect();
    let text = format!(
        "load_module {STREAM_MODULE};\nuser nobody nogroup;\ndaemon off;\npid {directory}/nginx.pid;\n\
         error_log stderr;\nworker_processes 1;\nevents {{ worker_connections 1000; }}\n\
         stream {{\n  upstream api {{ {servers} }}\n  server {{ listen {PORT}; proxy_pass api; }}\n}}\n"
    );
    let config = lab.write("nginx.conf", &text)?;
    let mut command = Command::new(peer("nginx"));
    command.arg("-c").arg(config);
    Ok(command)
}
