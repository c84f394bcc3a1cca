//! What clients see of reloads and upgrades: wrk, a new connection for each request, all the while.
//!
//! `cargo bench -p netns-tests --bench changes` as root; docs/benchmarks-proxy.md tells the
//! conditions. Needs the packages haproxy, nginx and wrk.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Parser;
use lab::{Host, Lab, Running, wait_until};
use netns_tests::bench::{exit_code, program};
use netns_tests::{LIMIT, peer};
use nix::sys::signal::Signal;

/// Where the proxy and the server listen.
const PORT: u16 = 8_080;

/// What is done to a program while clients come.
const RELOADS: u32 = 10;
const UPGRADES: u32 = 3;

/// Time between two of them.
const PAUSE: Duration = Duration::from_secs(2);

/// Counts the requests that fail while a proxy is reloaded and replaced, and prints a table.
#[derive(Parser)]
#[command(name = "changes")]
struct Options {
    /// Fail with exit code 1 when the bar is missed
    #[arg(long)]
    strict: bool,

    /// Our program [default: `vipd`, built with the profile `dist`]
    #[arg(long, value_name = "FILE")]
    ours: Option<PathBuf>,

    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

/// The hosts, and where the files are.
struct Bench {
    lab: Lab,
    client: Host,
    balancer: Host,
    server: Host,
}

/// What wrk counted.
struct Told {
    requests: u64,
    /// Connections that failed, and answers that were none.
    failed: u64,
}

fn main() -> ExitCode {
    let options = Options::parse();
    exit_code(measure(&options), options.strict)
}

/// Measures and prints; tells whether the bar was missed.
#[expect(clippy::print_stdout, reason = "this is the command's answer")]
fn measure(options: &Options) -> anyhow::Result<bool> {
    let ours = program(options.ours.as_deref())?;
    println!("wrk, 64 clients, Connection: close; a change every {PAUSE:?}");
    println!("| program | changes | requests | failed | bar | |\n|---|---|--:|--:|---|---|");
    let Told { requests, failed } = of_ours(&ours)?;
    let verdict = if failed == 0 { "met" } else { "MISSED" };
    println!(
        "| vipd | {RELOADS} reloads, {UPGRADES} upgrades | {requests} | {failed} | 0 | {verdict} |"
    );
    let theirs = of_haproxy()?;
    let reloads = RELOADS + UPGRADES;
    println!(
        "| haproxy -W | {reloads} reloads | {} | {} | – | – |",
        theirs.requests, theirs.failed
    );
    Ok(failed > 0)
}

fn of_ours(ours: &Path) -> anyhow::Result<Told> {
    let bench = Bench::new()?;
    let runtime = bench.lab.directory().join("run");
    // Every other file has other settings, and another server that is not there.
    let write = |number: u32| {
        let odd = number % 2 == 1;
        let (balance, more) =
            if odd { ("least_conn", ", \"127.0.0.1:9\"") } else { ("round_robin", "") };
        let server = SocketAddr::from((bench.server.ipv4(), PORT));
        let text = format!(
            "[[proxy]]\nname = \"web\"\nlisten = [\"0.0.0.0:{PORT}\"]\nbalance = \"{balance}\"\n\
             servers = [\"{server}\"{more}]\ncheck = {{ tcp = true }}\n"
        );
        bench.lab.write("vipd.toml", &text)
    };
    let mut command = Command::new(ours);
    command.arg("run").arg("--config").arg(write(0)?).arg("--runtime-dir").arg(&runtime);
    let vipd = bench.balancer.start("vipd", &mut command)?;
    let changes = |number: u32| -> anyhow::Result<()> {
        if number % 4 == 3 && number / 4 < UPGRADES {
            let mut upgrade = Command::new(ours);
            let done = upgrade.arg("upgrade").arg("--runtime-dir").arg(&runtime).output()?;
            ensure!(done.status.success(), "upgrade: {}", String::from_utf8_lossy(&done.stderr));
            return Ok(());
        }
        write(number)?;
        Ok(vipd.signal(Signal::SIGHUP)?)
    };
    let told = bench.load(&vipd, changes)?;
    let count = |words| vipd.log().matches(words).count();
    // Each is told by the supervisor, a reload by the proxy as well.
    let (reloads, upgrades) = (count("msg=reloaded "), count("msg=upgraded"));
    ensure!(reloads == RELOADS as usize, "{reloads} reloads: {}", vipd.log_tail(20));
    ensure!(upgrades == UPGRADES as usize, "{upgrades} upgrades: {}", vipd.log_tail(20));
    Ok(told)
}

fn of_haproxy() -> anyhow::Result<Told> {
    let bench = Bench::new()?;
    let text = format!(
        "global\n  user nobody\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 10m\n  \
         timeout server 10m\nlisten web\n  bind 0.0.0.0:{PORT}\n  server s {}:{PORT} check\n",
        bench.server.ipv4()
    );
    let config = bench.lab.write("haproxy.cfg", &text)?;
    let mut command = Command::new(peer("haproxy"));
    let haproxy = bench.balancer.start("haproxy", command.arg("-W").arg("-f").arg(config))?;
    bench.load(&haproxy, |_| Ok(haproxy.signal(Signal::SIGUSR2)?))
}

impl Bench {
    fn new() -> anyhow::Result<Self> {
        let lab = Lab::new().context("network namespaces (run it as root)")?;
        let client = lab.host("client", 100)?;
        let balancer = lab.host("proxy", 11)?;
        let server = lab.host("server", 21)?;
        Ok(Self { lab, client, balancer, server })
    }

