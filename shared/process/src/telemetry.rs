//! How every program logs: to standard error, one line an occurrence, with fields.

use std::io::IsTerminal;
use std::str::FromStr;

use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

/// The environment variable that sets what is logged, such as `debug` or `info,vrrpd=debug`.
pub const FILTER_VARIABLE: &str = "VIPD_LOG";

/// The environment variable by which systemd says that standard error is its journal's.
pub const JOURNAL_VARIABLE: &str = "JOURNAL_STREAM";

/// Log lines that may wait for a slow reader of standard error; later ones are dropped. At some
/// 150 bytes a line this is half a megabyte, and more than any burst the daemons can cause.
const WAITING_LINES: usize = 4_000;

/// Starts logging. A reader that stands still never delays the caller: lines that do not fit are
/// dropped. Keep the guard until the end of `main`: it writes what still waits.
#[must_use = "the guard writes the last lines when it is dropped"]
pub fn init() -> WorkerGuard {
    let (writer, guard) = stderr();
    let filter = std::env::var(FILTER_VARIABLE)
        .ok()
        .and_then(|filter| Targets::from_str(&filter).ok())
        .unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    let lines = fmt::layer()
        .with_writer(writer)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    // The journal stamps each line itself.
    let lines = if std::env::var_os(JOURNAL_VARIABLE).is_some() {
        lines.without_time().boxed()
    } else {
        lines.boxed()
    };
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
    guard
}

fn stderr() -> (NonBlocking, WorkerGuard) {
    NonBlockingBuilder::default()
        .buffered_lines_limit(WAITING_LINES)
        .lossy(true)
        .thread_name("log")
        .finish(std::io::stderr())
}
