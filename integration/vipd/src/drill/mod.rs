//! `vipd drill`: a whole pair in network namespaces, faults injected, downtime measured by a client.

mod chaos;
mod fault;
mod measure;
mod pair;
mod report;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use vocabulary::AdvertInterval;

pub use self::fault::Fault;
use self::report::Outcome;
use lab::{Entered, enter};

/// What to drill.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Only this fault; may be given several times
    #[arg(long, value_name = "NAME")]
    fault: Vec<Fault>,

    /// How often each fault is injected
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,

    /// Time between the adverts of the pair
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = interval)]
    advert_interval: AdvertInterval,

    /// Print one JSON object a fault instead of the table
    #[arg(long)]
    json: bool,

    /// Disturb a pair at random for so long instead, every 0.1 to 3 s, and look at it after each storm
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, conflicts_with_all = ["fault", "runs", "json"])]
    chaos: Option<Duration>,

    /// What chaos begins with: the same seed disturbs in the same way
    #[arg(long, value_name = "N", default_value_t = 1, requires = "chaos")]
    seed: u64,
}

fn interval(text: &str) -> Result<AdvertInterval, String> {
    let time: Duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    AdvertInterval::try_from(time).map_err(|error| error.to_string())
}

/// Drills. Must be called before the program has started any thread.
///
/// Exit codes: 0 every bound was kept, 1 one was missed or the drill failed, 128 and more ended by a
/// signal.
#[must_use]
pub fn run(options: &Options) -> ExitCode {
    match enter() {
        Ok(Entered::Inside) => {}
        Ok(Entered::Finished(code)) => return ExitCode::from(code),
        Err(error) => return failed(&anyhow::Error::from(error)),
    }
    match drill(options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => failed(&error),
    }
}

#[expect(clippy::print_stderr, reason = "this is the command's answer")]
fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}

/// Runs every fault; tells whether every promise was kept.
#[expect(clippy::print_stdout, reason = "this is the command's answer")]
fn drill(options: &Options) -> anyhow::Result<bool> {
    if let Some(time) = options.chaos {
        return chaos::run(options.seed, time, options.advert_interval);
    }
    let faults = match options.fault.as_slice() {
        [] => Fault::value_variants(),
        some => some,
    };
    let total = faults.len() * usize::from(options.runs);
    let mut progress = Progress { done: 0, total };
    let mut outcomes = Vec::new();
    for fault in faults {
        let mut runs = Vec::new();
        for run in 1..=options.runs {
            progress.show(&format!("{}, run {run} of {}", fault.name(), options.runs));
            let measured = measure::measure(*fault, options.advert_interval);
            runs.push(measured.map_err(|error| error.context(fault.name()))?);
        }
        let bounds = fault.bounds(options.advert_interval);
        let outcome = Outcome { fault: *fault, runs, bounds };
        if options.json {
            println!("{}", outcome.json());
        }
        if !outcome.ok() {
            progress.explain(&outcome);
        }
        outcomes.push(outcome);
    }
    progress.clear();
    if !options.json {
        print!("{}", report::table(&outcomes));
    }
    Ok(outcomes.iter().all(Outcome::ok))
}

/// A line that says what is going on.
struct Progress {
    done: usize,
    total: usize,
}

impl Progress {
    #[expect(clippy::print_stderr, reason = "what is going on is no answer")]
    fn show(&mut self, what: &str) {
        self.done += 1;
        let (done, total) = (self.done, self.total);
        if std::io::stderr().is_terminal() {
            eprint!("\r\x1b[K[{done}/{total}] {what} …");
            // A line that does not show does no harm.
            std::io::stderr().flush().ok();
        } else {
            eprintln!("[{done}/{total}] {what}");
        }
    }

    /// What the nodes said while a bound was missed.
    #[expect(clippy::print_stderr, reason = "what is going on is no answer")]
    fn explain(&self, outcome: &Outcome) {
        self.clear();
        for (run, measured) in (1..).zip(&outcome.runs) {
            eprintln!("{} missed its bound; run {run}:\n{}", outcome.fault.name(), measured.log);
        }
    }

    #[expect(clippy::print_stderr, reason = "what is going on is no answer")]
    fn clear(&self) {
        if std::io::stderr().is_terminal() {
            eprint!("\r\x1b[K");
        }
    }
}