    /// Lets clients come while everything is changed, one after the other.
    fn load(
        &self,
        proxy: &Running,
        change: impl Fn(u32) -> anyhow::Result<()>,
    ) -> anyhow::Result<Told> {
        let directory = self.lab.directory().display();
        let nginx = format!(
            "user nobody nogroup;\ndaemon off;\npid {directory}/web.pid;\nerror_log stderr;\n\
             events {{ worker_connections 4096; }}\nhttp {{ access_log off;\n\
             server {{ listen {PORT} backlog=4096; return 200 ok; }} }}\n"
        );
        let config = self.lab.write("web.conf", &nginx)?;
        let _web = self.server.start("nginx", Command::new(peer("nginx")).arg("-c").arg(config))?;
        let entrance = SocketAddr::from((self.balancer.ipv4(), PORT));
        let served = || {
            let mut curl = Command::new(peer("curl"));
            curl.args(["-s", "-m", "1", &format!("http://{entrance}/")]);
            let answer = self.client.output(&mut curl, LIMIT);
            sleep(Duration::from_millis(100));
            answer.is_ok_and(|answer| answer.stdout == b"ok")
        };
        wait_until("the proxy serves", LIMIT, served).with_context(|| proxy.log())?;
        let time = PAUSE * (RELOADS + UPGRADES + 2);
        let mut wrk = Command::new(peer("wrk"));
        wrk.args(["-t", "1", "-c", "64", "-H", "Connection: close", "-d"]);
        wrk.args([format!("{}s", time.as_secs()), format!("http://{entrance}/")]);
        std::thread::scope(|scope| {
            let wrk = scope.spawn(|| self.client.output(&mut wrk, time + LIMIT));
            for number in 0..RELOADS + UPGRADES {
                sleep(PAUSE);
                change(number)?;
            }
            let output = wrk.join().map_err(|_| anyhow::anyhow!("wrk failed"))??;
            told(&String::from_utf8_lossy(&output.stdout))
        })
    }
}

/// Reads `N requests in`, `Socket errors: connect N, read N, write N, timeout N`, `Non-2xx … : N`.
fn told(text: &str) -> anyhow::Result<Told> {
    let numbers = |words: &str| -> Vec<u64> {
        let line = text.lines().find(|line| line.contains(words)).unwrap_or_default();
        line.split([' ', ',']).filter_map(|word| word.parse().ok()).collect()
    };
    let requests = numbers("requests in").first().copied();
    let requests = requests.with_context(|| format!("wrk said:\n{text}"))?;
    let failed = numbers("Socket errors").iter().chain(&numbers("Non-2xx")).sum();
    Ok(Told { requests, failed })
}
