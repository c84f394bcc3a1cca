//! Access lines on standard output: gathered by each worker, written by a thread of their own.
//!
//! A worker keeps its lines for a moment, or until they are many, and hands them over together: a
//! line costs neither a wake-up nor a system call of its own. Nobody waits for whoever reads them.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use config::LogFormat;
use process::output::{Flush, Output};

use crate::clock;
use crate::data::access_line;
use crate::data::access_line::AccessRecord;

/// Bytes of lines that are handed over at once: about fifty lines.
const BATCH: usize = 16 * 1024;

/// Room for the line that makes a batch full.
const ONE_LINE: usize = 512;

/// Batches that may wait for a slow reader, 2 MiB; the lines of later ones are dropped and counted.
const WAITING: usize = 128;

/// Where access lines go.
#[derive(Clone, Debug)]
pub(crate) struct AccessLog {
    output: Output,
    dropped: Arc<AtomicU64>,
    /// None: no lines are wanted.
    format: Option<LogFormat>,
    stamped: bool,
}

/// The lines of one worker.
#[derive(Debug)]
pub(crate) struct Lines {
    log: AccessLog,
    text: RefCell<String>,
    count: Cell<u64>,
}

impl AccessLog {
    /// Starts the thread that writes to standard output. Keep the guard until the end.
    ///
    /// # Errors
    /// Standard output is closed, or there is no thread to be had.
    pub(crate) fn start(format: Option<LogFormat>) -> io::Result<(Self, Flush)> {
        let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        // The journal stamps each line itself, and the other forms have the time within.
        let in_journal = std::env::var_os(process::telemetry::JOURNAL_VARIABLE).is_some();
        Self::start_on(output, format, format == Some(LogFormat::Words) && !in_journal)
    }

    fn start_on(
        output: File,
        format: Option<LogFormat>,
        stamped: bool,
    ) -> io::Result<(Self, Flush)> {
        let (output, flush) = Output::start("access-log", output, WAITING)?;
        Ok((Self { output, dropped: Arc::default(), format, stamped }, flush))
    }

    /// Lines that did not fit.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// For one worker to write to.
    pub(crate) fn lines(&self) -> Lines {
        Lines { log: self.clone(), text: RefCell::default(), count: Cell::new(0) }
    }
}

impl Lines {
    pub(crate) fn write(&self, record: &AccessRecord) {
        let Some(format) = self.log.format else { return };
        let mut text = self.text.borrow_mut();
        if text.capacity() == 0 {
            text.reserve(BATCH + ONE_LINE);
        }
        let wall = clock::wall();
        if self.log.stamped {
            let stamped = write!(text, "time={} ", humantime::format_rfc3339_millis(wall));
            debug_assert!(stamped.is_ok(), "a string takes everything");
        }
        access_line::write(&mut text, record, format, wall);
        text.push('\n');
        self.count.set(self.count.get() + 1);
        let full = text.len() >= BATCH;
        drop(text);
        if full {
            self.flush();
        }
    }

    /// Whether some wait to be handed over.
    pub(crate) fn wait(&self) -> bool {
        self.count.get() > 0
    }

    /// Hands over what there is.
    pub(crate) fn flush(&self) {
        let count = self.count.take();
        if count > 0 && !self.log.output.send(self.text.take()) {
            self.log.dropped.fetch_add(count, Ordering::Relaxed);
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.flush();
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek};
    use std::os::fd::OwnedFd;
    use std::time::Duration;

    use vocabulary::Name;

    use super::*;
    use crate::plan::end::End;

    fn record(end: End) -> AccessRecord {
        AccessRecord {
            proxy: Name::try_from("apiserver").unwrap(),
            client: "192.0.2.1:50000".parse().unwrap(),
            listen: "192.0.2.100:6443".parse().unwrap(),
            routed: None,
            server: None,
            connect: None,
            duration: Duration::ZERO,
            up: 0,
            down: 0,
            attempts: 0,
            open: 1,
            end: Some(end),
        }
    }

    #[test]
    fn lines_are_written_together_and_the_last_at_the_end() {
        let mut file = tempfile::tempfile().unwrap();
        let (log, flush) =
            AccessLog::start_on(file.try_clone().unwrap(), Some(LogFormat::Words), false).unwrap();
        let lines = log.lines();
        for end in [End::ClientClosed, End::ServerReset] {
            lines.write(&record(end));
        }
        assert_eq!(file.metadata().unwrap().len(), 0, "not at once");
        drop(lines);
        drop(flush);
        let mut text = String::new();
        file.rewind().unwrap();
        file.read_to_string(&mut text).unwrap();
        let ends: Vec<_> = text.lines().map(|line| line.rsplit(' ').next().unwrap()).collect();
        assert_eq!(ends, ["end=client_closed", "end=server_reset"]);
        assert_eq!(log.dropped(), 0);
    }

    #[test]
    fn nothing_is_written_where_no_lines_are_wanted() {
        let file = tempfile::tempfile().unwrap();
        let (log, flush) = AccessLog::start_on(file.try_clone().unwrap(), None, false).unwrap();
        log.lines().write(&record(End::ClientClosed));
        drop(flush);
        assert_eq!((file.metadata().unwrap().len(), log.dropped()), (0, 0));
    }

    #[test]
    fn lines_that_nobody_takes_are_counted() {
        let (reader, pipe) = io::pipe().unwrap();
        let (log, flush) =
            AccessLog::start_on(File::from(OwnedFd::from(pipe)), Some(LogFormat::Words), true)
                .unwrap();
        // The first fills the pipe and stays with the thread.
        assert!(log.output.send("x".repeat(100_000)));
        for _ in 0..WAITING {
            while !log.output.send(String::new()) {}
        }
        let lines = log.lines();
        for _ in 0..3 {
            lines.write(&record(End::ClientClosed));
            lines.write(&record(End::ClientClosed));
            lines.flush();
        }
        assert_eq!(log.dropped(), 6);
        // Now the thread is rid of it all, and ends.
        drop(reader);
        drop((lines, flush));
    }
}
