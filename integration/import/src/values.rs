//! Reading values out of statements: each wrong one is a mistake at its place.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use super::draft::Got;
use super::report::Report;
use super::secrets::MASK;
use super::source::{Mistake, Statement, Word};

/// No setting is longer; sums of such times stay far from overflow.
const LONGEST: Duration = Duration::from_secs(1_000_000_000);

impl Report {
    /// The first word after the keyword.
    pub(super) fn argument<'a>(&mut self, statement: &'a Statement) -> Option<&'a Word> {
        let word = statement.words.get(1);
        if word.is_none() {
            let title = format!("`{}` has no value", statement.name());
            self.mistake(Mistake::at(statement.place(), title, ""));
        }
        word
    }

    /// The first word after the keyword, made into what `parse` makes of it.
    pub(super) fn parsed<T, E: std::fmt::Display>(
        &mut self,
        statement: &Statement,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Got<T>> {
        let word = self.argument(statement)?;
        match parse(&word.text) {
            Ok(value) => Some(Got::from(statement.place(), value)),
            Err(must) => {
                self.mistake(Mistake::value(statement, word, &must.to_string()));
                None
            }
        }
    }

    /// A whole number within `limits`.
    pub(super) fn number<T>(
        &mut self,
        statement: &Statement,
        limits: RangeInclusive<T>,
    ) -> Option<Got<T>>
    where
        T: FromStr + PartialOrd + std::fmt::Display,
    {
        self.parsed(statement, |text| number(text, &limits))
    }

    /// An IP address.
    pub(super) fn ip(&mut self, statement: &Statement) -> Option<Got<IpAddr>> {
        self.parsed(statement, ip)
    }

    /// Says of words that the program itself does not read that they are left out.
    pub(super) fn surplus(&mut self, statement: &Statement, read: usize) {
        if let Some(extra) = statement.words.get(read..).filter(|extra| !extra.is_empty()) {
            let words: Vec<&str> = extra.iter().map(|word| word.text.as_str()).collect();
            let words = if statement.is_secret() { MASK.to_owned() } else { words.join(" ") };
            self.different(statement, format!("{words:?} is left out: it is not read"));
        }
    }
}

/// A whole number within `limits`.
pub(super) fn number<T>(text: &str, limits: &RangeInclusive<T>) -> Result<T, String>
where
    T: FromStr + PartialOrd + std::fmt::Display,
{
    text.parse()
        .ok()
        .filter(|number| limits.contains(number))
        .ok_or_else(|| format!("must be {} to {}", limits.start(), limits.end()))
}

/// An IP address.
pub(super) fn ip(text: &str) -> Result<IpAddr, &'static str> {
    text.parse().map_err(|_| "must be an IP address")
}

/// Seconds, perhaps with a fraction.
pub(super) fn seconds(text: &str) -> Result<Duration, &'static str> {
    let wrong = "must be a number of seconds";
    let seconds: f64 = text.parse().map_err(|_| wrong)?;
    Duration::try_from_secs_f64(seconds).ok().filter(|time| *time <= LONGEST).ok_or(wrong)
}

/// A time as people read it.
pub(super) fn spoken(time: Duration) -> String {
    humantime::format_duration(Duration::from_millis(
        u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
    ))
    .to_string()
}
