//! `garp_…` and `vrrp_garp_…`: when addresses are announced.

use std::time::Duration;

use crate::draft::{Announce, Got};
use crate::report::Report;
use crate::source::Statement;
use crate::values::{seconds, spoken};

/// Rounds in a row, and the longest times, that `announce` takes.
const MOST_ROUNDS: u32 = 32;
const LONGEST_DELAY: Duration = Duration::from_secs(3600);
const LONGEST_REFRESH: Duration = Duration::from_secs(86_400);
const LONGEST_INTERVAL: Duration = Duration::from_secs(1);

/// Without them keepalived sends so many at once, and as many again that long after.
const REPEAT: u32 = 5;
const DELAY: Duration = Duration::from_secs(5);

const AS_AFTER: &str = "addresses are announced then as after taking over";

/// What was written of it, for all instances or for one.
#[derive(Clone, Debug, Default)]
pub(super) struct Garp {
    delay: Option<Got<Duration>>,
    repeat: Option<Got<u32>>,
    refresh: Option<Got<Duration>>,
    refresh_repeat: Option<Got<u32>>,
    interval: Option<Got<Duration>>,
}

impl Garp {
    /// Reads one statement; `name` is its keyword without `vrrp_`. False where it is none of these.
    pub(super) fn read(&mut self, name: &str, statement: &Statement, report: &mut Report) -> bool {
        match name {
            "garp_master_delay" => self.delay = time(statement, LONGEST_DELAY, report),
            "garp_master_refresh" => self.refresh = time(statement, LONGEST_REFRESH, report),
            "garp_interval" | "gna_interval" => {
                let interval = time(statement, LONGEST_INTERVAL, report);
                let longer = |got: &Got<Duration>| {
                    self.interval.as_ref().is_none_or(|known| known.value <= got.value)
                };
                if let Some(interval) = interval.filter(longer) {
                    self.interval = Some(interval);
                }
            }
            "garp_master_repeat" => self.repeat = count(statement, MOST_ROUNDS / 2, report),
            "garp_master_refresh_repeat" => {
                self.refresh_repeat = count(statement, MOST_ROUNDS, report);
            }
            "min_garp" if matches!(statement.text(1), "off" | "false" | "no") => {
                report.ignored(statement, "it is the default");
            }
            "min_garp" => {
                report.translated(statement);
                self.repeat = Some(Got::from(statement.place(), 1));
                self.delay = Some(Got::from(statement.place(), Duration::ZERO));
            }
            _ if name.starts_with("garp_lower_prio_") => report.different(statement, AS_AFTER),
            _ => return false,
        }
        true
    }

    /// What an instance's own words and those for all come to; none where nobody said anything.
    pub(super) fn announce(&self, globals: &Self) -> Option<Announce> {
        let delay = self.delay.as_ref().or(globals.delay.as_ref());
        let repeat = self.repeat.as_ref().or(globals.repeat.as_ref());
        let refresh = self.refresh.as_ref().or(globals.refresh.as_ref());
        let refresh_repeat = self.refresh_repeat.as_ref().or(globals.refresh_repeat.as_ref());
        let interval = self.interval.as_ref().or(globals.interval.as_ref());
        let times = [delay, refresh, interval].into_iter().flatten().map(|got| &got.from);
        let counts = [repeat, refresh_repeat].into_iter().flatten().map(|got| &got.from);
        let from = times.chain(counts).flatten().next()?.clone();
        let at = (delay.is_some() || repeat.is_some()).then(|| {
            let (repeat, delay) =
                (repeat.map_or(REPEAT, |r| r.value), delay.map_or(DELAY, |d| d.value));
            let mut at = vec![Duration::ZERO; repeat as usize];
            if delay > Duration::ZERO {
                at.extend(vec![delay; repeat as usize]);
            }
            at
        });
        Some(Announce {
            from,
            at,
            refresh: refresh.map(|got| got.value),
            refresh_repeat: refresh_repeat.map(|got| got.value),
            interval: interval.map(|got| got.value),
        })
    }
}

fn time(statement: &Statement, most: Duration, report: &mut Report) -> Option<Got<Duration>> {
    let got = report.parsed(statement, seconds)?;
    if got.value > most {
        report.different(statement, format!("it is {} at most", spoken(most)));
    } else {
        report.translated(statement);
        report.surplus(statement, 2);
    }
    Some(Got { value: got.value.min(most), from: got.from })
}

fn count(statement: &Statement, most: u32, report: &mut Report) -> Option<Got<u32>> {
    let got = report.number(statement, 0..=u32::MAX)?;
    let value = got.value.clamp(1, most);
    if value == got.value {
        report.translated(statement);
        report.surplus(statement, 2);
    } else {
        report.different(statement, format!("it is 1 to {most}"));
    }
    Some(Got { value, from: got.from })
}
