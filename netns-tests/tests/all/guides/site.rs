//! What the guides' tests share: servers at the addresses of a guide, its configuration as text, and a
//! client with `curl`.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use lab::{Certificates, Host, Lab, Running, wait_until};
use netns_tests::{LIMIT, binary, peer};

/// A guide's text that has all of `words`, after `own`, which says the same.
pub(crate) fn texts(own: &str, words: &[&str]) -> Vec<String> {
    let mut texts = vec![own.to_owned()];
    let guides = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/seeds");
    for guide in fs::read_dir(guides).into_iter().flatten() {
        let guide = fs::read_to_string(guide.unwrap().path()).unwrap();
        let fenced = guide.split("```").skip(1).step_by(2);
        let bodies = fenced.filter_map(|block| block.split_once('\n').map(|(_, body)| body));
        let meant = bodies.filter(|body| words.iter().all(|word| body.contains(word)));
        texts.extend(meant.map(str::to_owned));
    }
    texts
}

/// The servers of a guide, on hosts of their own, each called by its host's name.
pub(crate) struct Servers {
    certificates: Certificates,
    ports: Vec<u16>,
    hosts: Vec<(Host, Ipv4Addr)>,
    running: Vec<Vec<Running>>,
}

impl Servers {
    /// Servers at these addresses, whose networks are as wide as `prefix` says.
    pub(crate) fn new(lab: &Lab, addresses: &[&str], prefix: u8, ports: &[u16]) -> Self {
        let addresses: Vec<Ipv4Addr> = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
        let names: Vec<IpAddr> = addresses.iter().map(|ip| IpAddr::V4(*ip)).collect();
        let certificates = Certificates::write(lab.directory(), &names).unwrap();
        let hosts = (1_u8..).zip(&addresses).map(|(number, address)| {
            let host = lab.host(&format!("cp{number}"), 20 + number).unwrap();
            host.add_address(IpAddr::V4(*address), prefix, None).unwrap();
            (host, *address)
        });
        let hosts: Vec<_> = hosts.collect();
        let mut servers = Self { certificates, ports: ports.to_vec(), hosts, running: vec![] };
        for index in 0..servers.hosts.len() {
            servers.running.push(Vec::new());
            servers.start(index);
        }
        servers
    }

    pub(crate) fn start(&mut self, index: usize) {
        let (host, address) = &self.hosts[index];
        let serve = |port: &u16| {
            let mut command = Command::new(binary("vipd"));
            command.arg("lab-backend").arg(SocketAddr::from((*address, *port)).to_string());
            command.args([&self.certificates.certificate, &self.certificates.key]);
            command.arg(host.name());
            host.start(&format!("server{port}"), &mut command).unwrap()
        };
        self.running[index] = self.ports.iter().map(serve).collect();
    }

    pub(crate) fn stop(&mut self, index: usize) {
        self.running[index].clear();
    }

    /// Plays what the guides try: all servers answer, one is stopped, and it is started again. Returns
    /// who answered at each address then.
    pub(crate) fn play(&mut self, client: &Host, urls: &[&str]) -> Vec<BTreeSet<String>> {
        let all: Vec<&str> = ["cp1", "cp2", "cp3"][..self.hosts.len()].to_vec();
        let mut seen = Vec::new();
        let mut answers = |expected: &[&str]| {
            seen.extend(urls.iter().map(|url| who_answers(client, url, expected)));
        };
        answers(&all);
        self.stop(0);
        answers(&all[1..]);
        self.start(0);
        answers(&all);
        seen
    }
}

/// What `curl` on a host is answered, as the guides ask; none where it fails.
pub(crate) fn curl(from: &Host, url: &str) -> Option<String> {
    let mut command = Command::new(peer("curl"));
    command.args(["--silent", "--insecure", "--connect-timeout", "2", "--max-time", "3", url]);
    let output = from.output(&mut command, LIMIT).unwrap();
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Asks until all of so many questions in a row were answered, by just these servers.
pub(crate) fn who_answers(from: &Host, url: &str, expected: &[&str]) -> BTreeSet<String> {
    let expected: BTreeSet<String> = expected.iter().map(|name| (*name).to_owned()).collect();
    let mut seen = BTreeSet::new();
    let waited = wait_until("the servers answered", LIMIT, || {
        let asked: Vec<Option<String>> = (0..3 * expected.len()).map(|_| curl(from, url)).collect();
        let all = asked.iter().all(Option::is_some);
        seen = asked.into_iter().flatten().collect();
        all && seen == expected
    });
    assert!(waited.is_ok(), "{url} was answered by {seen:?}, not by {expected:?}");
    seen
}

/// Imports files with the command, which must find nothing that is not supported. Each is the option
/// that names it, and its text. Returns where the configuration is.
pub(crate) fn import(lab: &Lab, host: &Host, files: &[(&str, &str)]) -> PathBuf {
    let out = lab.directory().join(format!("{}.toml", host.name()));
    let mut command = Command::new(binary("vipd"));
    command.arg("import").arg("--output").arg(&out);
    for (program, text) in files {
        let file = lab.write(&format!("{}.{program}", host.name()), text).unwrap();
        command.arg(format!("--{program}")).arg(file);
    }
    let output = host.output(&mut command, LIMIT).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    out
}

/// Starts `vipd run` with this configuration.
pub(crate) fn vipd(lab: &Lab, host: &Host, config: &Path) -> Running {
    let mut command = Command::new(binary("vipd"));
    command.arg("run").arg("--config").arg(config);
    command.arg("--runtime-dir").arg(lab.directory().join(host.name()));
    host.start("vipd", &mut command).unwrap()
}

/// Starts HAProxy with a guide's text. What names the host's own folders and policies is left out.
pub(crate) fn haproxy(lab: &Lab, host: &Host, text: &str) -> Running {
    let foreign = ["chroot", "pidfile", "stats socket", "ssl-default-", "log "];
    let kept = text.lines().filter(|line| {
        !foreign.iter().any(|word| line.trim_start().starts_with(word))
            || line.contains("log global")
    });
    let text: String = kept.map(|line| format!("{line}\n")).collect();
    let file = lab.write(&format!("{}.cfg", host.name()), &text).unwrap();
    let mut command = Command::new(peer("haproxy"));
    command.arg("-db").arg("-f").arg(file);
    host.start("haproxy", &mut command).unwrap()
}

/// Starts nginx with what a guide has in its `stream` block.
pub(crate) fn nginx(lab: &Lab, host: &Host, text: &str) -> Running {
    let module = "/usr/lib/nginx/modules/ngx_stream_module.so";
    assert!(Path::new(module).exists(), "libnginx-mod-stream is missing: ./test installs it");
    let folder = lab.directory().display();
    let text = format!(
        "load_module {module};\ndaemon off;\npid {folder}/nginx.pid;\nerror_log stderr;\nevents {{}}\n{text}"
    );
    let file = lab.write(&format!("{}.nginx.conf", host.name()), &text).unwrap();
    let mut command = Command::new(peer("nginx"));
    command.arg("-c").arg(file);
    host.start("nginx", &mut command).unwrap()
}
