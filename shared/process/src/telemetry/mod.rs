//! How every program logs: to standard error, one line of logfmt an occurrence.

mod line;
pub mod logfmt;

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use tracing::{Event, Subscriber, error};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::clock::wall;
use crate::output::{Flush, Output};

/// The environment variable that sets what is logged, such as `debug` or `info,vrrpd=debug`.
pub const FILTER_VARIABLE: &str = "VIPD_LOG";

/// The environment variable by which systemd says that standard error is its journal's.
pub const JOURNAL_VARIABLE: &str = "JOURNAL_STREAM";

/// Log lines that may wait for a slow reader of standard error; later ones are dropped. At some
/// 150 bytes a line this is half a megabyte, and more than any burst the daemons can cause.
const WAITING_LINES: usize = 4_000;

/// Starts logging. A reader that stands still never delays the caller: lines that do not fit are
/// dropped and counted. Keep the guard until the end of `main`: it has written what still waits.
#[must_use = "the guard has the last lines written when it is dropped"]
pub fn init() -> Option<Flush> {
    let filter = std::env::var(FILTER_VARIABLE)
        .ok()
        .and_then(|filter| Targets::from_str(&filter).ok())
        .unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    // The journal stamps each line itself.
    let stamped = std::env::var_os(JOURNAL_VARIABLE).is_none();
    let (sink, flush, failed) = match thread() {
        Ok((output, flush)) => {
            (Sink::Thread { output, dropped: AtomicU64::new(0) }, Some(flush), None)
        }
        Err(error) => (Sink::Direct, None, Some(error)),
    };
    tracing_subscriber::registry().with(Log { sink, stamped }.with_filter(filter)).init();
    if let Some(error) = failed {
        error!(%error, "cannot start the thread that writes the log: a slow reader of it delays this program");
    }
    flush
}

fn thread() -> io::Result<(Output, Flush)> {
    let errors = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    Output::start("log", errors, WAITING_LINES)
}

/// Writes what is logged.
struct Log {
    sink: Sink,
    stamped: bool,
}

enum Sink {
    Thread {
        output: Output,
        /// Lines that did not fit and were not told of yet.
        dropped: AtomicU64,
    },
    /// There was no thread to be had.
    Direct,
}

impl<S: Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let time = self.stamped.then(wall);
        self.sink.write(line::of(event, time), time);
    }
}

impl Sink {
    fn write(&self, line: String, time: Option<SystemTime>) {
        match self {
            Self::Thread { output, dropped } => {
                let missing = dropped.swap(0, Ordering::Relaxed);
                let told = missing == 0 || output.send(line::dropped(missing, time));
                let left_out = u64::from(!output.send(line)) + if told { 0 } else { missing };
                dropped.fetch_add(left_out, Ordering::Relaxed);
            }
            // There is nowhere to say that nobody reads.
            Self::Direct => drop(io::stderr().write_all(line.as_bytes())),
        }
    }
}
