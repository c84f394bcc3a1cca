//! One line of the log: when, how bad, whom it is about, what happened, and the rest.

use std::fmt::{self, Write as _};
use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::{Event, Level};

use super::logfmt::Value;

/// Fields that say whom a line is about, and come before what happened: what people look for.
const SUBJECTS: [&str; 5] = ["router", "family", "proxy", "server", "interface"];

/// The line of what is logged, with its end.
pub(super) fn of(event: &Event<'_>, time: Option<SystemTime>) -> String {
    let mut fields = Fields::default();
    event.record(&mut fields);
    let mut line = begin(*event.metadata().level(), time);
    for (subject, value) in SUBJECTS.iter().zip(&fields.subjects) {
        if let Some(value) = value {
            add(&mut line, subject, value);
        }
    }
    add(&mut line, "msg", &fields.message);
    for (name, value) in &fields.others {
        add(&mut line, name, value);
    }
    line.push('\n');
    line
}

/// The line that tells of lines which are missing.
pub(super) fn dropped(count: u64, time: Option<SystemTime>) -> String {
    let mut line = begin(Level::WARN, time);
    add(&mut line, "msg", "lines of the log were dropped: its reader is too slow");
    add(&mut line, "count", &count.to_string());
    line.push('\n');
    line
}

fn begin(level: Level, time: Option<SystemTime>) -> String {
    let mut line = String::with_capacity(192);
    if let Some(time) = time {
        add(&mut line, "time", &humantime::format_rfc3339_micros(time).to_string());
    }
    let word = match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    };
    add(&mut line, "level", word);
    line
}

fn add(line: &mut String, key: &str, value: &str) {
    let space = if line.is_empty() { "" } else { " " };
    let written = write!(line, "{space}{key}={}", Value(value));
    debug_assert!(written.is_ok(), "a string takes everything");
}

/// The fields of an occurrence, as text.
#[derive(Default)]
struct Fields {
    subjects: [Option<String>; SUBJECTS.len()],
    message: String,
    others: Vec<(&'static str, String)>,
}

impl Fields {
    fn take(&mut self, field: &Field, value: String) {
        // `r#type` is how Rust writes it.
        let name = field.name();
        let name = name.strip_prefix("r#").unwrap_or(name);
        if name == "message" {
            self.message = value;
        } else if let Some(subject) = SUBJECTS.iter().position(|subject| *subject == name) {
            self.subjects[subject] = Some(value);
        } else {
            self.others.push((name, value));
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.take(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use tracing::{Subscriber, debug, error, info, warn};
    use tracing_subscriber::Layer;
    use tracing_subscriber::layer::{Context, SubscriberExt};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<String>>);

    impl<S: Subscriber> Layer<S> for Lines {
        fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
            self.0.lock().unwrap().push_str(&of(event, None));
        }
    }

    fn logged(log: impl FnOnce()) -> String {
        let lines = Lines::default();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines.clone()), log);
        let text = lines.0.lock().unwrap();
        text.clone()
    }

    #[test]
    fn whom_it_is_about_comes_before_what_happened_and_the_rest_after() {
        let text = logged(|| {
            info!(since = 3, server = %"cp1", family = "IPv4", router = %"api", r#type = "x", "became {}", "Active");
            warn!(interface = "eth0", proxy = %"apiserver", error = %"no such device", "cannot listen");
            error!("hung");
            debug!(address = ?Some("a b"), open = true);
        });
        assert_eq!(
            text,
            "level=info router=api family=IPv4 server=cp1 msg=\"became Active\" since=3 type=x\n\
             level=warn proxy=apiserver interface=eth0 msg=\"cannot listen\" error=\"no such device\"\n\
             level=error msg=hung\n\
             level=debug msg=\"\" address=\"Some(\\\"a b\\\")\" open=true\n"
        );
    }

    /// What comes from outside stays one value of one line, whichever way it comes in.
    #[test]
    fn nobody_writes_a_line_of_his_own() {
        let forged = "x\nlevel=error router=api msg=\"became Active\"";
        let name = OsStr::from_bytes(b"vip\xff\x1b[2K");
        let text = logged(|| {
            warn!(server = %forged, path = %Path::new(name).display(), error = ?forged, "{forged}");
        });
        assert_eq!(
            text,
            "level=warn server=\"x\\nlevel=error router=api msg=\\\"became Active\\\"\" \
             msg=\"x\\nlevel=error router=api msg=\\\"became Active\\\"\" \
             path=\"vip\u{fffd}\\u001b[2K\" \
             error=\"\\\"x\\\\nlevel=error router=api msg=\\\\\\\"became Active\\\\\\\"\\\"\"\n"
        );
    }

    #[test]
    fn the_time_comes_first_where_nobody_else_stamps() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_micros(1_764_523_429_000_250);
        assert_eq!(
            dropped(17, Some(time)),
            "time=2025-11-30T17:23:49.000250Z level=warn \
             msg=\"lines of the log were dropped: its reader is too slow\" count=17\n"
        );
    }
}
