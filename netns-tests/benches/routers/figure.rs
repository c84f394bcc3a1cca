//! The figures, their bars, and the table.

use std::collections::HashMap;
use std::fmt::Write;

use crate::pair::Contender;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Figure {
    CpuActive100,
    CpuBackup100,
    CpuActive10,
    CpuBackup10,
    Memory,
    Lateness255,
    Worst255,
    Cut,
    PlannedStop,
    HandOver,
    LoadLateness,
    LoadWorst,
    LoadFailovers,
}

/// What ours must come to.
#[derive(Clone, Copy, Debug)]
enum Bar {
    /// At most so much of keepalived's.
    Ratio(f64),
    /// At most so much, whatever keepalived needs.
    AtMost(f64),
    /// Told, not judged.
    None,
}

impl Figure {
    const ALL: [Self; 13] = [
        Self::CpuActive100,
        Self::CpuBackup100,
        Self::CpuActive10,
        Self::CpuBackup10,
        Self::Memory,
        Self::Lateness255,
        Self::Worst255,
        Self::Cut,
        Self::PlannedStop,
        Self::HandOver,
        Self::LoadLateness,
        Self::LoadWorst,
        Self::LoadFailovers,
    ];

    fn words(self) -> &'static str {
        match self {
            Self::CpuActive100 => "CPU µs per advert, 200 routers at 100 ms, Active",
            Self::CpuBackup100 => "CPU µs per advert, 200 routers at 100 ms, Backup",
            Self::CpuActive10 => "CPU µs per advert, 200 routers at 10 ms, Active",
            Self::CpuBackup10 => "CPU µs per advert, 200 routers at 10 ms, Backup",
            Self::Memory => "RSS, 200 routers, MB",
            Self::Lateness255 => "p99 lateness, 255 routers at 10 ms, ms",
            Self::Worst255 => "worst lateness of these, ms",
            Self::Cut => "last of 200 addresses after a cut, 100 ms, in ms",
            Self::PlannedStop => "ping silence of a stop, keepalived as the peer, 1 s, in ms",
            Self::HandOver => "ping silence of a handover, likewise, in ms",
            Self::LoadLateness => "p99 lateness under load, 100 ms, in ms",
            Self::LoadWorst => "worst lateness of these, ms",
            Self::LoadFailovers => "failovers under load",
        }
    }

    fn bar(self) -> Bar {
        match self {
            Self::CpuActive100 | Self::CpuBackup100 | Self::CpuActive10 | Self::CpuBackup10 => {
                Bar::Ratio(0.7)
            }
            Self::Memory => Bar::AtMost(13.0),
            Self::Lateness255 => Bar::AtMost(2.0),
            // Three intervals, the skew of priority 100, and 40 ms.
            Self::Cut => Bar::AtMost(300.0 + 60.9 + 40.0),
            Self::PlannedStop | Self::HandOver => Bar::AtMost(5.0),
            Self::LoadLateness => Bar::AtMost(20.0),
            Self::LoadFailovers => Bar::AtMost(0.0),
            Self::Worst255 | Self::LoadWorst => Bar::None,
        }
    }
}

/// Everything measured so far.
#[derive(Default)]
pub(crate) struct Sheet(HashMap<(Figure, Contender), Vec<f64>>);

impl Sheet {
    pub(crate) fn note(&mut self, figure: Figure, contender: Contender, value: f64) {
        self.0.entry((figure, contender)).or_default().push(value);
    }

    /// Whether a bar that could be judged was missed.
    pub(crate) fn missed(&self) -> bool {
        Figure::ALL.into_iter().any(|figure| self.met(figure) == Some(false))
    }

    pub(crate) fn table(&self) -> String {
        let mut text = String::from(
            "| figure | keepalived | vrrpd | ratio | bar | |\n|---|--:|--:|--:|--:|---|\n",
        );
        for figure in Figure::ALL.into_iter().filter(|f| self.median(*f, Contender::Ours).is_some())
        {
            let theirs = cell(self.median(figure, Contender::Keepalived));
            let ours = cell(self.median(figure, Contender::Ours));
            let ratio = cell(self.ratio(figure));
            let bar = match figure.bar() {
                Bar::Ratio(most) => format!("ratio ≤ {most:.1}"),
                Bar::AtMost(most) => format!("≤ {most}"),
                Bar::None => "–".to_owned(),
            };
            let verdict = match self.met(figure) {
                Some(true) => "met",
                Some(false) => "MISSED",
                None => "–",
            };
            let words = figure.words();
            // Writing to a string does not fail.
            writeln!(text, "| {words} | {theirs} | {ours} | {ratio} | {bar} | {verdict} |").ok();
        }
        text
    }

    fn median(&self, figure: Figure, contender: Contender) -> Option<f64> {
        let mut values = self.0.get(&(figure, contender))?.clone();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    }

    fn ratio(&self, figure: Figure) -> Option<f64> {
        let theirs = self.median(figure, Contender::Keepalived)?;
        (theirs > 0.0).then(|| self.median(figure, Contender::Ours).map(|ours| ours / theirs))?
    }

    fn met(&self, figure: Figure) -> Option<bool> {
        match figure.bar() {
            Bar::Ratio(most) => Some(self.ratio(figure)? <= most),
            Bar::AtMost(most) => Some(self.median(figure, Contender::Ours)? <= most),
            Bar::None => None,
        }
    }
}

fn cell(value: Option<f64>) -> String {
    match value {
        None => "–".to_owned(),
        Some(value) if value >= 20.0 => format!("{value:.0}"),
        Some(value) if value >= 1.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.3}"),
    }
}
