//! lbproxy beside HAProxy and nginx: the same work in turn on one machine, medians, ratios.
//!
//! `cargo bench -p netns-tests --bench proxy` as root; `-- --help` tells the options and
//! docs/benchmarks-proxy.md the conditions. Needs the packages haproxy, nginx, libnginx-mod-stream
//! and wrk. Everything runs in namespaces of its own:
//!
//! ```text
//! client: wrk, readers ── proxy: floor | lbproxy | haproxy | nginx ── server: nginx (HTTP), senders
//! ```
//!
//! Each round starts every proxy anew, one at a time, each round in another order.

mod contender;
mod figure;
mod floor;
mod idle;
mod load;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use lab::Lab;
use netns_tests::bench::{exit_code, program};
use netns_tests::usage;

use crate::contender::{Bench, Contender};
use crate::figure::{Figure, Sheet};

/// Connections that stay open while nothing is sent. Each takes two of the proxy's files.
const IDLE: u32 = 3_000;

/// What a just started program is given to come to rest.
const SETTLE: Duration = Duration::from_millis(1_500);

/// Measures lbproxy beside HAProxy and nginx, and prints a table.
#[derive(Parser)]
#[command(name = "proxy")]
struct Options {
    /// Rounds; each figure is the median of that many
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,

    /// Seconds that each kind of load lasts
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,

    /// Two rounds of a second: shows that it works, decides nothing
    #[arg(long)]
    quick: bool,

    /// Fail with exit code 1 when a bar is missed
    #[arg(long)]
    strict: bool,

    /// Only these kinds of load
    #[arg(long, value_enum, value_delimiter = ',', default_value = "idle,bulk,connect,request")]
    only: Vec<Load>,

    /// Only these programs
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "direct,floor,ours,haproxy,nginx"
    )]
    with: Vec<Contender>,

    /// Every proxy writes an access line for each connection; otherwise none does
    #[arg(long)]
    logs: bool,

    /// Our program: `vipd` or `lbproxy` [default: `vipd`, built with the profile `dist`]
    #[arg(long, value_name = "FILE")]
    ours: Option<PathBuf>,

    /// Be the floor, for this server
    #[arg(long, hide = true, value_name = "ADDRESS")]
    floor: Option<SocketAddr>,

    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Load {
    /// Memory at start and of idle connections
    Idle,
    /// Four connections that stream
    Bulk,
    /// A connection for each small request, 64 at once
    Connect,
    /// Small requests on 64 kept connections
    Request,
    /// A connection for each small request, beside 10, 1,000 and 8,000 idle ones
    Open,
}

fn main() -> ExitCode {
    let mut options = Options::parse();
    if options.quick {
        (options.rounds, options.seconds) = (2, 1);
    }
    if let Some(server) = options.floor {
        return exit_code(
            floor::run(server.port(), server).map(|()| false).map_err(Into::into),
            false,
        );
    }
    exit_code(measure(&options), options.strict)
}

/// Measures and prints; tells whether a bar was missed.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "this is the command's answer")]
fn measure(options: &Options) -> anyhow::Result<bool> {
    let ours = program(options.ours.as_deref())?;
    let lab = Lab::new().context("network namespaces (run it as root)")?;
    let many = options.only.contains(&Load::Open);
    let bench = Bench::new(&lab, ours, options.logs, many)?;
    let _servers = bench.serve()?;
    let mut sheet = Sheet::default();
    for round in 0..options.rounds {
        for turn in 0..options.with.len() {
            let contender = options.with[(turn + usize::from(round)) % options.with.len()];
            eprintln!("round {} of {}: {}", round + 1, options.rounds, contender.name());
            run(&bench, contender, options, &mut sheet)
                .with_context(|| format!("measure {}", contender.name()))?;
        }
    }
    println!("{}", figure::machine());
    println!(
        "medians of {} rounds, {} s each; access logs {}",
        options.rounds,
        options.seconds,
        if options.logs { "on" } else { "off" }
    );
    print!("{}", sheet.table());
    Ok(sheet.missed())
}

fn run(
    bench: &Bench<'_>,
    contender: Contender,
    options: &Options,
    sheet: &mut Sheet,
) -> anyhow::Result<()> {
    let proxy = bench.start(contender)?;
    let processes = proxy.as_ref().map(usage::family).transpose()?.unwrap_or_default();
    let time = Duration::from_secs(options.seconds);
    let mut note = |figure: Figure, value: f64| sheet.note(figure, contender, value);
    for load in &options.only {
        match load {
            // It has no memory to compare, and no second port.
            Load::Idle | Load::Bulk | Load::Open if contender == Contender::Floor => {}
            Load::Idle if contender == Contender::Direct => {}
            Load::Idle => {
                sleep(SETTLE);
                let before = usage::pss_kb(&processes)?;
                let held = idle::hold(bench.client(), bench.web(contender), IDLE)?;
                sleep(SETTLE);
                let after = usage::pss_kb(&processes)?;
                drop(held);
                note(Figure::StartMemory, before / 1_000.0);
                note(Figure::IdleMemory, (after - before) / f64::from(IDLE));
                sleep(SETTLE);
            }
            Load::Bulk => {
                let moved = load::bulk(bench.client(), bench.bulk(contender), &processes, time)?;
                note(Figure::BulkRate, moved.gigabits_per_second());
                note(Figure::BulkCpu, moved.cpu_seconds_per_gigabyte());
            }
            Load::Connect => {
                let told = load::wrk(bench, contender, &processes, time, false)?;
                note(Figure::ConnectRate, told.rate);
                note(Figure::ConnectCpu, told.cpu_micros);
            }
            Load::Request => {
                let told = load::wrk(bench, contender, &processes, time, true)?;
                note(Figure::RequestCpu, told.cpu_micros);
                note(Figure::RequestLatency, told.p99_millis);
            }
            Load::Open if contender == Contender::Direct => {}
            Load::Open => {
                let mut held = Vec::new();
                for (figure, count) in Figure::BESIDE {
                    let more = count - u32::try_from(held.len())?;
                    held.extend(idle::hold(bench.client(), bench.web(contender), more)?);
                    sleep(SETTLE);
                    let told = load::wrk(bench, contender, &processes, time, false)?;
                    note(figure, told.cpu_micros);
                }
                drop(held);
                sleep(SETTLE);
            }
        }
    }
    Ok(())
}
