//! `vipd import`: small inputs with what must come of them, the guides' set-ups, and real files.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod access;
mod corpus;
mod faults;
mod guides;
mod haproxy;
mod hostile;
mod keepalived;
mod lenient;
mod managed;
mod nginx;
mod routes;
mod secrets;
mod steady;
mod track;
mod vmac;

use std::collections::BTreeMap;
use std::sync::Arc;

use import::{Files, Given, Imported, Kind, Source, import};

/// Included files, by the pattern that finds them.
#[derive(Default)]
struct Shelf(BTreeMap<&'static str, Vec<Arc<Source>>>);

impl Files for Shelf {
    fn matching(&self, _: &Source, pattern: &str) -> Result<Vec<Arc<Source>>, String> {
        self.0.get(pattern).cloned().ok_or_else(|| "there is no such file".to_owned())
    }
}

fn of_keepalived(text: &str) -> Given {
    Given { keepalived: Some(Source::new("k.conf", text)), ..Given::default() }
}

fn of_haproxy(text: &str) -> Given {
    Given { haproxy: Some(Source::new("h.cfg", text)), ..Given::default() }
}

fn of_nginx(text: &str) -> Given {
    Given { nginx: Some(Source::new("n.conf", text)), ..Given::default() }
}

fn imported(given: &Given) -> Imported {
    import(given, &Shelf::default())
}

/// The TOML without the first comment and without the places.
#[track_caller]
fn toml(given: &Given) -> String {
    let Imported { toml, report } = imported(given);
    let toml = toml.unwrap_or_else(|| panic!("{report}"));
    let lines = toml.lines().skip(2).map(|line| match line.split_once("  # ") {
        Some((text, _)) => text.trim_end(),
        None => line,
    });
    lines.filter(|line| !line.starts_with("# ")).map(|line| format!("{line}\n")).collect()
}

/// What became of line `number`, and what is said of it.
#[track_caller]
fn fate(given: &Given, number: usize) -> (Kind, String) {
    let report = imported(given).report;
    let found = report.entries().find(|entry| (entry.line..=entry.end).contains(&number));
    let entry = found.unwrap_or_else(|| panic!("nothing is said of line {number}:\n{report}"));
    (entry.kind, entry.notes.join("; "))
}

/// The mistakes alone.
fn mistakes(given: &Given) -> String {
    imported(given).report.mistakes.iter().map(ToString::to_string).collect()
}
