//! What was found, item by item: in words, and as JSON.

use std::fmt::{self, Write};

use serde::Serialize;

/// How an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Doubtful, or it could not be looked at.
    Warning,
    /// The pair does not work, or will not when it is needed.
    Failure,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failure => "FAILURE",
        })
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind of thing, by a word that does not change between releases.
    pub item: &'static str,
    /// Which one, such as an interface or a server.
    pub subject: String,
    /// How it is.
    pub verdict: Verdict,
    /// What was seen.
    pub seen: String,
    /// Why it matters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Commands that mend it, to be pasted; those that begin with `#` are for people.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remedy: Vec<String>,
}

impl Finding {
    /// It is as it should be.
    pub(super) fn ok(item: &'static str, subject: impl ToString, seen: impl Into<String>) -> Self {
        let (subject, seen) = (subject.to_string(), seen.into());
        Self { item, subject, verdict: Verdict::Ok, seen, why: None, remedy: Vec::new() }
    }

    /// It is doubtful; `why` it matters.
    pub(super) fn warning(
        item: &'static str,
        subject: impl ToString,
        seen: impl Into<String>,
        why: impl Into<String>,
    ) -> Self {
        let why = Some(why.into());
        Self { verdict: Verdict::Warning, why, ..Self::ok(item, subject, seen) }
    }

    /// It is wrong; `why` it matters.
    pub(super) fn failure(
        item: &'static str,
        subject: impl ToString,
        seen: impl Into<String>,
        why: impl Into<String>,
    ) -> Self {
        Self { verdict: Verdict::Failure, ..Self::warning(item, subject, seen, why) }
    }

    /// With a command that mends it, or the next of several.
    pub(super) fn remedy(mut self, command: impl Into<String>) -> Self {
        self.remedy.push(command.into());
        self
    }

    /// With several commands.
    pub(super) fn remedies(mut self, commands: impl IntoIterator<Item = String>) -> Self {
        self.remedy.extend(commands);
        self
    }
}

/// All that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How many failures.
    failures: usize,
    /// How many warnings.
    warnings: usize,
    /// Everything, in the order it was looked at.
    findings: Vec<Finding>,
}

impl Report {
    pub(super) fn new(findings: Vec<Finding>) -> Self {
        let count = |verdict| findings.iter().filter(|found| found.verdict == verdict).count();
        let (failures, warnings) = (count(Verdict::Failure), count(Verdict::Warning));
        Self { failures, warnings, findings }
    }

    /// Whether nothing is wrong.
    pub(super) fn is_good(&self) -> bool {
        self.failures == 0
    }

    /// For people.
    pub(super) fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        self.write(&mut text).ok();
        text
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        for Finding { item, subject, verdict, seen, why, remedy } in &self.findings {
            let space = if subject.is_empty() { "" } else { " " };
            writeln!(out, "{verdict:<8} {item}{space}{subject}: {seen}")?;
            if let Some(why) = why {
                writeln!(out, "         {why}")?;
            }
            for command in remedy {
                let prompt = if command.starts_with('#') { "" } else { "$ " };
                writeln!(out, "           {prompt}{command}")?;
            }
        }
        let Self { failures, warnings, findings } = self;
        let good = findings.len() - failures - warnings;
        writeln!(out, "ok: {good}, warnings: {warnings}, failures: {failures}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_told_in_words_and_counted() {
        let report = Report::new(vec![
            Finding::ok("interface", "eth0", "up"),
            Finding::warning("firewall", "", "not known", "there is no nft").remedy("# look"),
            Finding::failure("source", "api IPv4", "none", "it stays in Initialize").remedy("ip a"),
        ]);
        assert!(!report.is_good());
        assert_eq!(
            report.render(),
            "ok       interface eth0: up\n\
             warning  firewall: not known\n\
             \x20        there is no nft\n\
             \x20          # look\n\
             FAILURE  source api IPv4: none\n\
             \x20        it stays in Initialize\n\
             \x20          $ ip a\n\
             ok: 1, warnings: 1, failures: 1\n"
        );
        assert_eq!(
            serde_json::to_string(&Report::new(vec![Finding::ok("interface", "eth0", "up")]))
                .unwrap(),
            "{\"failures\":0,\"warnings\":0,\"findings\":[{\"item\":\"interface\",\
             \"subject\":\"eth0\",\"verdict\":\"ok\",\"seen\":\"up\"}]}"
        );
    }
}
