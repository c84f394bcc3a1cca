//! What a drill prints: a table for people, an object a fault for programs.

use std::fmt::Write;

use serde::Serialize;

use super::fault::{Bound, Fault, Figure};
use super::measure::{Client, Measured};

/// Several runs of one fault.
pub(super) struct Outcome {
    pub(super) fault: Fault,
    pub(super) runs: Vec<Measured>,
    pub(super) bounds: Vec<Bound>,
}

/// The middle and the worst of several runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Spread {
    median: f64,
    max: f64,
}

/// One object of `--json`.
#[derive(Debug, Serialize)]
struct Object {
    fault: String,
    runs: usize,
    ping_silence_ms: Spread,
    service_silence_ms: Spread,
    dual_owner_ms: Spread,
    no_owner_ms: Spread,
    bad_requests: Spread,
    connected_client: Vec<&'static str>,
    /// Of the figure that tells most.
    bound_ms: f64,
    bounds: Vec<ObjectBound>,
    ok: bool,
}

#[derive(Debug, Serialize)]
struct ObjectBound {
    figure: &'static str,
    at_most: f64,
    median: f64,
    ok: bool,
}

impl Figure {
    fn key(self) -> &'static str {
        match self {
            Self::PingSilence => "ping_silence_ms",
            Self::ServiceSilence => "service_silence_ms",
            Self::DualOwner => "dual_owner_ms",
            Self::NoOwner => "no_owner_ms",
            Self::BadRequests => "bad_requests",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::PingSilence => "ping",
            Self::ServiceSilence => "service",
            Self::DualOwner => "two owners",
            Self::NoOwner => "no owner",
            Self::BadRequests => "bad requests",
        }
    }
}

impl Client {
    fn word(self) -> &'static str {
        match self {
            Self::GoesOn => "goes on",
            Self::Told => "told",
            Self::Hangs => "hangs",
        }
    }
}

/// Rounded to a tenth: the probes see no finer.
fn spread(values: impl Iterator<Item = f64>) -> Spread {
    let mut values: Vec<f64> = values.map(|value| (value * 10.0).round() / 10.0).collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let median = match values.len() {
        0 => 0.0,
        count if count % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    };
    Spread { median, max: values.last().copied().unwrap_or(0.0) }
}

impl Outcome {
    fn spread(&self, figure: Figure) -> Spread {
        spread(self.runs.iter().map(|run| run.figure(figure)))
    }

    fn keeps(&self, bound: Bound) -> bool {
        self.spread(bound.figure).median <= bound.at_most
    }

    /// Whether every promise was kept, in the middle of the runs.
    pub(super) fn ok(&self) -> bool {
        self.bounds.iter().all(|bound| self.keeps(*bound)) && !self.client_hangs()
    }

    /// After a planned stop nobody may be left without a word.
    fn client_hangs(&self) -> bool {
        let hangs = self.runs.iter().any(|run| run.client == Client::Hangs);
        self.fault == Fault::PlannedStop && hangs
    }

    /// One line of JSON.
    pub(super) fn json(&self) -> String {
        let bounds: Vec<ObjectBound> = self
            .bounds
            .iter()
            .map(|bound| ObjectBound {
                figure: bound.figure.key(),
                at_most: bound.at_most,
                median: self.spread(bound.figure).median,
                ok: self.keeps(*bound),
            })
            .collect();
        let object = Object {
            fault: self.fault.name(),
            runs: self.runs.len(),
            ping_silence_ms: self.spread(Figure::PingSilence),
            service_silence_ms: self.spread(Figure::ServiceSilence),
            dual_owner_ms: self.spread(Figure::DualOwner),
            no_owner_ms: self.spread(Figure::NoOwner),
            bad_requests: self.spread(Figure::BadRequests),
            connected_client: self.runs.iter().map(|run| run.client.word()).collect(),
            bound_ms: self.bounds.first().map_or(0.0, |bound| bound.at_most),
            bounds,
            ok: self.ok(),
        };
        serde_json::to_string(&object).unwrap_or_default()
    }
}

/// The table of all faults.
pub(super) fn table(outcomes: &[Outcome]) -> String {
    let mut text = format!(
        "{:<15} {:>17} {:>17} {:>17} {:>15} {:>9}  bound\n",
        "fault", "ping silence", "service silence", "two owners", "no owner", "client"
    );
    for outcome in outcomes {
        let cell = |figure| {
            let Spread { median, max } = outcome.spread(figure);
            format!("{median:.1} ({max:.1})")
        };
        let client = outcome.runs.iter().map(|run| run.client).max().map_or("", Client::word);
        let bounds: Vec<String> = outcome
            .bounds
            .iter()
            .map(|bound| format!("{} ≤ {:.0}", bound.figure.words(), bound.at_most))
            .collect();
        // Writing to a string cannot fail.
        writeln!(
            text,
            "{:<15} {:>17} {:>17} {:>17} {:>15} {:>9}  {:<6} {}",
            outcome.fault.name(),
            cell(Figure::PingSilence),
            cell(Figure::ServiceSilence),
            cell(Figure::DualOwner),
            cell(Figure::NoOwner),
            client,
            if outcome.ok() { "ok" } else { "MISSED" },
            bounds.join(", "),
        )
        .ok();
    }
    text.push_str("\nmilliseconds: median (worst) of the runs, as the client measured them\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_and_the_max_the_worst() {
        for (values, median, max) in [
            (&[][..], 0.0, 0.0),
            (&[3.04], 3.0, 3.0),
            (&[9.0, 1.0, 2.0], 2.0, 9.0),
            (&[4.0, 1.0, 2.0, 100.0], 3.0, 100.0),
        ] {
            assert_eq!(spread(values.iter().copied()), Spread { median, max }, "{values:?}");
        }
    }
}
