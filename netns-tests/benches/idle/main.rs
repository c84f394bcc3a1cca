//! What a node costs that has nothing to do: one router, one proxy, three servers checked once a second,
//! no client; vipd beside keepalived with HAProxy.
//!
//! `cargo bench -p netns-tests --bench idle` as root; `-- --help` tells the options and
//! docs/benchmarks.md the conditions. Counted are the context switches and the processor time of every
//! thread of every program of the node, as the kernel tells them.

mod node;

use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use netns_tests::bench::{exit_code, program};
use netns_tests::usage::{self, Thread};

use crate::node::{Check, Contender, Network, Node};

/// Measures an idle node beside keepalived with HAProxy, and prints a table.
#[derive(Parser)]
#[command(name = "idle")]
struct Options {
    /// Seconds that each measurement lasts
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,

    /// Advert intervals in milliseconds
    #[arg(long, value_delimiter = ',', default_value = "1000,100")]
    adverts: Vec<u64>,

    /// Worker threads of the proxies
    #[arg(long, value_delimiter = ',', default_value = "2,64")]
    workers: Vec<u16>,

    /// How servers are checked
    #[arg(long, value_enum, value_delimiter = ',', default_value = "tcp,https")]
    check: Vec<Check>,

    /// Only these programs
    #[arg(long, value_enum, value_delimiter = ',', default_value = "ours,peers")]
    with: Vec<Contender>,

    /// Tell each thread as well
    #[arg(long)]
    threads: bool,

    /// Fail with exit code 1 when a bar is missed
    #[arg(long)]
    strict: bool,

    /// Our program [default: `vipd`, built as `cargo build --release` does]
    #[arg(long, value_name = "FILE")]
    ours: Option<PathBuf>,

    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    exit_code(measure(&options), options.strict)
}

/// Measures and prints; tells whether a bar was missed.
#[expect(clippy::print_stdout, reason = "this is the command's answer")]
fn measure(options: &Options) -> anyhow::Result<bool> {
    let ours = program(options.ours.as_deref())?;
    let network = Network::new(ours).context("network namespaces (run it as root)")?;
    let time = Duration::from_secs(options.seconds);
    let mut missed = false;
    println!("a second of an idle node, over {} s", options.seconds);
    println!("program  adverts  workers  check  switches  CPU ms  bar");
    for node in nodes(options) {
        let (before, after) = {
            let running = network.start(&node)?;
            let before = running.threads()?;
            sleep(time);
            (before, running.threads()?)
        };
        let used = Used::between(&before, &after, time);
        let bar = node.bar();
        let over = bar.is_some_and(|(switches, millis)| {
            used.switches > f64::from(switches) || used.millis > millis
        });
        missed |= over;
        let told = bar.map_or_else(String::new, |(switches, millis)| {
            format!("{switches}, {millis} {}", if over { "MISSED" } else { "ok" })
        });
        println!("{node}  {:8.1}  {:6.2}  {told}", used.switches, used.millis);
        if options.threads {
            print!("{}", by_thread(&before, &after, time));
        }
    }
    Ok(missed)
}

fn nodes(options: &Options) -> Vec<Node> {
    let mut nodes = Vec::new();
    for check in &options.check {
        for adverts in &options.adverts {
            for workers in &options.workers {
                nodes.extend(options.with.iter().map(|contender| Node {
                    contender: *contender,
                    adverts: Duration::from_millis(*adverts),
                    workers: *workers,
                    check: *check,
                }));
            }
        }
    }
    nodes
}

/// What was used in a second.
struct Used {
    switches: f64,
    millis: f64,
}

impl Used {
    fn between(before: &[Thread], after: &[Thread], time: Duration) -> Self {
        let seconds = time.as_secs_f64();
        let switches = usage::switches(after).saturating_sub(usage::switches(before));
        let cpu = usage::time(after).saturating_sub(usage::time(before));
        Self {
            switches: f64::from(u32::try_from(switches).unwrap_or(u32::MAX)) / seconds,
            millis: cpu.as_secs_f64() * 1000.0 / seconds,
        }
    }
}

/// A line for each name of a thread that did something.
fn by_thread(before: &[Thread], after: &[Thread], time: Duration) -> String {
    let mut names: Vec<&str> = after.iter().map(|thread| thread.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let of = |threads: &[Thread], name: &str| -> Vec<Thread> {
        threads.iter().filter(|thread| thread.name == name).cloned().collect()
    };
    let lines = names.into_iter().map(|name| {
        let used = Used::between(&of(before, name), &of(after, name), time);
        format!("{name:>36}  {:8.1}  {:6.2}\n", used.switches, used.millis)
    });
    lines.collect()
}
