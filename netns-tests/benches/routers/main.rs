//! vrrpd beside keepalived with many routers: the same work in turn on one machine, medians, ratios.
//!
//! `cargo bench -p netns-tests --bench routers` as root; `-- --help` tells the options and
//! docs/benchmarks.md the conditions. Everything runs in namespaces of its own:
//!
//! ```text
//! lb1 (Active) ── switch ── lb2 (Backup)
//!                   └ neighbour: listens, and loads the proxy on lb1
//! ```
//!
//! Each round starts both nodes anew, of one make and then of the other.

mod figure;
mod load;
mod pair;
mod planned;

use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use netns_tests::bench::{exit_code, program};

use crate::figure::{Figure, Sheet};
use crate::load::Load;
use crate::pair::{Bench, Contender};
use crate::planned::Action;
use netns_tests::adverts::Listener;

/// Measures vrrpd beside keepalived, and prints a table.
#[derive(Parser)]
#[command(name = "routers")]
struct Options {
    /// Rounds; each figure is the median of that many
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,

    /// Seconds that each measurement lasts
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,

    /// Seconds that the load lasts, in one round
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    load_seconds: u64,

    /// A round of two seconds: shows that it works, decides nothing
    #[arg(long)]
    quick: bool,

    /// Fail with exit code 1 when a bar is missed
    #[arg(long)]
    strict: bool,

    /// Only these measurements
    #[arg(long, value_enum, value_delimiter = ',', default_value = "cpu,late,cut,planned,load")]
    only: Vec<Work>,

    /// Only these programs
    #[arg(long, value_enum, value_delimiter = ',', default_value = "ours,keepalived")]
    with: Vec<Contender>,

    /// Our program [default: `vipd`, built with the profile `dist`]
    #[arg(long, value_name = "FILE")]
    ours: Option<PathBuf>,

    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Work {
    /// Processor time and memory with 200 routers at 100 ms and at 10 ms
    Cpu,
    /// Lateness of adverts of 255 routers at 10 ms
    Late,
    /// The Active node is cut off, 200 routers at 100 ms
    Cut,
    /// The address is moved to keepalived, at 1 s
    Planned,
    /// Lateness of adverts while a proxy keeps the Active node's processors busy
    Load,
}

const SLOW: Duration = Duration::from_millis(100);
const FAST: Duration = Duration::from_millis(10);

fn main() -> ExitCode {
    let mut options = Options::parse();
    if options.quick {
        (options.rounds, options.seconds, options.load_seconds) = (1, 2, 5);
    }
    exit_code(measure(&options), options.strict)
}

/// Measures and prints; tells whether a bar was missed.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "this is the command's answer")]
fn measure(options: &Options) -> anyhow::Result<bool> {
    let ours = program(options.ours.as_deref())?;
    let bench = Bench::new(ours).context("network namespaces (run it as root)")?;
    let mut sheet = Sheet::default();
    for round in 0..options.rounds {
        for turn in 0..options.with.len() {
            let contender = options.with[(turn + usize::from(round)) % options.with.len()];
            for work in &options.only {
                eprintln!("round {} of {}: {contender:?} {work:?}", round + 1, options.rounds);
                // The load takes long, and once is enough.
                if *work != Work::Load || round == 0 {
                    run(&bench, contender, *work, options, &mut sheet)
                        .with_context(|| format!("measure {contender:?}, {work:?}"))?;
                }
            }
        }
    }
    println!("medians of {} rounds, {} s each", options.rounds, options.seconds);
    print!("{}", sheet.table());
    Ok(sheet.missed())
}

fn run(
    bench: &Bench,
    contender: Contender,
    work: Work,
    options: &Options,
    sheet: &mut Sheet,
) -> anyhow::Result<()> {
    let time = Duration::from_secs(options.seconds);
    let source = bench.nodes[0].ipv4();
    let mut note = |figure: Figure, value: f64| sheet.note(figure, contender, value);
    match work {
        Work::Cpu => {
            let pair = bench.start(contender, 200, SLOW)?;
            let [active, backup] = pair.cpu(time)?;
            note(Figure::CpuActive100, active);
            note(Figure::CpuBackup100, backup);
            note(Figure::Memory, pair.memory(0)?.max(pair.memory(1)?));
            drop(pair);
            let [active, backup] = bench.start(contender, 200, FAST)?.cpu(time)?;
            note(Figure::CpuActive10, active);
            note(Figure::CpuBackup10, backup);
        }
        Work::Late => {
            let _pair = bench.start(contender, u8::MAX, FAST)?;
            let listener = Listener::start(&bench.neighbour)?;
            sleep(time);
            let heard = listener.stop()?;
            note(Figure::Lateness255, heard.lateness(source, FAST, 990));
            note(Figure::Worst255, heard.lateness(source, FAST, 1000));
        }
        Work::Cut => {
            let pair = bench.start(contender, 200, SLOW)?;
            note(Figure::Cut, pair.cut()?.as_secs_f64() * 1000.0);
        }
        Work::Planned if contender == Contender::Ours => {
            note(Figure::PlannedStop, planned::silence(Action::Stop)?.as_secs_f64() * 1000.0);
            note(Figure::HandOver, planned::silence(Action::HandOver)?.as_secs_f64() * 1000.0);
        }
        Work::Planned => {}
        Work::Load => {
            let _pair = bench.start(contender, 1, SLOW)?;
            let _load = Load::start(bench)?;
            let listener = Listener::start(&bench.neighbour)?;
            sleep(Duration::from_secs(options.load_seconds));
            let heard = listener.stop()?;
            note(Figure::LoadLateness, heard.lateness(source, SLOW, 990));
            note(Figure::LoadWorst, heard.lateness(source, SLOW, 1000));
            let other = heard.count(load::other_node(bench));
            note(Figure::LoadFailovers, if other > 0 { 1.0 } else { 0.0 });
        }
    }
    Ok(())
}
