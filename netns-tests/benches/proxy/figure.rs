//! The figures, their bars, and the table.

use std::collections::HashMap;
use std::fmt::Write;
use std::fs;
use std::process::Command;

use netns_tests::peer;

use crate::contender::Contender;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Figure {
    BulkCpu,
    BulkRate,
    ConnectCpu,
    ConnectRate,
    RequestCpu,
    RequestLatency,
    IdleMemory,
    StartMemory,
    BesideTen,
    BesideThousand,
    BesideThousands,
}

/// What ours must come to.
#[derive(Clone, Copy, Debug)]
enum Bar {
    /// At most so much of the better peer's.
    RatioAtMost(f64),
    /// At least so much of the better peer's.
    RatioAtLeast(f64),
    /// At most so much, whatever the peers need.
    AtMost(f64),
    /// At most so much of our own beside ten idle connections.
    GrowsAtMost(f64),
}

impl Figure {
    /// What a connection costs beside so many idle ones.
    pub(crate) const BESIDE: [(Self, u32); 3] =
        [(Self::BesideTen, 10), (Self::BesideThousand, 1_000), (Self::BesideThousands, 8_000)];

    const ALL: [Self; 11] = [
        Self::BulkCpu,
        Self::BulkRate,
        Self::ConnectCpu,
        Self::ConnectRate,
        Self::RequestCpu,
        Self::RequestLatency,
        Self::IdleMemory,
        Self::StartMemory,
        Self::BesideTen,
        Self::BesideThousand,
        Self::BesideThousands,
    ];

    fn words(self) -> &'static str {
        match self {
            Self::BulkCpu => "CPU s per GB, 4 streams",
            Self::BulkRate => "Gbit/s, 4 streams",
            Self::ConnectCpu => "CPU µs per connection",
            Self::ConnectRate => "connections per s",
            Self::RequestCpu => "CPU µs per request",
            Self::RequestLatency => "p99 of requests, ms",
            Self::IdleMemory => "kB per idle connection",
            Self::StartMemory => "MB at start",
            Self::BesideTen => "CPU µs per connection, 10 idle",
            Self::BesideThousand => "the same, 1,000 idle",
            Self::BesideThousands => "the same, 8,000 idle",
        }
    }

    fn bar(self) -> Bar {
        match self {
            Self::BulkCpu => Bar::RatioAtMost(0.8),
            Self::BulkRate | Self::ConnectRate => Bar::RatioAtLeast(1.1),
            Self::ConnectCpu | Self::RequestCpu => Bar::RatioAtMost(0.85),
            Self::RequestLatency => Bar::RatioAtMost(1.0),
            Self::IdleMemory => Bar::AtMost(2.5),
            Self::StartMemory => Bar::AtMost(8.0),
            Self::BesideTen | Self::BesideThousand | Self::BesideThousands => {
                Bar::GrowsAtMost(1.15)
            }
        }
    }
}

/// Everything measured so far.
#[derive(Default)]
pub(crate) struct Sheet(HashMap<(Figure, Contender), Vec<f64>>);

impl Sheet {
    pub(crate) fn note(&mut self, figure: Figure, contender: Contender, value: f64) {
        let cost = matches!(figure, Figure::BulkCpu | Figure::ConnectCpu | Figure::RequestCpu);
        if cost && contender == Contender::Direct {
            return;
        }
        self.0.entry((figure, contender)).or_default().push(value);
    }

    /// Whether a bar that could be judged was missed.
    pub(crate) fn missed(&self) -> bool {
        Figure::ALL.into_iter().any(|figure| self.met(figure) == Some(false))
    }

    pub(crate) fn table(&self) -> String {
        let mut text = String::from(
            "| figure | direct | floor | haproxy | nginx | lbproxy | ratio | bar | |\n|---|--:|--:|--:|--:|--:|--:|--:|---|\n",
        );
        for figure in Figure::ALL {
            let all = [
                Contender::Direct,
                Contender::Floor,
                Contender::Haproxy,
                Contender::Nginx,
                Contender::Ours,
            ];
            let medians = all.map(|contender| self.median(figure, contender));
            if medians.iter().all(Option::is_none) {
                continue;
            }
            let cells = medians.map(cell);
            let ratio = cell(self.ratio(figure));
            let bar = match figure.bar() {
                Bar::RatioAtMost(most) => format!("≤ {most:.2}"),
                Bar::RatioAtLeast(least) => format!("≥ {least:.2}"),
                Bar::AtMost(most) => format!("{most:.1} at most"),
                Bar::GrowsAtMost(most) => format!("≤ {most:.2} of 10"),
            };
            let verdict = match self.met(figure) {
                Some(true) => "met",
                Some(false) => "MISSED",
                None => "–",
            };
            let cells = cells.join(" | ");
            // Writing to a string does not fail.
            writeln!(text, "| {} | {cells} | {ratio} | {bar} | {verdict} |", figure.words()).ok();
        }
        text
    }

    fn median(&self, figure: Figure, contender: Contender) -> Option<f64> {
        let mut values = self.0.get(&(figure, contender))?.clone();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let upper = *values.get(middle)?;
        // Of an even number, between the two in the middle.
        let even = values.len().is_multiple_of(2);
        Some(if even { (upper + *values.get(middle - 1)?) / 2.0 } else { upper })
    }

    /// Ours to the better peer's, or to ours where there is little to do.
    fn ratio(&self, figure: Figure) -> Option<f64> {
        let ours = self.median(figure, Contender::Ours)?;
        if let Bar::GrowsAtMost(_) = figure.bar() {
            return Some(ours / self.median(Figure::BesideTen, Contender::Ours)?);
        }
        let peers = [Contender::Haproxy, Contender::Nginx];
        let peers = peers.into_iter().filter_map(|peer| self.median(figure, peer));
        let better = match figure.bar() {
            Bar::RatioAtLeast(_) => peers.max_by(f64::total_cmp),
            Bar::RatioAtMost(_) | Bar::AtMost(_) | Bar::GrowsAtMost(_) => {
                peers.min_by(f64::total_cmp)
            }
        };
        Some(ours / better?)
    }

    fn met(&self, figure: Figure) -> Option<bool> {
        match figure.bar() {
            Bar::RatioAtMost(most) | Bar::GrowsAtMost(most) => Some(self.ratio(figure)? <= most),
            Bar::RatioAtLeast(least) => Some(self.ratio(figure)? >= least),
            Bar::AtMost(most) => Some(self.median(figure, Contender::Ours)? <= most),
        }
    }
}

fn cell(value: Option<f64>) -> String {
    match value {
        None => "–".to_owned(),
        Some(value) if value >= 1_000.0 => format!("{value:.0}"),
        Some(value) if value >= 20.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.2}"),
    }
}

/// What it was measured on and against.
pub(crate) fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let processor = read("/proc/cpuinfo");
    let model = processor.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.unwrap_or_default().trim_start_matches([' ', '\t', ':']).to_owned();
    let count = processor.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = read("/proc/sys/kernel/osrelease");
    format!(
        "{count} × {model}; Linux {}; {}; {}",
        kernel.trim(),
        first_line("haproxy"),
        first_line("nginx")
    )
}

/// What a peer says of its version.
fn first_line(name: &str) -> String {
    let output = Command::new(peer(name)).arg("-v").output();
    let Ok(output) = output else { return format!("{name} ?") };
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    text.lines().next().unwrap_or_default().to_owned()
}
