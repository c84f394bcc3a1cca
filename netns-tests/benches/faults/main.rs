//! A server fails behind a proxy: what new clients see, with lbproxy, HAProxy and nginx in turn.
//!
//! `cargo bench -p netns-tests --bench faults` as root; docs/benchmarks-proxy.md tells the
//! conditions. Needs the packages haproxy, nginx and libnginx-mod-stream.

mod proxy;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Parser;
use lab::{Certificates, Endpoint, Host, Lab, Moment, Running, Service, wait_until};
use netns_tests::LIMIT;
use netns_tests::bench::{exit_code, program};

use crate::proxy::{PORT, Proxy};

/// What a proxy is given to judge its servers, and clients to be served before the fault.
const SETTLE: Duration = Duration::from_secs(4);
const BEFORE: Duration = Duration::from_secs(1);

/// Measures what clients see when one of three servers fails, and prints a table.
#[derive(Parser)]
#[command(name = "faults")]
struct Options {
    /// Seconds that are watched after the fault
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=120))]
    seconds: u64,

    /// Fail with exit code 1 when a bar is missed
    #[arg(long)]
    strict: bool,

    /// Only these faults
    #[arg(long, value_enum, value_delimiter = ',', default_value = "stopped,black-holed,killed")]
    only: Vec<Fault>,

    /// Only these programs
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "ours-tcp,ours-https,haproxy-tcp,haproxy-https,nginx"
    )]
    with: Vec<Proxy>,

    /// Our program [default: `vipd`, built with the profile `dist`]
    #[arg(long, value_name = "FILE")]
    ours: Option<PathBuf>,

    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Fault {
    /// Its process is stopped: the kernel goes on to accept connections
    Stopped,
    /// Its network loses everything
    BlackHoled,
    /// Its process is killed: connections are refused
    Killed,
}

impl Fault {
    /// Errors at most, and the seconds after which there must be none; for lbproxy.
    fn bar(self) -> (usize, f64) {
        match self {
            Self::Stopped => (usize::MAX, 3.0),
            Self::BlackHoled => (59, 2.5),
            // A request that was under way may be lost, no other.
            Self::Killed => (1, 0.1),
        }
    }
}

/// What clients saw.
struct Seen {
    errors: usize,
    /// Seconds from the fault to the end of the last request that failed.
    last: f64,
}

fn main() -> ExitCode {
    let options = Options::parse();
    exit_code(measure(&options), options.strict)
}

/// Measures and prints; tells whether a bar was missed.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "this is the command's answer")]
fn measure(options: &Options) -> anyhow::Result<bool> {
    let ours = program(options.ours.as_deref())?;
    println!("one of three servers fails; 100 new connections a second, 1 s of patience");
    println!("| fault | proxy | errors | last after, s | bar | |\n|---|---|--:|--:|---|---|");
    let mut missed = false;
    for fault in &options.only {
        for proxy in &options.with {
            eprintln!("{fault:?}, {proxy:?}");
            let time = Duration::from_secs(options.seconds);
            let Seen { errors, last } = run(*fault, *proxy, &ours, time)
                .with_context(|| format!("measure {fault:?} with {proxy:?}"))?;
            let (most, until) = fault.bar();
            let met = errors <= most && last <= until;
            let (bar, verdict) = match proxy.is_ours() {
                true if met => (format!("≤ {until} s"), "met"),
                true => (format!("≤ {until} s"), "MISSED"),
                false => ("–".to_owned(), "–"),
            };
            missed |= proxy.is_ours() && !met;
            let (fault, proxy) = (words(*fault), words(*proxy));
            println!("| {fault} | {proxy} | {errors} | {last:.1} | {bar} | {verdict} |");
        }
    }
    Ok(missed)
}

fn words(value: impl clap::ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// One fault in a network of its own.
fn run(fault: Fault, proxy: Proxy, ours: &PathBuf, time: Duration) -> anyhow::Result<Seen> {
    let lab = Lab::new().context("network namespaces (run it as root)")?;
    let client = lab.host("client", 100)?;
    let balancer = lab.host("proxy", 11)?;
    let webs = [("web1", 21), ("web2", 22), ("web3", 23)].map(|(name, at)| lab.host(name, at));
    let webs = webs.into_iter().collect::<Result<Vec<Host>, _>>()?;
    let hosts = webs.iter().chain([&balancer]);
    let names: Vec<IpAddr> = hosts.map(|host| host.ipv4().into()).collect();
    let certificates = Certificates::write(lab.directory(), &names)?;
    let mut servers = Vec::new();
    for host in &webs {
        let mut command = Command::new(ours);
        command.arg("lab-backend").arg(SocketAddr::from((host.ipv4(), PORT)).to_string());
        command.arg(&certificates.certificate).arg(&certificates.key).arg(host.name());
        servers.push(host.start("backend", &mut command)?);
    }
    let mut command = proxy.command(&lab, ours, &webs, &certificates.ca)?;
    let running = balancer.start("proxy", &mut command)?;
    let entrance = SocketAddr::from((balancer.ipv4(), PORT));
    let endpoint = Endpoint::new(entrance, &certificates.ca)?;
    client
        .run(|| {
            wait_until("the proxy serves", LIMIT, || {
                sleep(Duration::from_millis(50));
                std::net::TcpStream::connect(entrance).is_ok()
            })
        })?
        .with_context(|| running.log())?;
    sleep(SETTLE);
    let service = Service::start(&client, &endpoint)?;
    sleep(BEFORE);
    let began = Moment::now();
    happen(fault, &lab, &mut servers)?;
    sleep(time);
    let record = service.stop()?;
    let failed: Vec<_> = record.failed().collect();
    if let Some(early) = failed.iter().find(|request| request.end < began) {
        bail!("a request failed before the fault: {:?}", early.outcome);
    }
    let last = failed.iter().map(|request| request.end.since(began).as_secs_f64());
    Ok(Seen { errors: failed.len(), last: last.fold(0.0, f64::max) })
}

fn happen(fault: Fault, lab: &Lab, servers: &mut [Running]) -> anyhow::Result<()> {
    let first = servers.first_mut().context("there are three servers")?;
    match fault {
        Fault::Stopped => first.freeze()?,
        Fault::BlackHoled => lab.cut("web1")?,
        Fault::Killed => drop(first.kill()?),
    }
    Ok(())
}
